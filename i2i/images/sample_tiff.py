"""TIFF with samples of other types than 8 bits, or with other bands than grey, RGB and alpha."""

import logging
import re
from typing import Any

import numpy as np
from PIL import Image
from tifffile import TiffFile, TiffPage

from i2i.errors import ImageError
from i2i.images.sample_images import SampleImage, Samples, integer_alpha
from i2i.images.sample_types import MAX_CHANNELS, check_channels, check_memory, sample_type_of
from i2i.images.tiff_codecs import register_codecs
from i2i.images.value_range import OVERSHOOT, SampleType, ValueRange

# TIFF tags
_MAX_SAMPLE_VALUE = 281
_S_MIN_SAMPLE_VALUE = 340
_S_MAX_SAMPLE_VALUE = 341
_RANGE_TAGS = (_MAX_SAMPLE_VALUE, _S_MIN_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE)
_PROFILE = 34675
_XMP = 700
# Values
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_ASSOCIATED, _UNASSOCIATED = 1, 2
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # damage is reported as ImageError
_OPENCV_TYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")


class SampleTiff(SampleImage):
    """A TIFF with samples, decoded by tifffile, or by OpenCV if tifffile has no decoder for its compression.

    Attributes:
        has_alpha: whether the band after the colours is alpha.
        channel_pages: the number of pages that are the channels of one image.
    """

    format = "TIFF"

    def _open(self) -> None:
        assert self.fp is not None
        register_codecs()
        try:
            self._tiff = TiffFile(self.fp, name="image.tif")  # files opened by descriptor have no name
            self.n_frames = len(self._tiff.pages)
            self._set_page(0)
        except (ImageError, SyntaxError):
            raise
        except Exception as error:  # tifffile raises all kinds of errors for damaged files
            raise SyntaxError("not a TIFF that tifffile can read") from error

    def seek(self, frame: int) -> None:
        """Select a page."""
        if not 0 <= frame < self.n_frames:
            raise EOFError("no more images in TIFF file")
        self._set_page(frame)

    def _set_page(self, frame: int) -> None:
        page = self._tiff.pages[frame]
        assert isinstance(page, TiffPage)
        self._frame, self._page = frame, page
        if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
            kind = getattr(page.photometric, "name", page.photometric)
            raise ImageError(
                f"holds {kind} samples of {page.bitspersample} bits; i2i reads grey and RGB, each with alpha"
            )
        if page.dtype is None:
            raise ImageError(f"has samples of {page.bitspersample} bits; i2i reads integers and floats of 8 to 64 bits")
        self._size = (page.imagewidth, page.imagelength)
        self.arrangement = "planar" if page.planarconfig == 2 and page.samplesperpixel > 1 else "interleaved"
        self._rows_as_pages = _has_rows_as_pages(page.description, page.shape, len(self._tiff.pages))
        self.has_alpha = _has_alpha(page)
        is_grey = page.samplesperpixel - self.has_alpha < 3
        self._mode = ("L", "LA")[self.has_alpha] if is_grey else ("RGB", "RGBA")[self.has_alpha]
        self.not_a_picture = "" if _is_picture(page) else f"has {page.samplesperpixel} bands"
        self.dtype = page.dtype.newbyteorder("=")
        self.sample_type = sample_type_of(page.dtype)
        self.channel_pages = _channel_pages(page.description, self.n_frames)
        self.num_channels = page.samplesperpixel * self.channel_pages
        if self._rows_as_pages:
            self._size = (page.imagelength, len(self._tiff.pages))
            self.num_channels = page.imagewidth
            self.channel_pages = self.n_frames
            self.not_a_picture = f"has {self.num_channels} channels, and each row is a page"
        self._im = None
        self.info = _info(page)
        self._exif = None

    def getexif(self) -> Image.Exif:
        """Return the tags of the current page, as Pillow does for its own TIFF images."""
        if self._exif is None:
            assert self.fp is not None
            self._exif = Image.Exif()
            self._exif.bigtiff = self._tiff.is_bigtiff
            self._exif.endian = self._tiff.byteorder
            self._exif.load_from_fp(self.fp, self._page.offset)
        return self._exif

    def channels(self) -> np.ndarray:
        """Return the bands of the current page; of a microscope's file whose pages are channels, those of all pages."""
        check_channels(self.num_channels)
        check_memory(*self.size, self.num_channels, self.dtype.itemsize, self.max_pixels)
        if self._rows_as_pages:
            return np.concatenate(self._decode_pages(len(self._tiff.pages)), 2).transpose(2, 0, 1)
        return (
            self._decode_page()
            if self.channel_pages == 1
            else np.concatenate(self._decode_pages(self.channel_pages), 2)
        )

    def _decode_pages(self, count: int) -> list[np.ndarray]:
        """Return the first pages, (H, W, bands) each. Raises OSError if they differ."""
        first = self._page
        decoded = []
        for page in self._tiff.pages[:count]:
            assert isinstance(page, TiffPage)
            self._page = page
            decoded.append(self._decode_page())
        self._page = first
        if len({(page.shape, page.dtype) for page in decoded}) > 1:
            raise OSError("its pages differ in size or type")
        return decoded

    @property
    def white_is_zero(self) -> bool:
        """Whether the smallest value is white."""
        return self._page.photometric == _WHITE_IS_ZERO

    @property
    def tiff(self) -> TiffFile:
        """The file as tifffile opened it, for its metadata."""
        return self._tiff

    @property
    def page(self) -> TiffPage:
        """The current page of tifffile, for its tags."""
        return self._page

    def _decode(self) -> Samples:
        if self.not_a_picture:
            return Samples(self.channels(), self.sample_type, declared=self.declared)
        values = self._decode_page()  # (H, W, bands)
        num_colours = 1 if values.shape[2] < 3 else 3
        colours = values[..., 0] if num_colours == 1 else values[..., :3]
        return self._samples(colours, values[..., num_colours] if self.has_alpha else None)

    def _samples(self, colours: np.ndarray, alpha: np.ndarray | None) -> Samples:
        opacity = None if alpha is None else to_uint8_alpha(alpha)
        if opacity is not None and self._page.extrasamples[0] == _ASSOCIATED:
            factor = 255 / np.maximum(opacity, 1).astype(np.float32)
            colours = colours * (factor if colours.ndim == 2 else factor[..., None])
        return Samples(colours, self.sample_type, opacity, self.declared, self.white_is_zero)

    @property
    def declared(self) -> ValueRange | None:
        tags = {code: tag.value for code in _RANGE_TAGS if (tag := self._page.tags.get(code)) is not None}
        return declared_range(tags, self._page.bitspersample, self.sample_type)

    def _decode_page(self) -> np.ndarray:
        """Return the samples of the current page, (H, W, bands)."""
        page = self._page
        if page.imagedepth > 1:
            raise OSError("it is a volume")
        try:
            values = page.asarray().reshape(page.shaped)  # (planes, depth, H, W, bands)
            return np.moveaxis(values[:, 0, :, :, 0], 0, -1) if len(values) > 1 else values[0, 0]
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            if page.samplesperpixel not in (1, 3, 4) or str(page.dtype) not in _OPENCV_TYPES:
                kind = f"{page.samplesperpixel} bands of {page.dtype}"
                raise OSError(f"compression {page.compression} of {kind} is not supported") from error
        return self._decode_by_opencv()

    def _decode_by_opencv(self) -> np.ndarray:
        import cv2

        assert self.fp is not None
        self.fp.seek(0)
        data = np.frombuffer(self.fp.read(), np.uint8)
        _, pages = cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED, range=(self._frame, self._frame + 1))
        if not pages:
            raise OSError("its pixels cannot be decoded")
        values = pages[0].reshape(*pages[0].shape[:2], -1)
        return values[..., [2, 1, 0, 3][: values.shape[2]]] if values.shape[2] > 1 else values  # BGR(A) to RGB(A)


