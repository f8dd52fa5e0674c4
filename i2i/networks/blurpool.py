"""Anti-aliased down- and upsampling by fixed filters without weights (Zhang 2019)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.cuda_kernels import prefers_more_kernels


class BlurPool2d(nn.Module):
    """Blur with [1, 2, 1] ⊗ [1, 2, 1] / 16, reflected at the edges, then keep every second pixel.

    Takes (N, C, H, W), H and W at least 2; returns half of each, rounded up.
    """

    def forward(self, x: Tensor) -> Tensor:
        if prefers_more_kernels(x) and min(x.shape[2:]) > 1:
            result: Tensor = _BlurPool.apply(x)
            return result
        # [1, 2, 1] / 4 is [1, 1] / 2 applied twice. Two average poolings are faster than a depthwise convolution.
        return F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 2, 1), 2)


class BilinearUpsample2x(nn.Upsample):
    """Double height and width with the filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 16, which is bilinear interpolation."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear")


class _BlurPool(torch.autograd.Function):
    """``BlurPool2d`` by sums of strided slices. With it a step of `cut:fast` took 21 ms on an H200, without it 29.

    Its backward pass is linear in the gradient, so that it can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.sides = x.shape[2:]
        return _halve(_halve(x, 2), 3)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        height, width = ctx.sides
        return _double(_double(gradients[0], 3, width), 2, height)


def _halve(x: Tensor, axis: int) -> Tensor:
    """Filter an axis with [1, 2, 1] / 4, reflected at its ends, and keep every second value, from the first on."""
    even, odd = _every_second(x, axis, 0), _every_second(x, axis, 1)
    last = even.shape[axis] - 1
    result = 0.5 * even
    for target, start, length in (
        (0, 0, odd.shape[axis]),  # the right neighbours
        (1, 0, last),  # the left neighbours
        (0, 0, 1),  # the first value's left neighbour is its right one
        *(() if odd.shape[axis] > last else ((last, last - 1, 1),)),
    ):
        result.narrow(axis, target, length).add_(odd.narrow(axis, start, length), alpha=0.25)
    return result


def _double(gradient: Tensor, axis: int, size: int) -> Tensor:
    """Return the gradient of the input of ``_halve``, whose axis had ``size`` values."""
    shape = list(gradient.shape)
    shape[axis] = size
    result = torch.empty(shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last)
    last = gradient.shape[axis] - 1
    neighbours = 0.25 * gradient
    _every_second(result, axis, 0).copy_(0.5 * gradient)
    odd = _every_second(result, axis, 1)
    odd.copy_(neighbours.narrow(axis, 0, odd.shape[axis]))
    for target, start, length in (
        (0, 1, last),
        (0, 0, 1),
        *(() if odd.shape[axis] > last else ((last - 1, last, 1),)),
    ):
        odd.narrow(axis, target, length).add_(neighbours.narrow(axis, start, length))
    return result


def _every_second(x: Tensor, axis: int, first: int) -> Tensor:
    return x[:, :, first::2] if axis == 2 else x[:, :, :, first::2]
