"""The types of samples, and the limits of an image's channels and memory."""

from typing import Any

import numpy as np

from i2i.errors import ImageError
from i2i.images.formats import MAX_PIXELS
from i2i.images.value_range import SampleType

MAX_CHANNELS = 16
BYTES_PER_PIXEL = 12  # times the largest number of pixels: the most that the samples of an image may take
DTYPES = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64",
)  # fmt: skip


def sample_type_of(dtype: np.dtype[Any]) -> SampleType:
    """Return the sample type of a data type.

    Raises: ImageError if it is none of integers and floats.

    >>> sample_type_of(np.dtype("float16")), sample_type_of(np.dtype("uint32"))
    ('float', 'int32')
    """
    if dtype.kind == "f":
        return "float"
    if dtype.kind not in "iu":
        raise ImageError(f"has samples of the type {dtype}; i2i reads integers and floats")
    if dtype.itemsize > 2:
        return "int32"
    return {"u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16"}[dtype.kind + str(dtype.itemsize)]  # type: ignore[return-value]


def count_channels(count: int) -> str:
    """Return a number of channels in words.

    >>> count_channels(1), count_channels(2)
    ('1 channel', '2 channels')
    """
    return f"{count} channel{'' if count == 1 else 's'}"


def check_channels(count: int) -> None:
    """Raise ImageError for more channels than an image may have."""
    if count > MAX_CHANNELS:
        raise ImageError(f"has {count} channels; i2i reads 1 to {MAX_CHANNELS}. Select some of them into a new file")


def check_memory(width: int, height: int, channels: int, itemsize: int, max_pixels: int | None = None) -> None:
    """Raise ImageError if the samples of an image take more memory than BYTES_PER_PIXEL · ``max_pixels``."""
    limit = BYTES_PER_PIXEL * (max_pixels or MAX_PIXELS)
    size = width * height * channels * itemsize
    if size > limit:
        raise ImageError(
            f"has {width}x{height} pixels of {count_channels(channels)}, {size / 1e6:.0f} MB; at most "
            f"{limit / 1e6:.0f} MB are read"
        )