def _has_alpha(page: TiffPage) -> bool:
    """Return whether the last band is the alpha of grey or of RGB."""
    extra = tuple(map(int, page.extrasamples))
    num_colours = 3 if page.photometric == _RGB else 1
    return page.samplesperpixel == num_colours + 1 and extra[:1] in ((_ASSOCIATED,), (_UNASSOCIATED,))


def _is_picture(page: TiffPage) -> bool:
    """Return whether the bands are grey or RGB, with or without alpha; of RGB a fourth band may be unspecified."""
    bands = page.samplesperpixel
    return bands in (1, 3) or _has_alpha(page) or (bands == 4 and page.photometric == _RGB)


def _channel_pages(description: str, pages: int) -> int:
    """Return how many pages are the channels of one image, as ImageJ and OME state it; 1 if none are."""
    if pages < 2:
        return 1
    if description.startswith("ImageJ="):
        found = re.search(r"^channels=(\d{1,3})\s*$", description, re.MULTILINE)
        return pages if found and int(found[1]) == pages else 1
    if (shape := _shaped(description)) and shape[0] == pages <= MAX_CHANNELS < min(shape[1:]):
        return pages
    start = description[:4000]
    sizes = dict(re.findall(r'\bSize([CZT])="(\d{1,3})"', start)) if "<OME" in start else {}
    return pages if sizes == {"C": str(pages), "Z": "1", "T": "1"} else 1


