"""Images of 1 to 16 channels of any type: integers of 8 to 64 bits and floats, as their files store them.

``read`` and ``load_image`` return pictures, RGB of 8 bits. ``read_channels`` returns samples: multispectral bands, the
channels of a microscope, heights, temperatures, class ids.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.errors import ImageError
from i2i.images.colour import to_upright, to_upright_srgb_with_alpha
from i2i.images.formats import MAX_PIXELS
from i2i.images.geotiff import GeoTags, band_names, read_geo_tags
from i2i.images.grey import stores_grey
from i2i.images.label_classes import Palette
from i2i.images.opening import open_image, open_tiff_samples
from i2i.images.reading import decode
from i2i.images.sample_images import Arrangement, SampleImage
from i2i.images.sample_types import check_channels, sample_type_of
from i2i.images.samples import declared_by
from i2i.images.stacks import StackImage
from i2i.images.stored_ids import check_is_class_ids, palette_of, stored_ids
from i2i.images.value_range import SampleSummary, SampleType, ValueRange

CLASS_IDS = 0  # in place of a number of channels: see ``read_channels``


@dataclass(frozen=True, eq=False)
class ChannelImage:
    """An image of any number of channels.

    Args:
        values: (H, W, C), C from 1 to 16; integers of 8 to 64 bits or floats of 16 to 64, in the byte order of this
            machine.
        declared: the values of black and white that the file states; None if it states none.
        bands: a name for each channel; empty if they have none.
        geo: the tags that place the image on the Earth; empty for most images.
        value_range: black and white, if they are known; else None.
        arrangement: of the samples in the file, in which the identity writes them again: "interleaved" (H, W, C),
            "planar" (C, H, W), or "flat" (H, W), an array of one channel.
    """

    values: np.ndarray
    declared: ValueRange | None = None
    bands: tuple[str, ...] = ()
    geo: GeoTags = field(default_factory=dict)
    value_range: ValueRange | None = None
    arrangement: Arrangement = "interleaved"

    @property
    def type(self) -> SampleType:
        """The type of the samples."""
        return sample_type_of(self.values.dtype)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def width(self) -> int:
        return self.size[0]

    @property
    def height(self) -> int:
        return self.size[1]

    @property
    def channels(self) -> int:
        return int(self.values.shape[2])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype, copy=copy)

    def tobytes(self) -> bytes:
        """Return the samples row by row, channels interleaved."""
        return self.values.tobytes()

    def crop(self, box: tuple[int, int, int, int]) -> "ChannelImage":
        """Return the part from (left, top) to (right, bottom), in pixels."""
        left, top, right, bottom = box
        return replace(self, values=self.values[top:bottom, left:right], geo={})

    def resize(self, size: tuple[int, int], resample: Image.Resampling = Image.Resampling.BICUBIC) -> "ChannelImage":
        """Return the image at another width and height, in its type, by Pillow's filters, each channel by itself.

        Integers of more than 8 bits and floats are computed in float32.
        """
        if size == self.size:
            return self
        dtype = self.values.dtype
        wide = self.values if dtype == np.uint8 else self.values.astype(np.float32)
        resized = [
            np.asarray(Image.fromarray(np.ascontiguousarray(wide[..., channel])).resize(size, resample))
            for channel in range(self.channels)
        ]
        values = np.stack(resized, 2)
        if dtype.kind in "iu" and dtype != np.uint8:
            limits = np.iinfo(dtype)
            values = values.astype(np.float64).round().clip(limits.min, limits.max)
        return replace(self, values=values.astype(dtype), geo={})

    def summary(self) -> SampleSummary:
        """Return the least and the greatest finite value."""
        values = self.values
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        return SampleSummary(type=self.type, low=low, high=high, declared=self.declared)


@dataclass(frozen=True)
class ChannelHeader:
    """What the header of a file states.

    Args:
        size: width and height in pixels, as stored.
        channels: without alpha.
        alpha: whether the file has alpha beside the channels.
        dtype: of the samples, such as "uint16".
        bands: a name for each channel; empty if they have none.
        is_picture: whether the file holds levels of 8 bits, grey or RGB, as most photos do.
        is_indexed: whether its samples are indices of a palette.
        pages: of the file that hold the channels.
        palette: its colours; empty if it has none.
    """

    size: tuple[int, int]
    channels: int
    alpha: bool
    dtype: str
    bands: tuple[str, ...] = ()
    is_picture: bool = False
    is_indexed: bool = False
    pages: int = 1
    palette: Palette = ()


def read_channels(path: Path | str, channels: int | None = None, *, max_pixels: int = MAX_PIXELS) -> ChannelImage:
    """Read the samples of an image file: TIFF of any bands, ``.npy``, ``.npz``, PNG of 16 bits, and every picture.

    The bands of a TIFF may be interleaved or planar. Of a TIFF with pages the first is read; pages that ImageJ or OME
    state as the channels of one image are joined. Pictures are rotated upright and converted to sRGB, as ``read`` does.

    Args:
        path: the file.
        channels: 1 to 16; None for those of the file without its alpha, which is then blended on white. One more than
            the colours keeps alpha as the last channel, unblended, so 4 reads RGBA; 3 repeats the channel of a grey
            file. ``CLASS_IDS`` reads the stored integers of one channel: the indices of a palette, not its colours.
        max_pixels: the largest image that is decoded; its samples take at most 12 times as many bytes.

    Raises:
        ImageError: the file is missing, is no image, is too large or damaged, or has another number of channels.
    """
    path = Path(path)
    with decode(path, 0, max_pixels) as image:
        source = _sample_source(image)
        if source is None and channels == CLASS_IDS:
            return ChannelImage(to_upright(stored_ids(image), image))
        if source is None:
            colours, alpha = _picture(image)
        else:
            source.max_pixels = max_pixels
            colours, alpha = _stored(source)
        if channels == CLASS_IDS:
            check_is_class_ids(colours, alpha)
        values = _select(path, colours, alpha, channels or None)
        if source is None:
            return ChannelImage(values)
        names = _band_names(source)
        values = np.ascontiguousarray(to_upright(values, source), values.dtype.newbyteorder("="))
        geo = source.geo if isinstance(source, StackImage) else read_geo_tags(source)
        bands = names if len(names) == values.shape[2] else ()
        return ChannelImage(values, source.declared, bands, geo, arrangement=source.arrangement)


def read_channel_header(path: Path | str) -> ChannelHeader:
    """Return what ``read_channels`` would read, without decoding.

    Raises: ImageError as ``read_channels`` does, except for damage that only decoding detects.
    """
    path = Path(path)
    with open_image(path) as image:
        source = _sample_source(image)
        if source is None:
            grey = stores_grey(image)
            alpha = image.has_transparency_data
            dtype = "uint16" if image.mode.startswith("I") else "float32" if image.mode == "F" else "uint8"
            is_indexed = image.mode in ("P", "PA")
            return ChannelHeader(
                image.size,
                1 if grey else 3,
                alpha,
                dtype,
                is_picture=dtype == "uint8",
                is_indexed=is_indexed,
                palette=palette_of(image) if is_indexed else (),
            )
        alpha = _has_alpha(source)
        count = source.num_channels - alpha
        if count > 1 or alpha:
            check = count + alpha
            try:
                check_channels(check)
            except ImageError as error:
                raise ImageError(f"{path} {error}.") from error
        is_picture = source.dtype == np.uint8 and not source.not_a_picture and count in (1, 3)
        pages = getattr(source, "channel_pages", 1)
        return ChannelHeader(source.size, count, alpha, str(source.dtype), _band_names(source), is_picture, pages=pages)


def _sample_source(image: Image.Image) -> SampleImage | None:
    """Return an opened image as one of samples; None for a picture that Pillow reads."""
    if isinstance(image, SampleImage):
        return image
    if image.format == "TIFF" and getattr(image, "fp", None) is not None:
        source = open_tiff_samples(image.fp)  # type: ignore[attr-defined]
        if source is not None:
            source.filename = getattr(image, "filename", "")
        return source
    return None


def _has_alpha(source: SampleImage) -> bool:
    return bool(getattr(source, "has_alpha", source.mode in ("LA", "RGBA") and not source.not_a_picture))


def _band_names(source: SampleImage) -> tuple[str, ...]:
    return source.bands if isinstance(source, StackImage) else band_names(source)[: source.num_channels]


def _stored(source: SampleImage) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the channels of a file as stored (H, W, C), and its alpha (H, W, 1); None if it has none."""
    values = source.channels()
    if values.shape[:2] != (source.height, source.width):
        raise OSError("its pixels cannot be decoded")
    if getattr(source, "white_is_zero", False) and values.dtype.kind == "u":
        values = np.iinfo(values.dtype).max - values
    return (values[..., :-1], values[..., -1:]) if _has_alpha(source) else (values, None)


