"""Run a network on a large image in overlapping tiles. Its receptive field must be finite."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

TileSpan = tuple[int, int, int, int]  # first and last row (or column) of a tile, without and with its overlap


def tiled_forward(
    height: int,
    width: int,
    run: Callable[[slice, slice], Tensor],
    radius: int,
    multiple: int,
    max_tile_pixels: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Tensor:
    """Run a network tile by tile; the result equals one pass over the whole image.

    Args:
        height: rows of the image, a multiple of ``multiple``.
        width: columns of the image, a multiple of ``multiple``.
        run: runs the network on rows and columns: (s·h, s·w, C), where s is the scale of the network.
        radius: pixels on each side beyond which no input pixel changes an output pixel.
        multiple: tile sides are multiples of this many pixels.
        max_tile_pixels: pixels of the largest tile, with its overlap.
        progress: called after each tile with the fraction of the image that is done.

    Returns: (s·height, s·width, C) on the CPU.

    Raises: NotImplementedError if most of such a tile would be overlap.
    """
    overlap = -(-radius // multiple) * multiple
    side = int(max_tile_pixels**0.5) // multiple * multiple - 2 * overlap
    if side < max(overlap, multiple):
        raise NotImplementedError(f"tiles of {max_tile_pixels} pixels are too small for a receptive radius of {radius}")
    output = torch.empty(0)
    for top, bottom, padded_top, padded_bottom in tile_spans(height, side, overlap, multiple):
        for left, right, padded_left, padded_right in tile_spans(width, side, overlap, multiple):
            tile = run(slice(padded_top, padded_bottom), slice(padded_left, padded_right))
            s = tile.shape[0] // (padded_bottom - padded_top)
            if not len(output):
                output = torch.empty(s * height, s * width, tile.shape[2], dtype=tile.dtype)
            rows = slice(s * (top - padded_top), s * (bottom - padded_top))
            columns = slice(s * (left - padded_left), s * (right - padded_left))
            output[s * top : s * bottom, s * left : s * right] = tile[rows, columns]
            progress((top * width + (bottom - top) * right) / (height * width))
    return output


def tile_spans(length: int, side: int, overlap: int, multiple: int) -> Iterator[TileSpan]:
    """Split ``length``, a multiple of ``multiple``, into parts of about equal size, none longer than ``side``."""
    units = length // multiple
    count = -(-length // side)
    for index in range(count):
        start = units * index // count * multiple
        end = units * (index + 1) // count * multiple
        yield start, end, max(start - overlap, 0), min(end + overlap, length)