def _has_rows_as_pages(description: str, page: tuple[int, ...], pages: int) -> bool:
    """Return whether each page is a row of an array (H, W, C), as tifffile writes it if nothing says what C is."""
    shape = _shaped(description)
    return shape is not None and (pages, *page) == shape and shape[2] <= MAX_CHANNELS < min(shape[:2])


def _shaped(description: str) -> tuple[int, int, int] | None:
    """Return the three sides of an array that tifffile states in the description of its first page."""
    found = re.match(r'\{"shape": \[(\d{1,6}), (\d{1,6}), (\d{1,6})\]', description)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def to_uint8_alpha(alpha: np.ndarray) -> np.ndarray:
    """Return alpha of any type as uint8, opaque as 255."""
    if alpha.dtype.kind == "u":
        return integer_alpha(alpha)
    white = 255 if alpha.max(initial=0) > OVERSHOOT else 1
    return (np.nan_to_num(alpha).clip(0, white) * (255 / white)).round().astype(np.uint8)


def declared_range(tags: Any, bits: int, type: SampleType) -> ValueRange | None:
    """Return the range that the tags of a TIFF state; None if they state none.

    MaxSampleValue of integers is rounded up to a whole number of bits, since some programs write the largest value of
    each image.

    Args:
        tags: tag to value.
        bits: BitsPerSample.
        type: of the samples.
    """
    low, high = (
        _largest(tags.get(tag), pick) for tag, pick in ((_S_MIN_SAMPLE_VALUE, min), (_S_MAX_SAMPLE_VALUE, max))
    )
    if high is not None and high > (low or 0.0):
        return low or 0.0, high
    if type == "uint16":
        largest = _largest(tags.get(_MAX_SAMPLE_VALUE), max)
        if largest is not None and 255 < largest <= 65535:
            return 0.0, float((1 << int(largest).bit_length()) - 1)
        if 8 < bits < 16:
            return 0.0, float((1 << bits) - 1)
    return None


def _largest(value: Any, pick: Any) -> float | None:
    try:
        values = [float(item) for item in (value if isinstance(value, tuple | list) else (value,))]
    except (TypeError, ValueError):
        return None
    return pick(values) if values and np.isfinite(values).all() else None


def _info(page: TiffPage) -> dict[Any, Any]:
    info: dict[Any, Any] = {}
    for name, code in (("icc_profile", _PROFILE), ("xmp", _XMP)):
        if (tag := page.tags.get(code)) is not None:
            info[name] = bytes(tag.value)
    return info
