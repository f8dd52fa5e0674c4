"""Images of one channel: results of grey files are written as grey files."""

import struct
from functools import cache

import numpy as np
from PIL import Image

from i2i.images.sample_images import SampleImage

_BLOCK = 4_000_000  # values compared at a time, to bound the memory
_D50 = (0.9642, 1.0, 0.8249)  # white point of ICC profiles
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # γ, a, b, c, d of IEC 61966-2-1


def stores_grey(image: Image.Image) -> bool:
    """Return whether the file of an opened image stores one channel, beside alpha, instead of colours."""
    if isinstance(image, SampleImage):
        return image.mode in ("L", "LA")
    return image.mode in ("L", "LA", "La", "1", "F", "I") or image.mode.startswith("I;16")


def to_grey(image: Image.Image, *, alpha: bool) -> Image.Image:
    """Return RGB with equal channels as L, and RGBA as LA; any other image unchanged.

    Args:
        image: an image of any mode.
        alpha: whether LA may be returned; without it, RGBA stays as it is.
    """
    if image.mode not in (("RGB", "RGBA") if alpha else ("RGB",)) or not has_equal_channels(np.asarray(image)):
        return image
    grey = image.getchannel("R")
    if image.mode == "RGB":
        return grey
    return Image.merge("LA", [grey, image.getchannel("A")])


def has_equal_channels(pixels: np.ndarray) -> bool:
    """Return whether the three colours of uint8 (H, W, 3 or 4) are equal everywhere."""
    block_rows = max(1, _BLOCK // (pixels.shape[1] * pixels.shape[2]))
    rows = (pixels[top : top + block_rows] for top in range(0, len(pixels), block_rows))
    return all(np.array_equal(block[..., 0], block[..., channel]) for block in rows for channel in (1, 2))


@cache
def grey_profile() -> bytes:
    """Return the ICC profile of grey files: grey levels with the tone curve of sRGB (ICC.1:2010, profile version 4)."""
    curve = struct.pack(">4s4xHH5i", b"para", 3, 0, *(round(value * 65536) for value in _SRGB_CURVE))
    white = struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in _D50))
    entries = {b"desc": _text("Grey, sRGB tone curve"), b"cprt": _text("No copyright"), b"wtpt": white, b"kTRC": curve}
    offset = 128 + 4 + 12 * len(entries)
    table, data = struct.pack(">I", len(entries)), b""
    for tag, value in entries.items():
        table += tag + struct.pack(">II", offset + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4s4s4s4s4s6H4s4sI4s4s8xI3i4s16x28x", offset + len(data), bytes(4), b"\4\x20\0\0", b"mntr", b"GRAY", b"XYZ ",
        2000, 1, 1, 0, 0, 0, b"acsp", bytes(4), 0, bytes(4), bytes(4), 0,
        *(round(value * 65536) for value in _D50), bytes(4),
    )  # fmt: skip
    return header + table + data


def _text(text: str) -> bytes:
    """Return a text as an element of the type multiLocalizedUnicodeType."""
    encoded = text.encode("utf-16-be")
    return struct.pack(">4s4xII4sII", b"mluc", 1, 12, b"enUS", len(encoded), 28) + encoded
