"""Load the images of a dataset item, and resize them before the random crop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image

from i2i.data.layout import Item, Kind
from i2i.errors import DatasetError
from i2i.images import read
from i2i.images.channels import ChannelImage, read_channels
from i2i.images.label_maps import read_label_map
from i2i.images.pixel_format import RGB_FORMATS, PixelFormat, to_format
from i2i.images.value_range import ValueRanges

ResizeMode = Literal["stretch", "cover", "native"]
AnyImage = TypeVar("AnyImage", Image.Image, ChannelImage)


def load_item(
    item: Item,
    kind: Kind,
    *,
    profiles: bool = True,
    ranges: Sequence[ValueRanges] = ({}, {}),
    formats: Sequence[PixelFormat] = RGB_FORMATS,
) -> list[Any]:
    """Load one image, or the two images of a pair (A first): as upright RGB, or in another format.

    Args:
        item: the file or the two files.
        kind: the dataset's kind; one file of paired data is split into its halves.
        profiles: passed on to ``read``.
        ranges: black and white by sample type, of each file.
        formats: of each file.

    Raises:
        ImageError: a file cannot be read; the message names it.
    """
    images = [
        load_one(path, format, limits, profiles=profiles)
        for path, format, limits in zip(item, formats, ranges, strict=False)
    ]
    return split_side_by_side(images[0]) if kind == "paired" and len(images) == 1 else images


def load_one(path: Path, format: PixelFormat, ranges: ValueRanges, *, profiles: bool = True) -> Any:
    """Load an image in a format: RGB of 8 bits as a Pillow image, else as a ``ChannelImage`` of the format's type.

    A label map becomes a ``LabelMap``, which is resized without interpolation.
    """
    if format.is_rgb8:
        return read(path, profiles=profiles, ranges=ranges)
    if format.labels is not None:
        return read_label_map(path, format.labels)
    image = read_channels(path, format.channels)
    return ChannelImage(to_format(image.values, format, ranges), bands=format.bands)


def split_side_by_side(image: AnyImage) -> list[AnyImage]:
    """Return the left and the right half of a side-by-side pair."""
    middle = image.width // 2
    return [image.crop((0, 0, middle, image.height)), image.crop((middle, 0, 2 * middle, image.height))]


def resize(image: AnyImage, side: int, mode: ResizeMode) -> AnyImage:
    """Resize an image with Pillow's bicubic filter.

    The papers' code uses Pillow too. Its bicubic filter is antialiased; other libraries differ by many grey levels.

    Args:
        image: the image.
        side: target size in pixels.
        mode: "stretch" to a square of ``side`` pixels; "cover": shorter side to ``side`` pixels, aspect ratio kept;
            "native": unchanged, unless the shorter side is below ``side``; then as "cover".
    """
    size = resized_size(image.size, side, mode)
    return image if size == image.size and mode == "native" else image.resize(size, Image.Resampling.BICUBIC)


def resized_size(size: tuple[int, int], side: int, mode: ResizeMode) -> tuple[int, int]:
    """Return the width and height that ``resize`` gives to an image of ``size`` (width, height)."""
    if mode == "stretch":
        return side, side
    if mode == "native" and min(size) >= side:
        return size
    scale = side / min(size)
    width, height = (max(side, round(length * scale)) for length in size)
    return width, height


def resize_item(
    images: list[AnyImage], side: int, mode: ResizeMode, scales: tuple[int, int] = (1, 1)
) -> list[AnyImage]:
    """Resize the image of an item, or the two of a pair.

    Args:
        images: one image, or A and B.
        side: target size in pixels, see ``resize``.
        mode: see ``resize``.
        scales: relative size of A and B. The images of a super-resolution pair, such as (1, 4), keep their pixels; if
            the larger one has a side below ``side``, both are enlarged alike.

    Raises:
        DatasetError: the images of a super-resolution pair have other sizes.
    """
    if scales == (1, 1) or len(images) != 2:
        return [resize(image, side, mode) for image in images]
    scale = max(scales)
    low, high = images if scales[1] > scales[0] else images[::-1]
    if tuple(length // scale for length in high.size) != low.size:
        raise DatasetError(
            f"A pair of {low.width}x{low.height} and {high.width}x{high.height} pixels is no pair for super-resolution "
            f"x{scale}. Make the larger image exactly {scale} times as wide and high."
        )
    width, height = low.size
    if scale * min(low.size) < side:
        factor = side / (scale * min(low.size))
        width, height = (max(-(-side // scale), round(length * factor)) for length in low.size)
    low_size, high_size = (width, height), (scale * width, scale * height)
    if high.size != high_size:  # further rows and columns are cropped
        high = high.crop((0, 0, scale * low.width, scale * low.height))
    pair = [
        image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
        for image, size in ((low, low_size), (high, high_size))
    ]
    return pair if scales[1] > scales[0] else pair[::-1]
