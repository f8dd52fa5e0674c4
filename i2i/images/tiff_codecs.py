"""LZW and the predictor of floats for tifffile, which has them only with the package imagecodecs; and bounded deflate.

GDAL and most microscopes write these. LZW works on bytes, whatever the bands, so each strip or tile is decoded by
Pillow's libtiff as a grey image of 8 bits. The decoders return no more bytes than a strip or tile has.
"""

import importlib.util
import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import tifffile
from PIL import Image

_LZW = 5
_FLOAT_PREDICTOR = 3
_DEFLATE = (8, 32946, 50013)


def register_codecs() -> None:
    """Give tifffile the codecs of this module, unless imagecodecs is installed."""
    if importlib.util.find_spec("imagecodecs") is not None:
        return
    with suppress(AttributeError):  # another version of tifffile: such files are reported as not supported
        decoders: Any = tifffile.TIFF.DECOMPRESSORS._codecs  # type: ignore[attr-defined]
        decoders.setdefault(_LZW, decode_lzw)
        for compression in _DEFLATE:
            decoders.setdefault(compression, decode_deflate)
        predictors: Any = tifffile.TIFF.UNPREDICTORS._codecs  # type: ignore[attr-defined]
        predictors.setdefault(_FLOAT_PREDICTOR, decode_float_predictor)


def decode_deflate(data: bytes, /, *, out: int) -> bytes:
    """Return at most ``out`` bytes of a strip or tile that is compressed by deflate. Raises zlib.error if damaged."""
    return zlib.decompressobj().decompress(data, max(1, out))


def decode_lzw(data: bytes, /, *, out: int) -> bytes:
    """Return the ``out`` bytes of a strip or tile that is compressed by LZW (TIFF 6.0, section 13).

    Raises OSError or ValueError if it is damaged.
    """
    tags = (
        (256, 4, out), (257, 4, 1), (258, 3, 8), (259, 3, _LZW), (262, 3, 1), (273, 4, 0), (277, 3, 1), (278, 4, 1),
        (279, 4, len(data)),
    )  # fmt: skip
    offset = 8 + 2 + 12 * len(tags) + 4
    directory = b"".join(
        struct.pack("<HHII", tag, type, 1, offset if tag == 273 else value) for tag, type, value in tags
    )
    file = io.BytesIO(b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4) + data)
    with Image.open(file, formats=["TIFF"]) as image:
        return image.tobytes()


def decode_float_predictor(data: np.ndarray, /, *, axis: int = -2, out: Any = None) -> np.ndarray:
    """Return floats whose rows are stored as differences of byte planes (Adobe Photoshop TIFF Technical Note 3).

    Args:
        data: the bytes of a segment as floats (…, rows, width, samples), in the byte order of this machine.
        axis: of the width.
        out: unused.
    """
    itemsize = data.dtype.itemsize
    *leading, width, samples = data.shape
    planes = np.ascontiguousarray(data).view(np.uint8).reshape(-1, width * itemsize, samples)
    planes = np.cumsum(planes, axis=1, dtype=np.uint8).reshape(-1, itemsize, width * samples)  # most significant first
    big_endian = np.ascontiguousarray(planes.swapaxes(1, 2)).view(data.dtype.newbyteorder(">"))
    return big_endian.astype(data.dtype).reshape(*leading, width, samples)
