"""Torch functions on streamed tensors: each one knows which input rows an output row depends on.

See "Extending torch" in the documentation of PyTorch for ``__torch_function__``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.inference.streaming.tensor import (
    LazyTensor,
    StreamedTensor,
    implements,
    pointwise,
    pointwise_mixed,
    shape_probe,
)
from i2i.networks.instance_norm import instance_norm, norm_with_statistics


@implements(torch.add)
def _add(x: Any, y: Any) -> StreamedTensor:
    """Add. The sum of two feature maps is materialized if it fits in memory.

    It is the output of a residual block; otherwise each block would compute everything before it twice.
    """
    total = pointwise_mixed(torch.add, x, y)
    are_both_streamed = isinstance(x, StreamedTensor) and isinstance(y, StreamedTensor)
    return total.materialize() if are_both_streamed and total.fits_in_memory() else total


@implements(torch.cat)
def _cat(maps: Sequence[StreamedTensor], dim: int = 0) -> StreamedTensor:
    if dim != 1:
        raise NotImplementedError("streamed tensors can be concatenated along their channels only")
    return pointwise(maps[0], lambda *rows: torch.cat(rows, 1), *maps[1:])


def _sliding_rows(
    x: StreamedTensor, function: Callable[[Tensor], Tensor], height: int, padding: int, size: int, stride: int = 1
) -> StreamedTensor:
    """Apply a function whose output row depends on a window of input rows.

    Args:
        x: the input.
        function: computes output rows from input rows, without padding rows; it pads the columns itself.
        height: rows of the output.
        padding: rows of zeros above the input in the first window.
        size: rows of a window.
        stride: rows between windows.
    """
    template = function(shape_probe(x))
    width = function(torch.zeros(1, x.channels, size, x.width, dtype=x.dtype, device=x.device)).shape[3]

    def compute(top: int, bottom: int) -> Tensor:
        first = top * stride - padding
        last = (bottom - 1) * stride - padding + size
        rows = x.rows(max(first, 0), min(last, x.height))
        missing_above, missing_below = max(-first, 0), max(last - x.height, 0)
        return function(F.pad(rows, (0, 0, missing_above, missing_below)) if missing_above or missing_below else rows)

    return LazyTensor(height, width, template, x.image_pixels, compute, x)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


@implements(torch.conv2d, F.conv2d)
def _conv2d(
    x: StreamedTensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> StreamedTensor:  # fmt: skip
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    size = dilation[0] * (weight.shape[2] - 1) + 1

    def convolve(rows: Tensor) -> Tensor:
        return F.conv2d(rows, weight, bias, stride, (0, padding[1]), dilation, groups)

    height = (x.height + 2 * padding[0] - size) // stride[0] + 1
    return _sliding_rows(x, convolve, height, padding[0], size, stride[0])


@implements(torch.conv_transpose2d, F.conv_transpose2d)
def _conv_transpose2d(
    x: StreamedTensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> StreamedTensor:  # fmt: skip
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    output_padding = _pair(output_padding)
    size = dilation[0] * (weight.shape[2] - 1) + 1
    height = (x.height - 1) * stride[0] - 2 * padding[0] + size + output_padding[0]

    def convolve(rows: Tensor) -> Tensor:
        # An output padding of stride - 1 rows gives every output row that the last input row contributes to.
        return F.conv_transpose2d(
            rows, weight, bias, stride, (0, padding[1]), (stride[0] - 1, output_padding[1]), groups, dilation
        )

    width = convolve(torch.zeros(1, x.channels, 1, x.width, dtype=x.dtype, device=x.device)).shape[3]

    def compute(top: int, bottom: int) -> Tensor:
        first = max(
            0, -(-(top + padding[0] - size + 1) // stride[0])
        )  # first input row whose kernel reaches row ``top``
        last = min(x.height, (bottom - 1 + padding[0]) // stride[0] + 1)
        start = top + padding[0] - first * stride[0]
        return convolve(x.rows(first, last))[:, :, start : start + bottom - top]

    return LazyTensor(height, width, convolve(shape_probe(x)), x.image_pixels, compute, x)


@implements(F.pad)
def _pad(x: StreamedTensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> StreamedTensor:
    left, right, above, below = (*pad, 0, 0)[:4]
    height, width = x.height + above + below, x.width + left + right
    if mode == "constant" or not (above or below):
        return _sliding_rows(x, lambda rows: F.pad(rows, (left, right), mode, value or 0), height, above, 1)
    if mode != "reflect":
        raise NotImplementedError(f"padding of mode {mode} cannot be streamed")
    template = F.pad(shape_probe(x), (left, right, 0, 0), mode)

    def compute(top: int, bottom: int) -> Tensor:
        first, last = top - above, bottom - above  # input rows; those outside of the input are reflected
        missing_above, missing_below = max(-first, 0), max(last - x.height, 0)
        start = max(min(first, x.height - 1 - missing_below), 0)
        end = min(max(last, missing_above + 1), x.height)
        padded = F.pad(x.rows(start, end), (left, right, missing_above, missing_below), mode)
        offset = max(first, 0) - start
        return padded[:, :, offset : offset + bottom - top]

    return LazyTensor(height, width, template, x.image_pixels, compute, x)


@implements(F.avg_pool2d)
def _avg_pool2d(
    x: StreamedTensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> StreamedTensor:  # fmt: skip
    (size, _), (row_stride, _) = _pair(kernel_size), _pair(stride or kernel_size)
    if any(_pair(padding)) or ceil_mode or divisor_override:
        raise NotImplementedError("pooling with padding, ceil_mode or divisor_override cannot be streamed")
    pool = partial(F.avg_pool2d, kernel_size=kernel_size, stride=stride)
    return _sliding_rows(x, pool, (x.height - size) // row_stride + 1, 0, size, row_stride)


@implements(F.interpolate)
def _interpolate(
    x: StreamedTensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", **options: Any
) -> StreamedTensor:
    scale = int(scale_factor if isinstance(scale_factor, int | float) else 0)
    if scale < 1 or scale != scale_factor or options.get("align_corners") or options.get("antialias"):
        raise NotImplementedError("resizing can be streamed only by a whole scale factor, without antialias")
    resize = partial(F.interpolate, scale_factor=scale, mode=mode)
    overlap = {"nearest": 0, "bilinear": 1, "bicubic": 2}[mode]  # input rows on each side that an output row depends on

    def compute(top: int, bottom: int) -> Tensor:
        first = max(top // scale - overlap - 1, 0)
        last = min(-(-bottom // scale) + overlap + 1, x.height)
        resized = resize(x.rows(first, last))
        return resized[:, :, top - first * scale : bottom - first * scale]

    return LazyTensor(x.height * scale, x.width * scale, resize(shape_probe(x)), x.image_pixels, compute, x)


@implements(F.pixel_shuffle)
def _pixel_shuffle(x: StreamedTensor, factor: int) -> StreamedTensor:
    def compute(top: int, bottom: int) -> Tensor:
        first = top // factor
        shuffled = F.pixel_shuffle(x.rows(first, -(-bottom // factor)), factor)
        return shuffled[:, :, top - first * factor : bottom - first * factor]

    template = F.pixel_shuffle(shape_probe(x), factor)
    return LazyTensor(x.height * factor, x.width * factor, template, x.image_pixels, compute, x)


@implements(F.pixel_unshuffle)
def _pixel_unshuffle(x: StreamedTensor, factor: int) -> StreamedTensor:
    def compute(top: int, bottom: int) -> Tensor:
        return F.pixel_unshuffle(x.rows(top * factor, bottom * factor), factor)

    template = F.pixel_unshuffle(shape_probe(x), factor)
    return LazyTensor(x.height // factor, x.width // factor, template, x.image_pixels, compute, x)


@implements(F.batch_norm)
def _batch_norm(
    x: StreamedTensor, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> StreamedTensor:  # fmt: skip
    if training:
        return x.normalize(eps, weight, bias)
    return pointwise(x, lambda rows: F.batch_norm(rows, mean, variance, weight, bias, False, momentum, eps))


@implements(F.dropout)
def _dropout(x: StreamedTensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> StreamedTensor:
    """Draw the dropout mask once and keep the result, so that a row is the same each time it is computed."""
    return pointwise(x, lambda rows: F.dropout(rows, p)).materialize() if training and p else x


def _elementwise(function: Callable[..., Tensor], x: StreamedTensor, *args: Any, **kwargs: Any) -> StreamedTensor:
    kwargs.pop("inplace", None)  # the rows may be a view of a feature map
    return pointwise(x, lambda rows: function(rows, *args, **kwargs))


_ELEMENTWISE: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.relu: torch.relu, F.leaky_relu: F.leaky_relu, F.gelu: F.gelu, F.silu: F.silu,
    torch.relu: torch.relu, torch.tanh: torch.tanh, torch.sigmoid: torch.sigmoid, F.sigmoid: torch.sigmoid,
    torch.clamp: torch.clamp, torch.atanh: torch.atanh,
}  # fmt: skip
for _function, _op in _ELEMENTWISE.items():
    implements(_function)(partial(_elementwise, _op))
for _function in (torch.mul, torch.where):
    implements(_function)(partial(pointwise_mixed, _function))
implements(instance_norm, norm_with_statistics)(StreamedTensor.normalize)
