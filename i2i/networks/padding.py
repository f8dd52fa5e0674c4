"""Reflection padding that is fast, and has a fixed order of sums, for channels-last images on a GPU."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.cuda_kernels import prefers_more_kernels


class ReflectionPad2d(nn.ReflectionPad2d):
    """``nn.ReflectionPad2d`` by ``reflect_pad``; takes one padding for all four sides."""

    def __init__(self, padding: int) -> None:
        super().__init__(padding)

    def forward(self, x: Tensor) -> Tensor:
        return reflect_pad(x, self.padding[0])


def reflect_pad(x: Tensor, padding: int) -> Tensor:
    """Reflect ``x`` (N, C, H, W) at its four edges by ``padding`` pixels, fewer than H and W.

    On CUDA, torch's own function copies a channels-last image to contiguous memory, and its gradient adds up by atomic
    operations, whose order differs from run to run.
    """
    if prefers_more_kernels(x) and 0 < padding < min(x.shape[2:]):
        result: Tensor = _ReflectionPad.apply(x, padding)
        return result
    return F.pad(x, (padding,) * 4, mode="reflect")


class _ReflectionPad(torch.autograd.Function):
    """Writes the inner pixels and the reflected edges into new channels-last memory. The backward pass is linear."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int) -> Tensor:
        batch, channels, *sides = x.shape
        ctx.padding = padding
        height, width = sides
        output = torch.empty(
            (batch, channels, height + 2 * padding, width + 2 * padding),
            dtype=x.dtype, device=x.device, memory_format=torch.channels_last,
        )  # fmt: skip
        inner_rows = output.narrow(3, padding, width)
        inner_rows.narrow(2, padding, height).copy_(x)
        for target, axis, size in ((inner_rows, 2, height), (output, 3, width)):
            for edge, reflected in _edges(target, axis, size, padding):
                edge.copy_(_reversed(reflected, axis))
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        padding = ctx.padding
        for axis in (3, 2):
            size = gradient.shape[axis] - 2 * padding
            inner = gradient.narrow(axis, padding, size).clone(memory_format=torch.channels_last)
            for start, edge_start in ((1, 0), (size - 1 - padding, padding + size)):
                edge = gradient.narrow(axis, edge_start, padding)
                inner.narrow(axis, start, padding).add_(_reversed(edge, axis))
            gradient = inner
        return gradient, None


def _edges(padded: Tensor, axis: int, size: int, padding: int) -> list[tuple[Tensor, Tensor]]:
    """Return the two edges of a padded axis, whose inner part has ``size`` pixels, and the pixels that they reflect."""
    starts = ((0, padding + 1), (padding + size, size - 1))
    return [(padded.narrow(axis, edge, padding), padded.narrow(axis, inner, padding)) for edge, inner in starts]


def _reversed(x: Tensor, axis: int) -> Tensor:
    return x.flip(axis) if x.shape[axis] > 1 else x
