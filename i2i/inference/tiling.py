"""Pictures too large for a network that sees no farther than some pixels around each: in tiles that overlap as far."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Span = tuple[int, int, int, int]  # rows or columns that a tile is for, and those that it is given


def in_tiles(
    height: int, width: int, run: Callable[[slice, slice], Tensor], reach: int, multiple: int, room: int
) -> Tensor:
    """What the whole picture would give, (s·height, s·width, C) on the CPU, where ``run`` enlarges s times.

    run: given rows and columns, of which there are multiples of ``multiple``, what comes of them, (s·h, s·w, C). reach:
    pixels beyond which nothing changes a pixel of the result. room: pixels of the largest tile. Raises
    NotImplementedError where most of such a tile would be what lies around it.
    """
    around = -(-reach // multiple) * multiple
    side = int(room**0.5) // multiple * multiple - 2 * around
    if side < max(around, multiple):
        raise NotImplementedError(f"tiles of {room} pixels are too small for a network that sees {reach} pixels around")
    found = torch.empty(0)
    for top, bottom, first, last in spans(height, side, around, multiple):
        for left, right, begin, end in spans(width, side, around, multiple):
            piece = run(slice(first, last), slice(begin, end))
            s = piece.shape[0] // (last - first)
            if not len(found):
                found = torch.empty(s * height, s * width, piece.shape[2], dtype=piece.dtype)
            inside = piece[s * (top - first) : s * (bottom - first), s * (left - begin) : s * (right - begin)]
            found[s * top : s * bottom, s * left : s * right] = inside
    return found


def spans(length: int, side: int, around: int, multiple: int) -> Iterator[Span]:
    """``length``, a multiple of ``multiple``, in parts of about one size, none longer than ``side``."""
    units, count = length // multiple, -(-length // side)
    for part in range(count):
        begin, end = (units * step // count * multiple for step in (part, part + 1))
        yield begin, end, max(begin - around, 0), min(end + around, length)
