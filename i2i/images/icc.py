"""Conversion of 16-bit levels to sRGB by ICC profiles of a matrix and tone curves. Pillow converts 8 bits only.

The profiles of Adobe RGB, Display P3, ProPhoto and most cameras, monitors and scanners are of this kind (ICC.1:2010,
section F.3). Those with tables for the whole conversion are left to Pillow.
"""

import struct
from functools import lru_cache

import numpy as np

from i2i.images.metadata import srgb_profile

_BLOCK = 4_000_000  # values converted at a time, to bound the memory
_PEAK = 65535
_PARAMETERS = ("g", "gab", "gabc", "gabcd", "gabcdef")  # of a parametric curve, by its type


def to_srgb(levels: np.ndarray, profile: bytes) -> np.ndarray | None:
    """Convert levels to sRGB, relative to the white of the profile; colours beyond sRGB are clipped.

    Args:
        levels: uint16 (H, W) or (H, W, 3).
        profile: of grey or RGB.

    Returns: uint16 (H, W, 3); None if the profile is of another kind, or damaged.
    """
    conversion = _conversion(profile)
    if conversion is None:
        return None
    curves, matrix = conversion
    if levels.ndim == 2:
        levels = np.repeat(levels[..., None], 3, 2)
    converted = np.empty(levels.shape, np.uint16)
    block_rows = max(1, _BLOCK // (3 * levels.shape[1]))
    for top in range(0, len(levels), block_rows):
        block = levels[top : top + block_rows]
        linear = np.stack([curve[block[..., channel]] for channel, curve in enumerate(curves)], 2) @ matrix
        converted[top : top + block_rows] = (_encode(linear.clip(0, 1)) * _PEAK).round()
    return converted


def _encode(linear: np.ndarray) -> np.ndarray:
    """Return linear light in 0…1 by the tone curve of sRGB (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)


@lru_cache(8)
def _conversion(profile: bytes) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Return linear light for each level of the three channels, and the matrix (3, 3) to the primaries of sRGB."""
    try:
        tags = _read_tags(profile)
        if b"A2B0" in tags:
            return None
        if profile[16:20] == b"GRAY":
            return [_curve(tags[b"kTRC"])] * 3, np.eye(3, dtype=np.float32)
        if profile[16:20] != b"RGB ":
            return None
        matrix = _primaries(tags) @ np.linalg.inv(_primaries(_read_tags(srgb_profile())))
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except (struct.error, KeyError, ValueError, IndexError, np.linalg.LinAlgError):
        return None
    return curves, matrix.astype(np.float32)


def _read_tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(min(count, 100)))
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _primaries(tags: dict[bytes, bytes]) -> np.ndarray:
    """Return red, green and blue in XYZ, one a row."""
    return np.array([_fixed(tags[name], 8, 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")])


def _fixed(data: bytes, offset: int, count: int) -> np.ndarray:
    return np.array(struct.unpack_from(f">{count}i", data, offset)) / 65536


def _curve(tag: bytes) -> np.ndarray:
    """Return linear light in 0…1 for each level of 16 bits. Raises ValueError for an unknown kind of curve."""
    x = np.linspace(0, 1, _PEAK + 1)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = np.array(struct.unpack_from(f">{count}H", tag, 12))
        if count > 1:
            y = np.interp(x, np.linspace(0, 1, count), values / _PEAK)
        else:
            y = x ** (values[0] / 256) if count else x
    elif tag[:4] == b"para":
        y = _parametric(x, tag)
    else:
        raise ValueError(f"{tag[:4]!r} is no curve")
    return y.clip(0, 1).astype(np.float32)


def _parametric(x: np.ndarray, tag: bytes) -> np.ndarray:
    """Return (a x + b)^g + e where x ≥ d, else c x + f (ICC.1:2010, table 65)."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    names = _PARAMETERS[kind]
    values = dict(zip(names, _fixed(tag, 12, len(names)), strict=True))
    g, a, b = values["g"], values.get("a", 1.0), values.get("b", 0.0)
    if kind == 2:  # c is added to both parts
        values |= {"e": values["c"], "f": values["c"], "c": 0.0}
    d = values.get("d", -b / a)
    power = np.maximum(a * x + b, 0) ** g + values.get("e", 0.0)
    return np.where(x >= d, power, values.get("c", 0.0) * x + values.get("f", 0.0))
