"""What torch's functions make of maps in strips, by the rows that each row of a result takes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.inference.streaming.tensor import Computed, Strips, each, probe


def called(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Strips:
    """The map that a function of torch gives of maps. Raises NotImplementedError for one that is not known here."""
    if function in ELEMENTWISE:
        kept = {name: value for name, value in options.items() if name != "inplace"}  # strips may be parts of a map
        return each(args[0], lambda x: ELEMENTWISE[function](x, *args[1:], **kept))
    if getattr(function, "pixelwise", False):  # our own, that say so of themselves
        return _of_maps(function, *args, *options.values())
    if function not in FUNCTIONS:
        raise NotImplementedError(f"{getattr(function, '__name__', function)} cannot be computed in strips")
    return FUNCTIONS[function](*args, **options)


def _of_maps(function: Callable[..., Tensor], *given: Any) -> Strips:
    """A function of maps and numbers, pixel by pixel."""
    places = [place for place, value in enumerate(given) if isinstance(value, Strips)]

    def filled(*rows: Tensor) -> Tensor:
        values = list(given)
        for place, value in zip(places, rows, strict=True):
            values[place] = value
        return function(*values)

    first, *others = (given[place] for place in places)
    return each(first, filled, *others)


def _sum(x: Any, y: Any) -> Strips:
    """Of two maps it is kept, if it is small: a residual block's, of which each would compute all before it twice."""
    found = _of_maps(torch.add, x, y)
    return found.kept() if isinstance(x, Strips) and isinstance(y, Strips) and found.is_small() else found


def _cat(maps: Sequence[Strips], dim: int = 0) -> Strips:
    if dim != 1:
        raise NotImplementedError("maps in strips can be joined along their channels alone")
    return each(maps[0], lambda *rows: torch.cat(rows, 1), *maps[1:])


