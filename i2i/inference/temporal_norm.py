"""Reduce flicker in videos: normalization statistics that follow the frames slowly, and no dropout.

Instance norm computes its statistics for each frame: an object that enters the frame changes the colours of the whole
frame. Here the statistics are an exponential moving average over frames, m ← λ m + (1 − λ) m_frame, for each channel of
each norm.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from i2i.inference.streaming import StreamedTensor
from i2i.networks.layers import InstanceNorm

TIME_CONSTANT = 0.4  # seconds after which the weight of a frame has fallen to 1/e


class TemporalNorm:
    """A context in which the norms of a network average their statistics over frames.

    Frames come in their order, in batches or one by one.

    Args:
        network: the network.
        rate: frames a second.
    """

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.decay = math.exp(-1 / (TIME_CONSTANT * rate))
        self._norms = [module for module in network.modules() if _uses_input_statistics(module)]
        self._dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout) and module.training]
        self._statistics: dict[nn.Module, Tensor] = {}
        self._network = network
        self._compiled = network._compiled_call_impl

    def reset(self) -> None:
        """Forget the statistics, because the next frame begins a new scene."""
        self._statistics.clear()

    def __enter__(self) -> "TemporalNorm":
        self._network._compiled_call_impl = None  # the compiled network does not call the replaced functions
        for norm in self._norms:
            norm.forward = self._forward_of(norm)
        for dropout in self._dropouts:
            dropout.eval()
        return self

    def __exit__(self, *_: object) -> None:
        self._network._compiled_call_impl = self._compiled
        for norm in self._norms:
            del norm.forward  # uncovers the method of the class
        for dropout in self._dropouts:
            dropout.train()

    def _forward_of(self, norm: Any) -> Callable[[Any], Any]:
        weight = getattr(norm, "weight", None)
        bias = getattr(norm, "bias", None)

        def forward(x: Tensor | StreamedTensor) -> Tensor | StreamedTensor:
            if isinstance(x, StreamedTensor):
                source, mean, variance = x.mean_var()
                (statistics,) = self._average(norm, torch.stack([mean, variance])[None])
                return source.apply_norm(statistics[0], statistics[1], norm.eps, weight, bias)
            rows = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # (N, H·W, C)
            mean = rows.mean(1)
            variance = (rows - mean[:, None]).square_().mean(1)
            averaged = self._average(norm, torch.stack([mean, variance], 1))  # (N, 2, C)
            normalized = (rows - averaged[:, :1]) * torch.rsqrt(averaged[:, 1:] + norm.eps)
            if weight is not None:
                normalized = normalized * weight + bias
            return normalized.to(x.dtype).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)

        return forward

    def _average(self, norm: nn.Module, statistics: Tensor) -> Tensor:
        """Average mean and variance (N, 2, C) of frames in their order with those of the frames before."""
        averages = []
        for frame in statistics:
            previous = self._statistics.get(norm)
            average = frame if previous is None else torch.lerp(frame, previous, self.decay)
            self._statistics[norm] = average
            averages.append(average)
        return torch.stack(averages)


def _uses_input_statistics(module: nn.Module) -> bool:
    return isinstance(module, InstanceNorm) or (isinstance(module, nn.BatchNorm2d) and module.training)
