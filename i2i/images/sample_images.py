"""Images whose samples Pillow cannot decode, or decodes to 8 bits only: opened like other images, decoded to arrays."""

from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image, ImageFile

from i2i.errors import ImageError
from i2i.images.value_range import SampleType, ValueRange

Arrangement = Literal["interleaved", "planar", "flat"]
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Samples:
    """The samples of an image as its file stores them.

    Args:
        values: integers or floats (H, W) or (H, W, 3).
        type: of the samples.
        alpha: uint8 (H, W); None if the image is opaque.
        declared: the range that the file states; None if it states none.
        white_is_zero: whether the smallest value is white.
    """

    values: np.ndarray
    type: SampleType
    alpha: np.ndarray | None = None
    declared: ValueRange | None = None
    white_is_zero: bool = False


class SampleImage(ImageFile.ImageFile):
    """An opened image that has samples instead of 8-bit pixels; ``to_upright_srgb`` scales them to 8 bits.

    Subclasses set size, mode, info and ``sample_type`` in ``_open``, and decode in ``_decode``.

    Attributes:
        dtype: of the stored samples.
        num_channels: stored channels, with alpha.
        not_a_picture: why the samples are neither grey nor RGB, such as "has 8 channels"; "" if they are.
        arrangement: of the samples in the file, see ``ChannelImage``.
        max_pixels: limit of the memory, see ``check_memory``; None for the default.
    """

    sample_type: SampleType = "float"
    dtype: np.dtype[Any] = np.dtype("uint16")
    num_channels = 1
    not_a_picture = ""
    arrangement: Arrangement = "interleaved"
    max_pixels: int | None = None

    @property
    def declared(self) -> ValueRange | None:
        """The range that the file states; None if it states none."""
        return None

    def samples(self) -> Samples:
        """Decode the current frame. Raises any error for a damaged file."""
        samples = self._decode()
        if samples.values.shape[:2] != (self.height, self.width):
            raise OSError("its pixels cannot be decoded")
        return samples

    def _decode(self) -> Samples:
        raise NotImplementedError

    def channels(self) -> np.ndarray:
        """Decode the current frame, with all channels as stored: (H, W, C). Raises any error for a damaged file."""
        raise NotImplementedError

    def check_picture(self) -> None:
        """Raise ImageError if the samples are neither grey nor RGB."""
        if self.not_a_picture:
            raise ImageError(
                f"{str(self.filename) or 'The image'} {self.not_a_picture}; grey or RGB, each with or without alpha, "
                "is needed here. Models that are trained on such files take them."
            )

    def load(self) -> Any:
        """Decode as ``to_upright_srgb`` does, for code that treats this as any other image."""
        if self._im is None:
            from i2i.images.samples import samples_to_image

            self.check_picture()
            self.im = samples_to_image(self.samples(), {}).convert(self.mode).im
        return Image.Image.load(self)


class DeepPng(SampleImage):
    """A PNG with colours or alpha of 16 bits, or with fewer significant bits than 16, decoded by OpenCV."""

    format = "PNG"
    sample_type: SampleType = "uint16"

    def _open(self) -> None:
        assert self.fp is not None
        with Image.open(self.fp, formats=["PNG"]) as header:
            self._bits = _significant_bits(self.fp)
            is_plain = header.mode == "I;16" and (self._bits is None or "transparency" in header.info)
            if is_plain or not _is_16_bit_png(self.fp):
                raise SyntaxError("not a PNG with colours or alpha of 16 bits")
            header.load()  # metadata may follow the pixels
            self._size = header.size
            self._mode = "L" if header.mode == "I;16" else header.mode
            self.num_channels = len(self._mode)
            self.info = dict(header.info)

    @property
    def declared(self) -> ValueRange | None:
        return None if self._bits is None else (0.0, float((1 << self._bits) - 1))

    def channels(self) -> np.ndarray:
        values = _decode_by_opencv(self.fp)
        if values.ndim == 2:
            return values[..., None]
        if self.mode in ("L", "LA"):
            return values[..., [0, 3]] if self.mode == "LA" else values[..., :1]
        return values[..., [2, 1, 0, 3]] if values.shape[2] == 4 else values[..., ::-1]

    def _decode(self) -> Samples:
        values = _decode_by_opencv(self.fp)
        is_grey = self.mode in ("L", "LA")
        colours = values[..., 0] if is_grey and values.ndim > 2 else values
        colours = colours if is_grey or values.ndim == 2 else values[..., 2::-1]  # BGR(A) to RGB
        has_alpha = values.ndim == 3 and values.shape[2] == 4
        declared = None if self._bits is None or _is_scaled_up(colours, self._bits) else self.declared
        return Samples(colours, "uint16", integer_alpha(values[..., 3]) if has_alpha else None, declared)


