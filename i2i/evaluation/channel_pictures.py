"""Images of any channels in an evaluation: pictures for what needs RGB, with their samples for PSNR and SSIM."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from i2i.images.channels import ChannelImage
from i2i.images.display import shown_channels, to_picture
from i2i.images.label_maps import LabelMap
from i2i.images.pixel_format import PixelFormat, to_levels


class ChannelPicture(Image.Image):
    """An RGB picture of an image of any channels, see ``shown_channels``.

    Args:
        samples: the image.
        format: with its value range.
    """

    def __init__(self, samples: ChannelImage, format: PixelFormat) -> None:
        super().__init__()
        picture = to_picture(samples.values, format)
        self.im = picture.im
        self._mode, self._size = picture.mode, picture.size
        self.samples = samples
        self.pixel_format = format

    def levels(self) -> np.ndarray:
        """Return all channels as levels from 0 to 255, float32 (H, W, C)."""
        if isinstance(self.samples, LabelMap):
            return self.samples.one_hot().astype(np.float32)
        return to_levels(np.nan_to_num(self.samples.values), self.pixel_format.value_range)


def picture_of_result(result: ChannelImage) -> ChannelPicture:
    """Return a picture of what a model returned."""
    value_range = result.value_range or (0.0, 255.0)
    dtype = str(result.values.dtype)
    format = PixelFormat(channels=result.channels, dtype=dtype, value_range=value_range, bands=result.bands)
    return ChannelPicture(result, format)


def samples_of(image: Image.Image) -> ChannelImage:
    """Return the samples of a picture."""
    return image.samples if isinstance(image, ChannelPicture) else ChannelImage(np.asarray(image))


def translate_pictures(translate: Callable[[Sequence[Any]], list[Any]]) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function from pictures to pictures, by one from ``ChannelImage`` to ``ChannelImage``."""
    return lambda images: [picture_of_result(result) for result in translate([samples_of(image) for image in images])]


def comparable_pixels(image: Image.Image, reference: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of two images: all channels if both have as many, else those of the pictures."""
    if isinstance(image, ChannelPicture) and isinstance(reference, ChannelPicture):
        pair = image.levels(), reference.levels()
        if pair[0].shape == pair[1].shape:
            return pair
    return np.asarray(image), np.asarray(reference)


def describe_pictures(format: PixelFormat) -> str:
    """Return how images of a format are shown to networks that take RGB."""
    if format.labels is not None:
        return "in the colours of the classes"
    _, note = shown_channels(format)
    return "grey, repeated three times" if format.channels == 1 else note or "as they are"