def _window(
    x: Strips, function: Callable[[Tensor], Tensor], height: int, before: int, size: int, stride: int = 1
) -> Strips:
    """A function each of whose rows comes of ``size`` rows; of the first, ``before`` lie above the map.

    Rows outside of the map are zeros. function: takes them, and pads the columns by itself.
    """
    sample = function(probe(x))
    width = function(torch.zeros(1, x.channels, size, x.width, dtype=x.dtype, device=x.device)).shape[3]

    def compute(top: int, bottom: int) -> Tensor:
        first, last = top * stride - before, (bottom - 1) * stride - before + size
        inside = x.rows(max(first, 0), min(last, x.height))
        above, below = max(-first, 0), max(last - x.height, 0)
        return function(F.pad(inside, (0, 0, above, below)) if above or below else inside)

    return Computed(height, width, sample, x.whole, compute, x)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _conv2d(
    x: Strips, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Strips:  # fmt: skip
    (down, across), (rows, columns), spread = _pair(stride), _pair(padding), _pair(dilation)
    size = spread[0] * (weight.shape[2] - 1) + 1

    def convolved(inside: Tensor) -> Tensor:
        return F.conv2d(inside, weight, bias, (down, across), (0, columns), spread, groups)

    return _window(x, convolved, (x.height + 2 * rows - size) // down + 1, rows, size, down)


def _conv_transpose2d(
    x: Strips, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Strips:  # fmt: skip
    (up, across), (cut, columns), more, spread = _pair(stride), _pair(padding), _pair(output_padding), _pair(dilation)
    size = spread[0] * (weight.shape[2] - 1) + 1
    height = (x.height - 1) * up - 2 * cut + size + more[0]

    def spread_out(inside: Tensor) -> Tensor:
        return F.conv_transpose2d(
            inside, weight, bias, (up, across), (0, columns), (up - 1, more[1]), groups, spread
        )  # fmt: skip

    width = spread_out(torch.zeros(1, x.channels, 1, x.width, dtype=x.dtype, device=x.device)).shape[3]

    def compute(top: int, bottom: int) -> Tensor:
        first = max(0, -(-(top + cut - size + 1) // up))  # the first row whose kernel reaches row ``top``
        last = min(x.height, (bottom - 1 + cut) // up + 1)
        start = top + cut - first * up
        return spread_out(x.rows(first, last))[:, :, start : start + bottom - top]

    return Computed(height, width, spread_out(probe(x)), x.whole, compute, x)


def _pad(x: Strips, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Strips:
    left, right, above, below = (*pad, 0, 0)[:4]
    if mode == "constant" or not (above or below):
        return _window(x, lambda rows: F.pad(rows, (left, right), mode, value or 0), x.height + above + below, above, 1)
    if mode != "reflect":
        raise NotImplementedError(f"padding by {mode} cannot be computed in strips")
    sides = F.pad(probe(x), (left, right, 0, 0), mode)

    def compute(top: int, bottom: int) -> Tensor:
        first, last = top - above, bottom - above  # in rows of the map, of which it may lack some
        over, under = max(-first, 0), max(last - x.height, 0)
        begin, end = max(min(first, x.height - 1 - under), 0), min(max(last, over + 1), x.height)
        padded = F.pad(x.rows(begin, end), (left, right, over, under), mode)
        start = max(first, 0) - begin
        return padded[:, :, start : start + bottom - top]

    return Computed(x.height + above + below, x.width + left + right, sides, x.whole, compute, x)


def _avg_pool2d(
    x: Strips, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Strips:  # fmt: skip
    (size, _), (down, _) = _pair(kernel_size), _pair(stride or kernel_size)
    if any(_pair(padding)) or ceil_mode or divisor_override:
        raise NotImplementedError("pooling with padding cannot be computed in strips")
    pooled = partial(F.avg_pool2d, kernel_size=kernel_size, stride=stride)
    return _window(x, pooled, (x.height - size) // down + 1, 0, size, down)


def _interpolate(x: Strips, size: Any = None, scale_factor: Any = None, mode: str = "nearest", **more: Any) -> Strips:
    scale = int(scale_factor if isinstance(scale_factor, int | float) else 0)
    if scale < 1 or scale != scale_factor or more.get("align_corners") or more.get("antialias"):
        raise NotImplementedError("resizing but by a whole number cannot be computed in strips")
    resized = partial(F.interpolate, scale_factor=scale, mode=mode)
    reach = {"nearest": 0, "bilinear": 1, "bicubic": 2}[mode]  # rows that a row looks at beside its own

    def compute(top: int, bottom: int) -> Tensor:
        first, last = max(top // scale - reach - 1, 0), min(-(-bottom // scale) + reach + 1, x.height)
        larger = resized(x.rows(first, last))
        return larger[:, :, top - first * scale : bottom - first * scale]

    return Computed(x.height * scale, x.width * scale, resized(probe(x)), x.whole, compute, x)


def _pixel_shuffle(x: Strips, factor: int) -> Strips:

    def compute(top: int, bottom: int) -> Tensor:
        first = top // factor
        larger = F.pixel_shuffle(x.rows(first, -(-bottom // factor)), factor)
        return larger[:, :, top - first * factor : bottom - first * factor]

    return Computed(x.height * factor, x.width * factor, F.pixel_shuffle(probe(x), factor), x.whole, compute, x)


def _pixel_unshuffle(x: Strips, factor: int) -> Strips:
    def compute(top: int, bottom: int) -> Tensor:
        return F.pixel_unshuffle(x.rows(top * factor, bottom * factor), factor)

    sample = F.pixel_unshuffle(probe(x), factor)
    return Computed(x.height // factor, x.width // factor, sample, x.whole, compute, x)


def _batch_norm(
    x: Strips, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Strips:  # fmt: skip
    if training:
        return x.normalised(eps, weight, bias)
    return each(x, lambda rows: F.batch_norm(rows, mean, variance, weight, bias, False, momentum, eps))


def _dropout(x: Strips, p: float = 0.5, training: bool = True, inplace: bool = False) -> Strips:
    """Drawn once and kept: every strip that a row is computed for must find it the same."""
    return each(x, lambda rows: F.dropout(rows, p)).kept() if training and p else x


ELEMENTWISE: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.relu: lambda x: torch.relu(x), F.leaky_relu: F.leaky_relu, F.gelu: F.gelu, F.silu: lambda x: F.silu(x),
    torch.relu: torch.relu, torch.tanh: torch.tanh, torch.sigmoid: torch.sigmoid, F.sigmoid: torch.sigmoid,
    torch.clamp: torch.clamp, torch.atanh: torch.atanh,
}  # fmt: skip
FUNCTIONS: dict[Callable[..., Any], Callable[..., Strips]] = {
    torch.conv2d: _conv2d, F.conv2d: _conv2d, torch.conv_transpose2d: _conv_transpose2d, F.pad: _pad,
    F.conv_transpose2d: _conv_transpose2d, F.avg_pool2d: _avg_pool2d, F.interpolate: _interpolate,
    F.pixel_shuffle: _pixel_shuffle, F.pixel_unshuffle: _pixel_unshuffle, F.batch_norm: _batch_norm,
    F.dropout: _dropout, torch.cat: _cat, torch.add: _sum, torch.mul: partial(_of_maps, torch.mul),
    torch.where: partial(_of_maps, torch.where),
}  # fmt: skip
