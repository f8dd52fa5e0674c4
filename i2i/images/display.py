"""Show images of any channels as RGB: grey as grey, other channels in false colour, which is named."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from i2i.images.pixel_format import PixelFormat, to_levels

if TYPE_CHECKING:
    from torch import Tensor

_TRUE_COLOUR = (("red", "green", "blue"), ("r", "g", "b"), ("b04", "b03", "b02"), ("b4", "b3", "b2"))


def shown_channels(format: PixelFormat) -> tuple[tuple[int, int, int], str]:
    """Return the channels that are shown as red, green and blue, and what is to be said of it; "" for true colours.

    >>> shown_channels(PixelFormat(channels=2))
    ((0, 1, 1), 'channel 1 red, 2 cyan')
    >>> shown_channels(PixelFormat(channels=4, bands=("B02", "B03", "B04", "B08")))
    ((2, 1, 0), '')
    """
    count = format.channels
    if format.labels is not None:
        return (0, 1, 2), ""  # in the colours of the classes, see ``to_rgb``
    if count == 1:
        return (0, 0, 0), ""
    if count == 3 and not format.bands:
        return (0, 1, 2), ""
    names = [name.lower() for name in format.bands]
    for colours in _TRUE_COLOUR:
        if all(colour in names for colour in colours):
            red, green, blue = (names.index(colour) for colour in colours)
            return (red, green, blue), ""
    if count == 2:
        return (0, 1, 1), f"{_name(format, 0)} red, {_name(format, 1, short=True)} cyan"
    if format.alpha:
        return (0, 1, 2), "without alpha"
    chosen = ", ".join(format.bands[:3]) if format.bands else "channels 1, 2, 3"
    return (0, 1, 2), f"false colour: {chosen}"


def _name(format: PixelFormat, channel: int, *, short: bool = False) -> str:
    if format.bands:
        return format.bands[channel]
    return str(channel + 1) if short else f"channel {channel + 1}"


def to_rgb(images: "Tensor", format: PixelFormat | None = None) -> "Tensor":
    """Return images (N, C, H, W) in [-1, 1] as RGB (N, 3, H, W), see ``shown_channels``. RGB is returned as it is."""
    format = format or PixelFormat(channels=images.shape[1])
    if format.channels != images.shape[1]:
        format = PixelFormat(channels=images.shape[1])
    if format.labels is not None:
        from i2i.images.tensors import to_float  # imports torch, which pictures of arrays do not need

        return to_float(format.labels.to_rgb8(images))
    channels, _ = shown_channels(format)
    return images if images.shape[1] == 3 and channels == (0, 1, 2) else images[:, list(channels)]


def format_of(channels: int, formats: tuple[PixelFormat, ...]) -> PixelFormat:
    """Return the first of some formats with as many channels, else one without names. Label maps are left out."""
    matching = (format for format in formats if format.channels == channels and format.labels is None)
    return next(matching, PixelFormat(channels=channels))


def to_picture(values: np.ndarray, format: PixelFormat) -> Image.Image:
    """Return samples (H, W, C) as an RGB image of 8 bits: black and white are the ends of the format's value range."""
    if format.labels is not None:
        return Image.fromarray(format.labels.colours()[values[..., 0]])
    channels, _ = shown_channels(format)
    shown = values[..., list(channels)]
    shown = np.nan_to_num(shown, nan=format.value_range[0]) if shown.dtype.kind == "f" else shown
    return Image.fromarray(to_levels(shown, format.value_range).round().astype(np.uint8))
