"""Reduce flicker in videos: normalisation statistics that follow the frames slowly, and no dropout.

Instance norm computes its statistics for each frame: an object that enters the frame changes the colours of the whole
frame. Here the statistics are an exponential moving average over frames, m ← λ m + (1 − λ) m_frame, for each channel of
each norm.
"""

import math
from functools import partial

import torch
from torch import Tensor, nn

from i2i.networks.instance_norm import BatchNorm2d, InstanceNorm

TIME_CONSTANT = 0.4  # seconds after which the weight of a frame has fallen to 1/e


class TemporalNorm:
    """A context in which the norms of a network average their statistics over frames.

    Frames come in their order, in batches or one by one.

    Args:
        network: the network, which must run uncompiled in the context.
        rate: frames a second.
    """

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.decay = math.exp(-1 / (TIME_CONSTANT * rate))
        self._norms = [
            module
            for module in network.modules()
            if isinstance(module, InstanceNorm) or (isinstance(module, BatchNorm2d) and module.training)
        ]
        self._dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout) and module.training]
        self._statistics: dict[nn.Module, Tensor] = {}

    def reset(self) -> None:
        """Forget the statistics, because the next frame begins a new scene."""
        self._statistics.clear()

    def __enter__(self) -> "TemporalNorm":
        for norm in self._norms:
            norm.statistics = partial(self._average, norm)
        for dropout in self._dropouts:
            dropout.eval()
        return self

    def __exit__(self, *_: object) -> None:
        for norm in self._norms:
            norm.statistics = None
        for dropout in self._dropouts:
            dropout.train()

    def _average(self, norm: nn.Module, statistics: Tensor) -> Tensor:
        """Average mean and variance (N, 2, C) of frames in their order with those of the frames before."""
        averages = []
        for frame in statistics:
            previous = self._statistics.get(norm)
            average = frame if previous is None else torch.lerp(frame, previous, self.decay)
            self._statistics[norm] = average
            averages.append(average)
        return torch.stack(averages)
