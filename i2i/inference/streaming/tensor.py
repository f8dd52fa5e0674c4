"""Maps that are computed strip by strip."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor

STRIP_BYTES = 12_000_000  # of one map, in float32
KEPT_FROM = 4  # times fewer pixels than the picture
_PROBE = 64  # pixels a side of the map on which it is tried what a function gives


class Strips:
    """A picture or map (1, C, H, W) that is computed strip by strip.

    whole: pixels of the picture it came from. load: bytes in float32 of a row, or of the rows it takes of a map before
    it where these are more.
    """

    def __init__(self, height: int, width: int, like: Tensor, whole: int) -> None:
        """like: a tensor of the map's channels, type and device."""
        self.height, self.width, self.whole = height, width, whole
        self.channels, self.dtype, self.device = like.shape[1], like.dtype, like.device
        self.load = 4.0 * self.channels * width

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return 1, self.channels, self.height, self.width

    def dim(self) -> int:
        return 4

    def rows(self, top: int, bottom: int) -> Tensor:
        """(1, C, bottom − top, W), computed now. Not to be written to."""
        raise NotImplementedError

    def strips(self) -> Iterator[tuple[int, Tensor]]:
        """All rows, from the top; with each strip the row it begins at."""
        count = max(8, int(STRIP_BYTES / self.load))
        for top in range(0, self.height, count):
            yield top, self.rows(top, min(top + count, self.height))

    def is_small(self) -> bool:
        """Whether it is to be kept, where it would be computed more than once."""
        return self.height * self.width * KEPT_FROM <= self.whole

    def kept(self) -> "Strips":
        """The same, computed now and kept."""
        store = torch.empty(self.height, self.width, self.channels, dtype=self.dtype, device=self.device)
        for top, strip in self.strips():
            store[top : top + strip.shape[2]] = strip[0].permute(1, 2, 0)
        return Kept(store, self.whole)

    def normalised(self, eps: float, weight: Tensor | None = None, bias: Tensor | None = None) -> "Strips":
        """Each channel to mean 0 and variance 1 over the whole map, then times ``weight`` plus ``bias``, (C) each."""
        source, mean, variance = self.with_moments()
        return source.scaled(mean, variance, eps, weight, bias)

    def scaled(
        self, mean: Tensor, variance: Tensor, eps: float, weight: Tensor | None = None, bias: Tensor | None = None
    ) -> "Strips":
        """(x − mean) / √(variance + ε) · weight + bias, float32 (C) each."""
        scale = torch.rsqrt(variance + eps) if weight is None else torch.rsqrt(variance + eps) * weight.float()

        def normal(x: Tensor) -> Tensor:
            found = torch.empty_like(x, memory_format=torch.channels_last)
            centred = _by_pixel(x).float() - mean
            if bias is None:
                torch.mul(centred, scale, out=_by_pixel(found))
            else:
                _by_pixel(found).copy_(centred.mul_(scale).add_(bias))
            return found

        return each(self, normal)

    def with_moments(self) -> tuple["Strips", Tensor, Tensor]:
        """The map, kept if it is small enough, with mean and variance of its channels (Chan et al. 1979)."""
        small = self.is_small()
        store = torch.empty(self.height, self.width, self.channels, dtype=self.dtype, device=self.device)[
            : self.height if small else 0
        ]
        count, mean = 0, torch.zeros(self.channels, dtype=_WIDE[self.device.type], device=self.device)
        squares = torch.zeros_like(mean)
        for top, strip in self.strips():
            if small:
                store[top : top + strip.shape[2]] = strip[0].permute(1, 2, 0)
            here = _by_pixel(strip).float()
            pixels, centre = len(here), here.mean(0)
            apart = centre.to(mean.dtype) - mean
            squares += (here - centre).square_().sum(0).to(mean.dtype)
            squares += apart.square() * (count * pixels / (count + pixels))
            mean += apart * (pixels / (count + pixels))
            count += pixels
        source = Kept(store, self.whole) if small else self
        return source, mean.float(), (squares / count).float()

    def float(self) -> "Strips":
        return self.to(torch.float32)

    def to(self, dtype: torch.dtype) -> "Strips":
        return self if dtype == self.dtype else each(self, lambda x: x.to(dtype))

    def __add__(self, other: Any) -> "Strips":
        return torch.add(self, other)  # type: ignore[call-overload]

    __radd__ = __add__

    def __mul__(self, other: Any) -> "Strips":
        return torch.mul(self, other)  # type: ignore[arg-type, return-value]

    __rmul__ = __mul__

    def __gt__(self, other: Any) -> "Strips":
        return each(self, lambda x: x > other)

    def __getitem__(self, place: Any) -> "Strips":
        """Some of the channels, as ``x[:, :3]``."""
        if not (isinstance(place, tuple) and len(place) == 2 and place[0] == slice(None)):
            raise NotImplementedError(f"a map in strips can be cut along its channels alone, not by {place}")
        return each(self, lambda x: x[place])

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> "Strips":
        from i2i.inference.streaming.ops import called

        return called(function, args, kwargs or {})


_WIDE = {"cpu": torch.float64, "cuda": torch.float64, "mps": torch.float32}
Fetch = Callable[[int, int], Tensor]


def in_strips(height: int, width: int, fetch: Fetch) -> Strips:
    """A picture whose rows from top to bottom ``fetch`` gives, (1, C, bottom − top, width)."""
    return Computed(height, width, fetch(0, 1), height * width, fetch)


class Kept(Strips):
    """A map that is there, as (H, W, C)."""

    def __init__(self, store: Tensor, whole: int) -> None:
        super().__init__(store.shape[0], store.shape[1], store[:1].permute(2, 0, 1)[None], whole)
        self.store = store

    def rows(self, top: int, bottom: int) -> Tensor:
        return self.store[top:bottom][None].permute(0, 3, 1, 2)  # in this order: its strides are channels-last's


class Computed(Strips):
    """A map whose rows a function computes of others', under the autocast that was on when the network called it."""

    def __init__(self, height: int, width: int, like: Tensor, whole: int, compute: Fetch, *before: Strips) -> None:
        super().__init__(height, width, like, whole)
        self.load = max(self.load, *(x.load * x.height / height for x in before), 0.0)
        self.compute = compute
        self._autocast = _autocast_now(like.device.type)

    def rows(self, top: int, bottom: int) -> Tensor:
        with self._autocast():
            return self.compute(top, bottom)


def _by_pixel(x: Tensor) -> Tensor:
    """(1, C, H, W) as (H·W, C), which is how channels-last memory lies: sums and products along it are fast."""
    return x[0].permute(1, 2, 0).flatten(0, 1)


def _autocast_now(device: str) -> Callable[[], AbstractContextManager[None]]:
    return partial(torch.autocast, device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))


def probe(x: Strips) -> Tensor:
    return torch.zeros(1, x.channels, _PROBE, _PROBE, dtype=x.dtype, device=x.device)


def each(first: Strips, function: Callable[..., Tensor], *others: Strips) -> Strips:
    """A function of the values of maps of one size at each pixel by itself."""
    maps = (first, *others)

    def compute(top: int, bottom: int) -> Tensor:
        return function(*(x.rows(top, bottom) for x in maps))

    return Computed(first.height, first.width, function(*map(probe, maps)), first.whole, compute, *maps)
