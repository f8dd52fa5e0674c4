"""The running average of a training's translators, smoother than any of the steps it passes."""

import copy

import torch
from torch import Tensor, nn


class EMA:
    """Exponential moving average of networks' weights (Yazıcı et al. 2019); buffers are copied.

    networks: the translators in training, whose weights stay where they are in memory. decay: per step, below 1.
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float) -> None:
        self.decay = decay
        current = nn.ModuleDict(networks)
        self.average = copy.deepcopy(current)
        self._means: list[Tensor] = list(self.average.parameters())
        self._values: list[Tensor] = list(current.parameters())
        self._copies, self._buffers = list(self.average.buffers()), list(current.buffers())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps. Young averages forget faster: at most (1 + step) / (10 + step)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        if self._means:
            torch._foreach_lerp_(self._means, self._values, 1 - decay)
        if self._copies:
            torch._foreach_copy_(self._copies, self._buffers)
