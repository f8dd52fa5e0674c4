"""TIFF, written here: Pillow compresses one, or gives it EXIF, but not both."""

import struct
import zlib

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_EXIF_IFD, _PROFILE, _XMP = 34665, 34675, 700
_DEFLATE, _DIFFERENCES, _RGB, _GREY, _STRAIGHT_ALPHA, _BYTES = 8, 2, 2, 1, 2, 7


def tiff(image: Image.Image, exif: bytes, xmp: bytes, profile: bytes) -> bytes:
    """A grey, RGB or RGBA picture in one strip, each row as differences of neighbours, deflated (TIFF 6.0, section 14).

    exif: a block as in a JPEG; xmp, profile: as they are. Any may be empty.
    """
    levels = np.asarray(image).reshape(image.height, image.width, -1)
    channels = levels.shape[2]
    steps = levels.copy()
    steps[:, 1:] -= levels[:, :-1]  # uint8 wraps around, as the format wants it
    strip = zlib.compress(steps.tobytes(), 6)
    directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    directory.update({256: image.width, 257: image.height, 258: (8,) * channels, 259: _DEFLATE, 317: _DIFFERENCES})
    directory.update({262: _RGB if channels > 2 else _GREY, 273: 0, 277: channels, 278: image.height, 279: len(strip)})
    if channels == 4:
        directory[338] = _STRAIGHT_ALPHA
    for tag, data in ((_PROFILE, profile), (_XMP, xmp)):
        if data:
            directory.tagtype[tag] = _BYTES
            directory[tag] = data
    if exif:
        block = Image.Exif()
        block.load(exif)
        directory.update(dict(block))
        directory[_EXIF_IFD] = block.get_ifd(_EXIF_IFD)
    # 273, where the strip begins, is counted from the directory's end by those who write the directory.
    return b"II*\0" + struct.pack("<I", 8) + directory.tobytes(8) + strip
