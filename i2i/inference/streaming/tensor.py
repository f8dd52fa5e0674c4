"""Feature maps that are computed strip by strip."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor

from i2i.networks.instance_norm import StatisticsHook

STRIP_BYTES = 12_000_000  # of one feature map, in float32
MIN_STRIP_ROWS = 8
MATERIALIZE_BELOW = 4  # a feature map fits in memory if it has this many times fewer pixels than the image
_PROBE_SIDE = 64  # pixels a side of the tensor on which the output shape of a function is tried
_ACCUMULATE_DTYPE = {"cpu": torch.float64, "cuda": torch.float64, "mps": torch.float32}
_report_work: ContextVar[Callable[[float], None] | None] = ContextVar("report_work", default=None)
RowFetcher = Callable[[int, int], Tensor]  # top and bottom row -> (1, C, bottom − top, W)


Handler = Callable[..., "StreamedTensor"]
HANDLED_FUNCTIONS: dict[Callable[..., Any], Callable[..., "StreamedTensor"]] = {}  # filled by ``ops``


def implements(*functions: Callable[..., Any]) -> Callable[[Handler], Handler]:
    """Register the decorated function for torch functions on streamed tensors, as in "Extending torch"."""

    def register(handler: Handler) -> Handler:
        HANDLED_FUNCTIONS.update(dict.fromkeys(functions, handler))
        return handler

    return register


@contextmanager
def reporting_work(report: Callable[[float], None]) -> Iterator[None]:
    """Call ``report`` after each strip that is computed inside the context, with the bytes of the rows it depends on.

    The sum over a network is proportional to the pixels of the image.
    """
    token = _report_work.set(report)
    try:
        yield
    finally:
        _report_work.reset(token)


class StreamedTensor:
    """An image or feature map (1, C, H, W) that is computed strip by strip.

    Args:
        height: H.
        width: W.
        template: a tensor with the channels, data type and device of the feature map.
        image_pixels: pixels of the image that the feature map was computed from.

    Attributes:
        row_bytes: float32 bytes of a row, or of the rows of an earlier feature map that a row depends on, if these are
            more.
    """

    def __init__(self, height: int, width: int, template: Tensor, image_pixels: int) -> None:
        self.height = height
        self.width = width
        self.image_pixels = image_pixels
        self.channels = template.shape[1]
        self.dtype = template.dtype
        self.device = template.device
        self.row_bytes = 4.0 * self.channels * width

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return 1, self.channels, self.height, self.width

    def dim(self) -> int:
        return 4

    def rows(self, top: int, bottom: int) -> Tensor:
        """Compute rows: (1, C, bottom − top, W). The caller must not write to the result."""
        raise NotImplementedError

    def strips(self) -> Iterator[tuple[int, Tensor]]:
        """Compute all rows from the top. Yields the first row of each strip, and the strip."""
        count = max(MIN_STRIP_ROWS, int(STRIP_BYTES / self.row_bytes))
        for top in range(0, self.height, count):
            bottom = min(top + count, self.height)
            yield top, self.rows(top, bottom)
            if report := _report_work.get():
                report((bottom - top) * self.row_bytes)

    def fits_in_memory(self) -> bool:
        """Return whether the feature map is kept in memory when it would be computed more than once."""
        return self.height * self.width * MATERIALIZE_BELOW <= self.image_pixels

    def materialize(self) -> "StreamedTensor":
        """Compute all rows now and keep them."""
        values = torch.empty(self.height, self.width, self.channels, dtype=self.dtype, device=self.device)
        for top, strip in self.strips():
            values[top : top + strip.shape[2]] = strip[0].permute(1, 2, 0)
        return MaterializedTensor(values, self.image_pixels)

    def normalize(
        self,
        eps: float,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        statistics: StatisticsHook | None = None,
    ) -> "StreamedTensor":
        """Normalise each channel by ``mean_var``; then multiply it by ``weight`` and add ``bias``, of shape (C).

        ``statistics`` replaces the mean and the variance, if it is not None.
        """
        source, mean, variance = self.mean_var()
        if statistics is not None:
            mean, variance = statistics(torch.stack([mean, variance])[None])[0]
        return source.apply_norm(mean, variance, eps, weight, bias)

    def apply_norm(
        self, mean: Tensor, variance: Tensor, eps: float, weight: Tensor | None = None, bias: Tensor | None = None
    ) -> "StreamedTensor":
        """Return (x − mean) / √(variance + ε) · weight + bias, with statistics of shape (C) in float32."""
        scale = torch.rsqrt(variance + eps) if weight is None else torch.rsqrt(variance + eps) * weight.float()

        def normalize_rows(x: Tensor) -> Tensor:
            normalized = torch.empty_like(x, memory_format=torch.channels_last)
            centred = _by_pixel(x).float() - mean
            if bias is None:
                torch.mul(centred, scale, out=_by_pixel(normalized))
            else:
                _by_pixel(normalized).copy_(centred.mul_(scale).add_(bias))
            return normalized

        return pointwise(self, normalize_rows)

    def mean_var(self) -> tuple["StreamedTensor", Tensor, Tensor]:
        """Compute mean and variance of each channel, strip by strip (Chan et al. 1979).

        Returns: the feature map, materialized if it fits in memory; mean and variance, (C) in float32.
        """
        keep = self.fits_in_memory()
        height = self.height if keep else 0
        values = torch.empty(height, self.width, self.channels, dtype=self.dtype, device=self.device)
        count = 0
        mean = torch.zeros(self.channels, dtype=_ACCUMULATE_DTYPE[self.device.type], device=self.device)
        squared_deviations = torch.zeros_like(mean)
        for top, strip in self.strips():
            if keep:
                values[top : top + strip.shape[2]] = strip[0].permute(1, 2, 0)
            strip_values = _by_pixel(strip).float()  # (strip pixels, C)
            strip_count = len(strip_values)
            strip_mean = strip_values.mean(0)
            difference = strip_mean.to(mean.dtype) - mean
            squared_deviations += (strip_values - strip_mean).square_().sum(0).to(mean.dtype)
            squared_deviations += difference.square() * (count * strip_count / (count + strip_count))
            mean += difference * (strip_count / (count + strip_count))
            count += strip_count
        source = MaterializedTensor(values, self.image_pixels) if keep else self
        return source, mean.float(), (squared_deviations / count).float()

    def float(self) -> "StreamedTensor":
        return self.to(torch.float32)

    def to(self, dtype: torch.dtype) -> "StreamedTensor":
        return self if dtype == self.dtype else pointwise(self, lambda x: x.to(dtype))

    def __add__(self, other: Any) -> "StreamedTensor":
        return torch.add(self, other)  # type: ignore[call-overload]

    __radd__ = __add__

    def __mul__(self, other: Any) -> "StreamedTensor":
        return torch.mul(self, other)  # type: ignore[arg-type, return-value]

    __rmul__ = __mul__

    def __gt__(self, other: Any) -> "StreamedTensor":
        return pointwise(self, lambda x: x > other)

    def __getitem__(self, index: Any) -> "StreamedTensor":
        """Select channels, as in ``x[:, :3]``."""
        if not (isinstance(index, tuple) and len(index) == 2 and index[0] == slice(None)):
            raise NotImplementedError(
                f"a streamed tensor can be indexed by channels only, such as x[:, :3]; got {index}"
            )
        return pointwise(self, lambda x: x[index])

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> "StreamedTensor":
        if function in HANDLED_FUNCTIONS:
            return HANDLED_FUNCTIONS[function](*args, **kwargs or {})
        if getattr(function, "is_pointwise", False):  # set by functions of i2i
            return pointwise_mixed(function, *args, *(kwargs or {}).values())
        raise NotImplementedError(f"{getattr(function, '__name__', function)} cannot be streamed")


class MaterializedTensor(StreamedTensor):
    """A feature map that is in memory, as ``values`` (H, W, C)."""

    def __init__(self, values: Tensor, image_pixels: int) -> None:
        super().__init__(values.shape[0], values.shape[1], values[:1].permute(2, 0, 1)[None], image_pixels)
        self.values = values

    def rows(self, top: int, bottom: int) -> Tensor:
        return self.values[top:bottom][None].permute(0, 3, 1, 2)  # this order gives channels-last strides


class LazyTensor(StreamedTensor):
    """A feature map whose rows are computed from others on request.

    Autocast is as it was when the network made the tensor.

    Args:
        compute: computes rows.
        inputs: the feature maps from which ``compute`` takes its rows.
    """

    def __init__(
        self, height: int, width: int, template: Tensor, image_pixels: int, compute: RowFetcher, *inputs: StreamedTensor
    ) -> None:
        super().__init__(height, width, template, image_pixels)
        self.row_bytes = max(self.row_bytes, *(x.row_bytes * x.height / height for x in inputs), 0.0)
        self.compute = compute
        self._autocast = _current_autocast(template.device.type)

    def rows(self, top: int, bottom: int) -> Tensor:
        with self._autocast():
            return self.compute(top, bottom)


def stream_rows(height: int, width: int, fetch: RowFetcher) -> StreamedTensor:
    """Return an image whose rows come from ``fetch(top, bottom)``, (1, C, bottom − top, width)."""
    return LazyTensor(height, width, fetch(0, 1), height * width, fetch)


def pointwise(first: StreamedTensor, function: Callable[..., Tensor], *others: StreamedTensor) -> StreamedTensor:
    """Apply a function that computes each pixel from the same pixel of feature maps of one size."""
    maps = (first, *others)

    def compute(top: int, bottom: int) -> Tensor:
        return function(*(x.rows(top, bottom) for x in maps))

    return LazyTensor(first.height, first.width, function(*map(shape_probe, maps)), first.image_pixels, compute, *maps)


def pointwise_mixed(function: Callable[..., Tensor], *args: Any) -> StreamedTensor:
    """Apply a pointwise function whose arguments are streamed tensors and other values."""
    indices = [index for index, value in enumerate(args) if isinstance(value, StreamedTensor)]

    def call_with_rows(*rows: Tensor) -> Tensor:
        values = list(args)
        for index, value in zip(indices, rows, strict=True):
            values[index] = value
        return function(*values)

    first, *others = (args[index] for index in indices)
    return pointwise(first, call_with_rows, *others)


def shape_probe(x: StreamedTensor) -> Tensor:
    """Return a small tensor of zeros like ``x``, to find the channels and data type of a function's output."""
    return torch.zeros(1, x.channels, _PROBE_SIDE, _PROBE_SIDE, dtype=x.dtype, device=x.device)


def _by_pixel(x: Tensor) -> Tensor:
    """View (1, C, H, W) as (H·W, C), the order of channels-last memory, along which sums and products are fast."""
    return x[0].permute(1, 2, 0).flatten(0, 1)


def _current_autocast(device: str) -> Callable[[], AbstractContextManager[None]]:
    return partial(torch.autocast, device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
