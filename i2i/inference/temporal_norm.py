"""Less flicker in clips: norms whose statistics follow the frames slowly, and dropout off.

Instance norm takes its statistics from each frame anew: what comes into the frame at one side changes the tone of all
of it. Here they are averaged over the frames so far, m ← λ m + (1 − λ) m_frame, per channel of each norm.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from i2i.inference.streaming import Strips
from i2i.networks.layers import InstanceNorm

SECONDS = 0.4  # in which the weight of a frame falls to 1/e


class Steady:
    """A context in which a network's norms remember, over frames given in their order, in batches or one by one.

    rate: frames a second.
    """

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.memory = math.exp(-1 / (SECONDS * rate))
        self._norms = [module for module in network.modules() if _takes_statistics(module)]
        self._dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout) and module.training]
        self._moments: dict[nn.Module, Tensor] = {}
        self._network, self._compiled = network, network._compiled_call_impl

    def forget(self) -> None:
        """The next frame is of another scene."""
        self._moments.clear()

    def __enter__(self) -> "Steady":
        self._network._compiled_call_impl = None  # which knows nothing of what follows
        for norm in self._norms:
            norm.forward = self._forward_of(norm)
        for dropout in self._dropouts:
            dropout.eval()
        return self

    def __exit__(self, *_: object) -> None:
        self._network._compiled_call_impl = self._compiled
        for norm in self._norms:
            del norm.forward  # that of its class is there again
        for dropout in self._dropouts:
            dropout.train()

    def _forward_of(self, norm: Any) -> Callable[[Any], Any]:
        weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)

        def forward(x: Tensor | Strips) -> Tensor | Strips:
            if isinstance(x, Strips):
                source, mean, variance = x.with_moments()
                (moments,) = self._smoothed(norm, torch.stack([mean, variance])[None])
                return source.scaled(moments[0], moments[1], norm.eps, weight, bias)
            rows = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # (N, H·W, C)
            mean = rows.mean(1)
            variance = (rows - mean[:, None]).square_().mean(1)
            smooth = self._smoothed(norm, torch.stack([mean, variance], 1))  # (N, 2, C)
            found = (rows - smooth[:, :1]) * torch.rsqrt(smooth[:, 1:] + norm.eps)
            if weight is not None:
                found = found * weight + bias
            return found.to(x.dtype).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)

        return forward

    def _smoothed(self, norm: nn.Module, moments: Tensor) -> Tensor:
        """Mean and variance (N, 2, C) of frames in their order, averaged with those before each."""
        found = []
        for frame in moments:
            before = self._moments.get(norm)
            now = frame if before is None else torch.lerp(frame, before, self.memory)
            self._moments[norm] = now
            found.append(now)
        return torch.stack(found)


def _takes_statistics(module: nn.Module) -> bool:
    return isinstance(module, InstanceNorm) or (isinstance(module, nn.BatchNorm2d) and module.training)
