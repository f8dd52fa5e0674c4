"""TIFF with samples of other types than 8 bits: floats, signed and 32-bit integers, colours and alpha of 16 bits."""

import logging
from typing import Any

import numpy as np
from PIL import Image
from tifffile import TiffFile, TiffPage

from i2i.errors import ImageError
from i2i.images.sample_images import SampleImage, Samples, integer_alpha
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
    """A TIFF with samples, decoded by tifffile, or by OpenCV if it is compressed by LZW or a float predictor."""

    format = "TIFF"

    def _open(self) -> None:
        assert self.fp is not None
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
        self._has_alpha = _has_alpha(page)
        self._mode = ("L", "LA")[self._has_alpha] if page.samplesperpixel < 3 else ("RGB", "RGBA")[self._has_alpha]
        self.sample_type = _sample_type(page.dtype)
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

    def _decode(self) -> Samples:
        values = self._decode_page()  # (H, W, bands)
        num_colours = 1 if values.shape[2] < 3 else 3
        colours = values[..., 0] if num_colours == 1 else values[..., :3]
        return self._samples(colours, values[..., num_colours] if self._has_alpha else None)

    def _samples(self, colours: np.ndarray, alpha: np.ndarray | None) -> Samples:
        opacity = None if alpha is None else _to_uint8_alpha(alpha)
        if opacity is not None and self._page.extrasamples[0] == _ASSOCIATED:
            factor = 255 / np.maximum(opacity, 1).astype(np.float32)
            colours = colours * (factor if colours.ndim == 2 else factor[..., None])
        inverted = self._page.photometric == _WHITE_IS_ZERO
        return Samples(colours, self.sample_type, opacity, self.declared, inverted)

    @property
    def declared(self) -> ValueRange | None:
        tags = {code: tag.value for code in _RANGE_TAGS if (tag := self._page.tags.get(code)) is not None}
        return declared_range(tags, self._page.bitspersample, self.sample_type)

    def _decode_page(self) -> np.ndarray:
        """Return the samples of the current page, (H, W, bands)."""
        page = self._page
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


def _sample_type(dtype: np.dtype[Any]) -> SampleType:
    if dtype.kind == "f":
        return "float"
    if dtype.kind not in "iu":
        raise ImageError(f"has samples of the type {dtype}; i2i reads integers and floats")
    if dtype.itemsize > 2:
        return "int32"
    return {"u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16"}[dtype.kind + str(dtype.itemsize)]  # type: ignore[return-value]


def _has_alpha(page: TiffPage) -> bool:
    """Return whether the band after the colours is alpha. Raises ImageError if the bands are not grey or RGB."""
    bands = page.samplesperpixel
    extra = tuple(map(int, page.extrasamples))
    alpha = bool(extra) and extra[0] in (_ASSOCIATED, _UNASSOCIATED)
    num_colours = 3 if page.photometric == _RGB or bands == 3 else 1
    if bands == num_colours or (bands == num_colours + 1 and (alpha or num_colours == 3)):
        return alpha
    raise ImageError(f"has {bands} bands; i2i reads grey and RGB, each with alpha")


def _to_uint8_alpha(alpha: np.ndarray) -> np.ndarray:
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
