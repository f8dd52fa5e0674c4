"""A TIFF encoder. Pillow can compress a TIFF or give it EXIF, but not both."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

# Tags (TIFF 6.0, section 8)
_WIDTH = 256
_HEIGHT = 257
_BITS_PER_SAMPLE = 258
_COMPRESSION = 259
_PHOTOMETRIC = 262
_STRIP_OFFSETS = 273
_SAMPLES_PER_PIXEL = 277
_ROWS_PER_STRIP = 278
_STRIP_BYTE_COUNTS = 279
_PREDICTOR = 317
_EXTRA_SAMPLES = 338
_EXIF_IFD = 34665
_PROFILE = 34675
_XMP = 700
# Values
_DEFLATE = 8
_HORIZONTAL_DIFFERENCING = 2
_RGB = 2
_GREY = 1
_UNASSOCIATED_ALPHA = 2
_UNDEFINED_BYTES = 7


def encode_tiff_pages(pages: Sequence[tuple[Image.Image | np.ndarray, bytes, bytes]], xmp: bytes) -> bytes:
    """Encode one image or more, each a page.

    Args:
        pages: images, or levels (H, W, 1 to 4) of 8 or 16 bits, each with its EXIF block, as in a JPEG, and its ICC
            profile; both may be empty.
        xmp: an XMP packet; may be empty.
    """
    data = bytearray(b"II*\0")
    pointer = len(data)  # of the place that holds the offset of the next directory
    data += bytes(4)
    for image, exif, profile in pages:
        data += bytes(len(data) % 2)  # directories begin at even offsets
        offset = len(data)
        data[pointer : pointer + 4] = struct.pack("<I", offset)
        data += _encode_page(image, exif, xmp, profile, offset)
        (count,) = struct.unpack_from("<H", data, offset)
        pointer = offset + 2 + 12 * count
    return bytes(data)


def _encode_page(image: Image.Image | np.ndarray, exif: bytes, xmp: bytes, profile: bytes, offset: int) -> bytes:
    """Return directory and pixels of a page: one strip, horizontal differencing (TIFF 6.0, section 14), deflate.

    Args:
        image: L, LA, RGB or RGBA, or levels (H, W, 1 to 4).
        exif: an EXIF block as in a JPEG; may be empty.
        xmp: an XMP packet; may be empty.
        profile: an ICC profile; may be empty.
        offset: of the directory in the file.
    """
    levels = np.asarray(image)
    levels = levels.reshape(*levels.shape[:2], -1)
    height, width, channels = levels.shape
    differences = levels.copy()
    differences[:, 1:] -= levels[:, :-1]  # unsigned integers wrap around, as the format requires
    strip = zlib.compress(differences.astype(levels.dtype.newbyteorder("<")).tobytes(), 6)
    directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    directory[_WIDTH] = width
    directory[_HEIGHT] = height
    directory[_BITS_PER_SAMPLE] = (8 * levels.itemsize,) * channels
    directory[_COMPRESSION] = _DEFLATE
    directory[_PREDICTOR] = _HORIZONTAL_DIFFERENCING
    directory[_PHOTOMETRIC] = _RGB if channels > 2 else _GREY
    directory[_STRIP_OFFSETS] = 0  # Pillow's tobytes() adds the end of the directory
    directory[_SAMPLES_PER_PIXEL] = channels
    directory[_ROWS_PER_STRIP] = height
    directory[_STRIP_BYTE_COUNTS] = len(strip)
    if channels in (2, 4):
        directory[_EXTRA_SAMPLES] = _UNASSOCIATED_ALPHA
    for tag, data in ((_PROFILE, profile), (_XMP, xmp)):
        if data:
            directory.tagtype[tag] = _UNDEFINED_BYTES
            directory[tag] = data
    if exif:
        block = Image.Exif()
        block.load(exif)
        directory.update(dict(block))
        directory[_EXIF_IFD] = block.get_ifd(_EXIF_IFD)
    return bytes(directory.tobytes(offset) + strip)
