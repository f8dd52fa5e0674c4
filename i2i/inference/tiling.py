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


def blended_forward(
    height: int,
    width: int,
    run: Callable[[slice, slice], Tensor],
    overlap: int,
    multiple: int,
    max_tile_pixels: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Tensor:
    """Run a network tile by tile, and let each tile fade into the next one where they overlap.

    It is for networks without a finite receptive field: their tiles differ, and hard edges would show.

    Args:
        height: rows of the image, a multiple of ``multiple``.
        width: columns of the image, a multiple of ``multiple``.
        run: runs the network on rows and columns: (s·h, s·w, C), levels, where s is the scale of the network.
        overlap: pixels by which a tile is extended on each side; the inner half fades, the outer half is left out.
        multiple: tile sides are multiples of this many pixels.
        max_tile_pixels: pixels of the largest tile, with its overlap; at least (4 ``overlap``)² are used.
        progress: called after each tile with the fraction of the image that is done.

    Returns: (s·height, s·width, C) on the CPU.
    """
    overlap = -(-overlap // multiple) * multiple
    side = max(int(max_tile_pixels**0.5), 4 * overlap) // multiple * multiple - 2 * overlap
    output = torch.empty(0)
    for row in tile_spans(height, side, overlap, multiple):
        band = torch.empty(0)
        for column in tile_spans(width, side, overlap, multiple):
            tile = run(slice(*row[2:]), slice(*column[2:]))
            s = tile.shape[0] // (row[3] - row[2])
            if not len(output):
                output = torch.zeros(s * height, s * width, tile.shape[2], dtype=tile.dtype)
            if not len(band):
                band = torch.zeros(tile.shape[0], s * width, tile.shape[2])
            _fade_in(band, tile.float(), column, width, overlap, s, 1)
            progress((row[0] * width + (row[1] - row[0]) * column[1]) / (height * width))
        _fade_in(output, band, row, height, overlap, s, 0)
    return output


def _fade_in(target: Tensor, part: Tensor, span: TileSpan, length: int, overlap: int, scale: int, dim: int) -> None:
    """Write a tile, or a row of tiles, into an image along one dimension, with a linear ramp at its start.

    Args:
        target: the image, changed in place.
        part: the tile, with its overlap along ``dim``.
        span: of the tile along ``dim``.
        length: of the image along ``dim``, in pixels of the input.
        overlap: pixels of the input.
        scale: of the network.
        dim: 0 for rows, 1 for columns.
    """
    start, end, padded_start, _ = span
    first = max(start - overlap // 2, 0)
    last = min(end + overlap // 2, length)
    part = part.narrow(dim, scale * (first - padded_start), scale * (last - first))
    place = target.narrow(dim, scale * first, scale * (last - first))
    if start == 0:
        mixed = part
    else:
        ramp = scale * (2 * (start - first))
        steps = torch.arange(part.shape[dim])
        weight = ((steps + 0.5) / max(ramp, 1)).clamp(max=1)
        weight = weight.reshape([-1 if axis == dim else 1 for axis in range(3)])
        before = place.float()
        mixed = before + weight * (part - before)
    place.copy_(mixed if target.is_floating_point() else mixed.round())
