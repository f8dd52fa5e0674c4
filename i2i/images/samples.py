"""Samples of opened images: their type, their range, and their scaling to 8 bits."""

from typing import Any

import numpy as np
from PIL import Image

from i2i.images.sample_images import SampleImage, Samples
from i2i.images.value_range import (
    NARROW,
    SampleSummary,
    SampleType,
    ValueRange,
    ValueRanges,
    common_ranges,
)

_BLOCK = 4_000_000  # values converted at a time, to bound the memory
_BITS_PER_SAMPLE = 258
_PHOTOMETRIC = 262
_SAMPLE_FORMAT = 339
_SIGNED = 2
_PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "RGBX", "RGBa", "La")  # whose samples are numbers of 8 bits


def sample_type(image: Image.Image) -> SampleType | None:
    """Return the type of the samples of an opened image; None if they are no levels, as in a palette or CMYK."""
    if isinstance(image, SampleImage):
        return image.sample_type
    if image.mode == "F":
        return "float"
    if image.mode.startswith("I;16"):
        return "uint16"
    if image.mode == "I":
        return _integer_type(image)
    return "uint8" if image.mode in _PLAIN_MODES else None


def _integer_type(image: Image.Image) -> SampleType:
    """Return the type of Pillow's mode I, in which it reads 16-bit integers too."""
    if image.format in ("PNG", "PPM", "JPEG2000"):
        return "uint16"
    bits = _tags(image).get(_BITS_PER_SAMPLE, (32,))[0]
    if bits > 16:
        return "int32"
    return "int16" if _tags(image).get(_SAMPLE_FORMAT, (_SIGNED,))[0] == _SIGNED else "uint16"


def needs_sample_tiff(image: Image.Image) -> bool:
    """Return whether an image opened by Pillow is a TIFF whose samples Pillow reduces to 8 bits or misreads."""
    if image.format != "TIFF":
        return False
    bits = _tags(image).get(_BITS_PER_SAMPLE, (1,))[0]
    is_signed = _tags(image).get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED
    if image.mode in ("L", "LA", "RGB", "RGBA", "RGBX"):
        return bits > 8 or is_signed
    return image.mode == "I" and bits == 32 and not is_signed


def _tags(image: Image.Image) -> Any:
    return getattr(image, "tag_v2", {})


def declared_by(image: Image.Image) -> ValueRange | None:
    """Return the range that the file of an opened image states; None if it states none."""
    if isinstance(image, SampleImage):
        return image.declared
    tags, type = _tags(image), sample_type(image)
    if not tags or type in (None, "uint8"):
        return None
    from i2i.images.sample_tiff import declared_range

    return declared_range(tags, tags.get(_BITS_PER_SAMPLE, (16,))[0], type)


def read_samples(image: Image.Image) -> Samples | None:
    """Decode the samples of an opened image; None if they are no levels."""
    if isinstance(image, SampleImage):
        return image.samples()
    type = sample_type(image)
    if type is None:
        return None
    values = np.asarray(image)
    if type == "uint8":
        is_grey = image.mode in ("LA", "La")
        return Samples(values[..., 0] if is_grey else values[..., :3] if values.ndim == 3 else values, type)
    return Samples(values, type, declared=declared_by(image), white_is_zero=_tags(image).get(_PHOTOMETRIC) == 0)


def summarize(samples: Samples) -> SampleSummary:
    """Return the least and the greatest value of samples, and their declared range."""
    values = samples.values
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    return SampleSummary(type=samples.type, low=low, high=high, declared=samples.declared)