def _picture(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the colours of a picture (H, W, 1 or 3), and its alpha (H, W, 1); None if it has none."""
    if image.mode.startswith("I") or image.mode == "F":
        declared_by(image)
        image.load()
        values = np.asarray(image)
        values = values.astype(np.uint16) if image.mode.startswith("I") and values.max(initial=0) < 65536 else values
        return to_upright(values[..., None], image), None
    grey = stores_grey(image)
    has_alpha = image.has_transparency_data
    colours, opacity = to_upright_srgb_with_alpha(image)
    values = np.asarray(colours)
    if has_alpha and opacity is None:
        opacity = Image.new("L", colours.size, 255)
    alpha = None if opacity is None else np.asarray(opacity)[..., None]
    return values[..., :1] if grey else values, alpha


def _select(path: Path, colours: np.ndarray, alpha: np.ndarray | None, channels: int | None) -> np.ndarray:
    """Return as many channels as are wanted."""
    count = colours.shape[2]
    if alpha is not None and channels == count + 1:
        return np.concatenate([colours, alpha.astype(colours.dtype)], 2)
    if alpha is not None:
        colours = _blend_on_white(colours, alpha)
    if channels in (None, count):
        return colours
    if count == 1 and channels == 3:
        return colours.repeat(3, 2)
    with_alpha = " and alpha" if alpha is not None else ""
    plural = "channels" if count > 1 else "channel"
    raise ImageError(f"{path} has {count} {plural}{with_alpha}; {channels} {'is' if channels == 1 else 'are'} needed.")


def _blend_on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return colours blended on the white of their type; those of floats on 1."""
    opaque = 1.0 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    if (alpha == opaque).all():
        return colours
    white = 1.0 if colours.dtype.kind == "f" else np.iinfo(colours.dtype).max
    blended = white + (colours.astype(np.float64) - white) * (alpha / opaque)
    return (blended if colours.dtype.kind == "f" else blended.round()).astype(colours.dtype)
