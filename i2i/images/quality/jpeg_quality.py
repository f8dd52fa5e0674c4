"""The quality setting of a JPEG, from its quantisation tables."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from i2i.errors import ImageError
from i2i.images.files import open_regular

# Luminance table of ITU-T T.81, annex K.1, which libjpeg scales by the quality.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_MAX_HEAD = 4_000_000  # bytes before the pixels of a JPEG: EXIF, previews and profiles
_DQT, _SOS = 0xDB, 0xDA
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])


def read_jpeg_quality(path: Path) -> int | None:
    """Return the quality of a JPEG file, from 1 to 100; None for a file of another format, or that cannot be read."""
    try:
        with open_regular(path) as file:
            head = file.read(2)
            table = luminance_table(head + file.read(_MAX_HEAD)) if head == b"\xff\xd8" else None
    except (ImageError, OSError):
        return None
    return None if table is None else quality_of_table(table)


def quality_of_table(table: Sequence[int]) -> int:
    """Return the quality whose table in libjpeg is nearest to a luminance table, on libjpeg's scale of 1 to 100.

    Cameras and other programs have tables and scales of their own. Their quality is that of the JPEG of libjpeg that
    loses about as much.

    Args:
        table: 64 quantisation steps, in any order.
    """
    steps = np.sort(np.asarray(table, np.float64))
    distances = np.abs(_libjpeg_tables() - steps).sum(1)
    return int(100 - np.argmin(distances[::-1]))


@cache
def _libjpeg_tables() -> np.ndarray:
    """Return the sorted luminance table of each quality from 1 to 100: (100, 64)."""
    return np.sort([quantisation_table(quality).ravel() for quality in range(1, 101)], axis=1)


def quantisation_table(quality: int) -> np.ndarray:
    """Return the luminance table of libjpeg for a quality from 1 to 100: (8, 8), rows of vertical frequency."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((percent * np.array(_LUMINANCE) + 50) // 100).clip(1, 255).reshape(8, 8)


def luminance_table(data: bytes) -> list[int] | None:
    """Return the quantisation table of the first component (ITU-T T.81, B.2); None if there is none.

    Args:
        data: the start of a JPEG, up to its first scan.
    """
    tables: dict[int, list[int]] = {}
    first: int | None = None
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:  # fill bytes, and markers without a segment
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        segment = data[position + 4 : position + 2 + length]
        if marker == _SOS:
            break
        if marker == _DQT:
            tables |= _parse_tables(segment)
        elif marker in _FRAME_HEADERS and len(segment) >= 9:
            first = segment[8]  # Tq of the first component
        position += 2 + length
    return tables.get(first) if first is not None else None


def _parse_tables(segment: bytes) -> dict[int, list[int]]:
    """Return the tables of a DQT segment by their number. A table that is cut short or has a step of 0 is left out."""
    tables = {}
    position = 0
    while position < len(segment):
        size = 2 if segment[position] >> 4 else 1
        values = segment[position + 1 : position + 1 + 64 * size]
        steps = [int.from_bytes(values[index : index + size]) for index in range(0, len(values), size)]
        if len(steps) == 64 and all(steps):
            tables[segment[position] & 15] = steps
        position += 1 + 64 * size
    return tables
