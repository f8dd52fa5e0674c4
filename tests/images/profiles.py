"""Hand-made ICC profiles, and their colours in sRGB, computed without a colour management library."""

import struct

import numpy as np

# Red, green and blue in XYZ, adapted to D50, and the exponent of the tone curve.
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 2.2
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)), 2.2
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)), 1.8
_SRGB = np.array([(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)])
Space = tuple[tuple[tuple[float, float, float], ...], float]


def in_srgb(space: Space, levels: tuple[int, int, int]) -> np.ndarray:
    """Return the sRGB levels of a colour of ``space`` by the standards' formulas, clipped to the gamut."""
    primaries, exponent = space
    linear = (np.array(levels) / 255) ** exponent @ np.array(primaries) @ np.linalg.inv(_SRGB)
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def rgb_profile(space: Space) -> bytes:
    primaries, exponent = space
    tags = {name: _xyz(*primary) for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return _profile(b"RGB ", b"XYZ ", tags | {name: _curve(exponent) for name in (b"rTRC", b"gTRC", b"bTRC")})


def grey_profile(exponent: float) -> bytes:
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(exponent)})


def cmyk_profile() -> bytes:
    """Return a profile of grey inks: L* = 100 (1 − k) (1 − (c + m + y) / 3) at the corners, linear between them."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    cells = b"".join(bytes((round(255 * (1 - k) * (1 - (c + m + y) / 3)), 128, 128)) for c, m, y, k in corners)
    identity_curve = bytes(range(256))
    unit = struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + unit + identity_curve * 4 + cells + identity_curve * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table}, b"prtr")


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * value) for value in (x, y, z)))


def _curve(exponent: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * exponent)) + b"\0\0"


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    tags = {b"wtpt": _xyz(0.9642, 1.0, 0.8249), **tags}
    offset = 128 + 4 + 12 * len(tags)
    table = b""
    content = b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(content), len(data))
        content += data
    size = offset + len(content)
    header = struct.pack(">I4sI4s4s4s12x4s", size, b"test", 0x02100000, kind, space, connection, b"acsp").ljust(
        68, b"\0"
    )
    header += struct.pack(">3i", 63190, 65536, 54061)  # the D50 illuminant
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content
