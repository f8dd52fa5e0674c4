"""Exponential moving average of the translators' weights."""

import copy

import torch
from torch import Tensor, nn


class EMA:
    """Exponential moving average of networks' weights (Yazıcı et al. 2019). Buffers are copied, not averaged.

    Args:
        networks: the translators in training, by name. Their weights must stay at the same memory addresses.
        decay: weight of the old average per step, from 0 to below 1.
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float) -> None:
        self.decay = decay
        current = nn.ModuleDict(networks)
        self.module = copy.deepcopy(current)
        self._ema_params: list[Tensor] = list(self.module.parameters())
        self._params: list[Tensor] = list(current.parameters())
        self._ema_buffers: list[Tensor] = list(self.module.buffers())
        self._buffers: list[Tensor] = list(current.buffers())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the weights after ``step`` steps.

        The decay is at most (1 + step) / (10 + step), so that the average forgets the initial weights quickly.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        if self._ema_params:
            torch._foreach_lerp_(self._ema_params, self._params, 1 - decay)
        if self._ema_buffers:
            torch._foreach_copy_(self._ema_buffers, self._buffers)