def is_bright(image: Image.Image) -> bool:
    """Return whether few pixels show that an opened image is not nearly black: 8 bits, and some above 1/8 of white."""
    if isinstance(image, SampleImage) or sample_type(image) != "uint8":
        return False
    small = image.resize((max(1, image.width // 16), max(1, image.height // 16)), Image.Resampling.NEAREST)
    samples = read_samples(small)
    return samples is not None and summarize(samples).high > NARROW * 255


def samples_to_image(samples: Samples, ranges: ValueRanges) -> Image.Image:
    """Return samples as an image of mode L, LA, RGB or RGBA.

    Args:
        samples: the samples.
        ranges: by sample type; the range of a type that is missing follows from the samples.
    """
    value_range = ranges.get(samples.type)
    if value_range is None:
        value_range = common_ranges([summarize(samples)])[samples.type]
    image = Image.fromarray(_scale(samples, value_range, np.uint8))
    if samples.alpha is not None:
        image.putalpha(Image.fromarray(samples.alpha))
    return image


def read_deep_levels(image: Image.Image, ranges: ValueRanges) -> np.ndarray | None:
    """Return the samples of an opened image as uint16 (H, W) or (H, W, 3); None if 8 bits hold them.

    Args:
        image: of any mode.
        ranges: by sample type; the range of a type that is missing follows from the image.
    """
    if sample_type(image) in (None, "uint8", "int8"):
        return None
    _check_picture(image)
    samples = read_samples(image)
    assert samples is not None
    return _scale(samples, ranges.get(samples.type) or common_ranges([summarize(samples)])[samples.type], np.uint16)


def _scale(samples: Samples, value_range: ValueRange, dtype: type[np.uint8 | np.uint16]) -> np.ndarray:
    levels = scale_levels(samples.values, value_range, dtype)
    return np.iinfo(dtype).max - levels if samples.white_is_zero else levels


def scale_to_uint8(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Return ``scale_levels`` in 8 bits."""
    return scale_levels(values, value_range, np.uint8)


def scale_levels(values: np.ndarray, value_range: ValueRange, dtype: type[np.uint8 | np.uint16]) -> np.ndarray:
    """Scale integers or floats (h, w, …) to the whole range of a type: black and white are ``value_range``.

    NaN is black.
    """
    low, high = value_range
    levels = np.empty(values.shape, dtype)
    white = np.iinfo(dtype).max
    block_rows = max(1, _BLOCK // max(1, values[0].size))
    for top in range(0, len(values), block_rows):
        block = np.nan_to_num(values[top : top + block_rows].astype(np.float64), nan=low, posinf=high, neginf=low)
        levels[top : top + block_rows] = ((block.clip(low, high) - low) * (white / (high - low))).round()
    return levels


def to_8bit(image: Image.Image, ranges: ValueRanges) -> Image.Image:
    """Return an opened image of any mode with samples of 8 bits.

    Args:
        image: of any mode.
        ranges: by sample type; the range of a type that is missing follows from the image.
    """
    type = sample_type(image)
    if type is None or (type == "uint8" and not isinstance(image, SampleImage) and "uint8" not in ranges):
        return image
    if type == "uint8" and not isinstance(image, SampleImage):
        return _rescaled(image, ranges["uint8"])
    _check_picture(image)
    samples = read_samples(image)
    assert samples is not None
    scaled = samples_to_image(samples, ranges)
    scaled.info = {key: value for key, value in image.info.items() if key in ("exif", "icc_profile")}
    return scaled


def _check_picture(image: Image.Image) -> None:
    if isinstance(image, SampleImage):
        image.check_picture()


def _rescaled(image: Image.Image, value_range: ValueRange) -> Image.Image:
    """Scale the levels of an 8-bit image, and keep its alpha."""
    if "transparency" in image.info:
        image = image.convert("RGBA")
    table = scale_to_uint8(np.arange(256)[None], value_range)[0].tolist()
    bands = list(image.split())
    has_alpha = image.mode in ("LA", "La", "RGBA", "RGBa")
    num_colours = len(bands) - has_alpha
    rescaled = Image.merge(image.mode, [band.point(table) for band in bands[:num_colours]] + bands[num_colours:])
    rescaled.info = dict(image.info)
    return rescaled
