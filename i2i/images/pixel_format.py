"""``PixelFormat``: channels, type and value range of the images of a domain, and the conversion to the networks' scale.

Networks take values in [-1, 1]: the lower end of the value range is -1, the upper end 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from i2i.errors import UsageError
from i2i.images.label_classes import LabelClasses
from i2i.images.sample_types import DTYPES, MAX_CHANNELS, sample_type_of
from i2i.images.value_range import SampleType, ValueRange, ValueRanges, check_value_range, format_range

_MAX_NAME = 100  # characters of the name of a channel


@dataclass(frozen=True, kw_only=True)
class PixelFormat:
    """The format of the images of a domain. The default is RGB of 8 bits, in which pictures are read.

    Args:
        channels: 1 to 16.
        dtype: of the samples, such as "uint16".
        value_range: sample values that are black and white, -1 and 1 for the networks.
        bands: a name for each channel; empty if they have none.
        alpha: whether the last channel is the alpha of grey or RGB.
        labels: the classes, if the images are label maps: ``channels`` are then one for each class, and files and
            ``dtype`` hold their indices.
    """

    channels: int = 3
    dtype: str = "uint8"
    value_range: ValueRange = (0.0, 255.0)
    bands: tuple[str, ...] = ()
    alpha: bool = False
    labels: LabelClasses | None = None

    @classmethod
    def of_labels(cls, classes: LabelClasses) -> "PixelFormat":
        """Return the format of label maps."""
        return cls(channels=classes.count, dtype="uint16", value_range=(0.0, float(classes.count - 1)), labels=classes)

    @property
    def stored_channels(self) -> int:
        """Channels of an image as it is loaded: one of a label map."""
        return self.channels if self.labels is None else 1

    @property
    def is_rgb8(self) -> bool:
        """Whether images are pictures, read as upright sRGB of 8 bits."""
        return (self.channels, self.dtype) == (3, "uint8")

    @property
    def type(self) -> SampleType:
        """The sample type."""
        return sample_type_of(np.dtype(self.dtype))

    def __str__(self) -> str:
        if self.labels is not None:
            return str(self.labels)
        plural = "channel" if self.channels == 1 else "channels"
        names = f" ({', '.join(self.bands)})" if self.bands else ""
        low, high = format_range(self.value_range).split()
        return f"{self.channels} {plural}{names} of {self.dtype}, {low} to {high}"

    def to_json(self) -> dict[str, Any]:
        return {
            "channels": self.channels,
            "dtype": self.dtype,
            "value_range": list(self.value_range),
            **({"bands": list(self.bands)} if self.bands else {}),
            **({"alpha": True} if self.alpha else {}),
            **({} if self.labels is None else {"labels": self.labels.to_json()}),
        }

    @classmethod
    def from_json(cls, data: Any) -> "PixelFormat":
        """Return the format that ``to_json`` wrote. Raises ValueError for anything else."""
        if not isinstance(data, Mapping):
            raise ValueError(f"{data!r} is not a table")
        if data.get("labels") is not None:
            return cls.of_labels(LabelClasses.from_json(data["labels"]))
        channels, dtype, bands = data.get("channels"), data.get("dtype"), data.get("bands", [])
        if not isinstance(channels, int) or isinstance(channels, bool) or not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"channels is {channels!r}; it must be from 1 to {MAX_CHANNELS}")
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
        is_named = isinstance(bands, list) and all(isinstance(name, str) and len(name) <= _MAX_NAME for name in bands)
        if not is_named or len(bands) not in (0, channels):
            raise ValueError(f"bands is {bands!r}; it must be a name for each channel")
        try:
            low, high = data["value_range"]
            value_range = check_value_range(low, high)
        except (KeyError, TypeError, ValueError, OverflowError, UsageError) as error:
            raise ValueError(f"value_range is {data.get('value_range')!r}; it must be two numbers") from error
        return cls(
            channels=channels, dtype=dtype, value_range=value_range, bands=tuple(bands), alpha=data.get("alpha") is True
        )


RGB8 = PixelFormat()
DomainFormats = tuple[PixelFormat, PixelFormat]  # of the domains A and B; a single domain is A
RGB_FORMATS: DomainFormats = (RGB8, RGB8)


def to_format(values: np.ndarray, format: PixelFormat, ranges: ValueRanges) -> np.ndarray:
    """Return samples of any type in the type and the value range of a format. NaN becomes the lower end.

    Samples of the format's own type are unchanged.

    Args:
        values: (H, W, C).
        format: the wanted one.
        ranges: black and white by sample type; a type that is missing has its largest range.
    """
    dtype, type = np.dtype(format.dtype), sample_type_of(values.dtype)
    low, high = format.value_range
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=ranges.get(type, format.value_range)[0])
    if type == format.type and type != "int32":
        return values.astype(dtype, copy=False)
    if type == format.type:
        limits = np.iinfo(dtype)
        return values.clip(limits.min, limits.max).astype(dtype)
    black, white = ranges.get(type) or default_range(type)
    wide = values.astype(np.float64)
    scaled = (wide - black) * ((high - low) / (white - black)) + low
    return _round_to(scaled.clip(low, high), dtype)


def default_range(type: SampleType) -> ValueRange:
    """Return the largest range of a sample type; 0 to 1 for floats."""
    whites = {"uint8": 255.0, "int8": 127.0, "uint16": 65535.0, "int16": 32767.0, "int32": 65535.0, "float": 1.0}
    return 0.0, whites[type]


def to_levels(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Return samples as levels from 0 to 255, float32, which ``to_float`` maps to [-1, 1]. Values beyond are clipped.

    >>> to_levels(np.array([0, 1000, 2000, 5000], np.uint16), (0, 2000)).tolist()
    [0.0, 127.5, 255.0, 255.0]
    """
    low, high = value_range
    wide: Any = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    return ((wide - low) * (255 / (high - low))).clip(0, 255).astype(np.float32)


def network_levels(values: np.ndarray, format: PixelFormat) -> np.ndarray:
    """Return samples (H, W, ``stored_channels``) as levels from 0 to 255: uint8 one-hot of label maps, else float32."""
    return to_levels(values, format.value_range) if format.labels is None else format.labels.one_hot(values)


def from_unit(values: np.ndarray, format: PixelFormat) -> np.ndarray:
    """Return values in [-1, 1] as samples of a format: integers rounded and clipped to the range, floats as they are.

    >>> from_unit(np.array([-1.0, 0.0, 1.2]), PixelFormat(dtype="uint16", value_range=(0, 4095))).tolist()
    [0, 2048, 4095]
    """
    low, high = format.value_range
    dtype = np.dtype(format.dtype)
    scaled = (values.astype(np.float64) + 1) * ((high - low) / 2) + low
    return scaled.astype(dtype) if dtype.kind == "f" else _round_to(scaled.clip(low, high), dtype)


def _round_to(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return values.round().clip(limits.min, limits.max).astype(dtype)