class PortableAnymap(SampleImage):
    """PGM and PPM with another white than 255, and PFM with colours, decoded by OpenCV."""

    format = "PPM"

    def _open(self) -> None:
        assert self.fp is not None
        magic, *numbers = _netpbm_header(self.fp.read(1000))
        if magic not in (b"P2", b"P3", b"P5", b"P6", b"PF") or len(numbers) < 3:
            raise SyntaxError("not a PGM, PPM or PFM")
        self._size = (int(numbers[0]), int(numbers[1]))
        self._mode = "RGB" if magic in (b"P3", b"P6", b"PF") else "L"
        self._white = None if magic == b"PF" else int(numbers[2])
        if self._white is not None:
            if not 0 < self._white < 65536 or self._white == 255:
                raise SyntaxError("white is 255, as Pillow reads it, or invalid")
            self.sample_type = "uint8" if self._white < 256 else "uint16"
        self.dtype = np.dtype("float32" if self._white is None else self.sample_type)
        self.num_channels = len(self._mode)

    @property
    def declared(self) -> ValueRange | None:
        return None if self._white is None else (0.0, float(self._white))

    def channels(self) -> np.ndarray:
        values = _decode_by_opencv(self.fp)
        return values[..., None] if values.ndim == 2 else values[..., 2::-1]

    def _decode(self) -> Samples:
        values = _decode_by_opencv(self.fp)
        colours = values if values.ndim == 2 else values[..., 2::-1]
        return Samples(colours, self.sample_type, declared=self.declared)


def open_sample_image(file: BinaryIO, name: str) -> SampleImage | None:
    """Return the image of a file, not yet decoded; None if Pillow is to read it.

    Args:
        file: the opened file.
        name: the format's name by its first bytes.

    Raises: ImageError with the reason if it is a TIFF or an array with samples that i2i does not read.
    """
    opener: type[SampleImage]
    if name == "TIFF":
        from i2i.images.sample_tiff import SampleTiff

        opener = SampleTiff
    elif name == "NumPy":
        from i2i.images.numpy_files import NumpyImage

        opener = NumpyImage
    else:
        opener = DeepPng if name == "PNG" else PortableAnymap
    file.seek(0)
    try:
        return opener(file)
    except SyntaxError:
        return None
    finally:
        file.seek(0)


def has_deep_samples(head: bytes) -> bool:
    """Return whether a file may hold samples that Pillow reduces to 8 bits, by its first bytes."""
    is_deep_png = head.startswith(b"\x89PNG") and len(head) > 25 and head[24] == 16
    return is_deep_png or (head[:2] in (b"P2", b"P3", b"P5", b"P6", b"PF") and head[2:3].isspace())


def may_have_other_samples(head: bytes) -> bool:
    """Return whether a file may hold other samples than levels of 8 bits, by its first bytes."""
    is_array = head.startswith((b"\x93NUMPY", b"PK\3\4"))
    return has_deep_samples(head) or head[:4] in _TIFF_SIGNATURES or head[:2] == b"Pf" or is_array


def integer_alpha(alpha: np.ndarray) -> np.ndarray:
    """Return alpha of any unsigned type as uint8, its largest value as 255."""
    return (alpha / (np.iinfo(alpha.dtype).max / 255)).round().astype(np.uint8)


def _decode_by_opencv(file: Any) -> np.ndarray:
    import cv2

    file.seek(0)
    values = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise OSError("its pixels cannot be decoded")
    return values


def _is_16_bit_png(file: Any) -> bool:
    file.seek(0)
    return has_deep_samples(file.read(26))


def _significant_bits(file: Any) -> int | None:
    """Return the bits of the colours of a PNG of 16 bits, as its chunk sBIT states them; None for 16 or no statement.

    See PNG Specification, Third Edition, 11.3.2.5.
    """
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name == b"sBIT" and length in (1, 2, 3, 4):
            content = file.read(length)
            bits = max(content[:1] if length < 3 else content[:3], default=16)
            return bits if 8 < bits < 16 else None
        if name in (b"IDAT", b"PLTE", b"IEND"):
            break
        file.seek(length + 4, 1)
    return None


def _is_scaled_up(values: np.ndarray, bits: int) -> bool:
    """Return whether all values are ones of fewer bits, scaled to 16 bits, as the specification of PNG demands."""
    unused = 16 - bits
    low_bits = values & ((1 << unused) - 1)
    return bool((low_bits == 0).all() or (low_bits == values >> bits).all())


def _netpbm_header(head: bytes) -> list[bytes]:
    """Return magic number, width, height and largest value of a Netpbm file, without comments."""
    lines = (line.split(b"#")[0] for line in head.split(b"\n"))
    return b" ".join(lines).split()[:4]
