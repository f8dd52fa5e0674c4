"""The quality of a JPEG that a photo was before it was saved again: as PNG, or as a better JPEG.

A JPEG leaves multiples of its quantisation steps as the DCT coefficients of each block of 8×8 pixels. They are still
near these multiples after rounding, and after another JPEG of higher quality (Fan and de Queiroz 2003, "Identification
of bitmap compression history: JPEG detection and quantizer estimation").
"""

from functools import cache

import numpy as np

from i2i.images.quality.jpeg_quality import quantisation_table
from i2i.images.quality.noise_level import BLOCK, dct_matrix

QUALITIES = range(5, 91)  # beyond, the steps are too small
COEFFICIENTS = (
    (0, 1),
    (1, 0),
    (2, 0),
    (1, 1),
    (0, 2),
    (0, 3),
    (1, 2),
    (2, 1),
    (3, 0),
    (4, 0),
    (3, 1),
    (2, 2),
    (1, 3),
    (0, 4),
)
MIN_STEP = 3  # smaller steps are lost in the rounding of the pixels
MAX_SIDE = 1024  # pixels a side of the middle of the image that is looked at
MAX_BLOCKS = 2_000  # that are compared, evenly spaced
MIN_COEFFICIENTS = 150  # that are not zero, for a decision
# Natural logarithm of the likelihood ratio of a coefficient: above 0.5 up to quality 80, 1.5 at 30, below 0 without
# JPEG, and at most 0.3 in results of `dejpeg`.
MIN_SCORE = 0.45
_SIGMA = 1.0  # of the distance from a multiple
_OUTLIERS = 0.2  # share of the coefficients that are anywhere, such as beside clipped pixels


def find_earlier_quality(luma: np.ndarray) -> int | None:
    """Return the quality of the JPEG that an image was, on libjpeg's scale; None if there is no sign of one.

    It is found after a crop too, and not after a change of size.

    Args:
        luma: (H, W), in grey levels from 0 to 255.
    """
    if min(luma.shape) < 2 * BLOCK:
        return None
    top, left = (max(0, (side - MAX_SIDE) // (2 * BLOCK)) * BLOCK for side in luma.shape)
    middle = luma[top : top + MAX_SIDE, left : left + MAX_SIDE]
    found = [_best_quality(_coefficients(middle, *offset)) for offset in {(0, 0), _grid_offset(middle)}]
    score, quality = max(found)
    return quality if score >= MIN_SCORE else None


def _coefficients(luma: np.ndarray, top: int, left: int) -> np.ndarray:
    """Return the DCT coefficients of the different blocks of a grid: (N, 8, 8), float32."""
    height, width = ((side - start) // BLOCK for side, start in zip(luma.shape, (top, left), strict=True))
    grid = luma[top : top + height * BLOCK, left : left + width * BLOCK]
    blocks = grid.reshape(height, BLOCK, width, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)
    blocks = blocks[:: max(1, len(blocks) // MAX_BLOCKS)]
    unclipped = (blocks.min(1) > 2) & (blocks.max(1) < 253)
    if unclipped.mean() > 0.25:
        blocks = blocks[unclipped]
    blocks = np.unique(blocks, axis=0)  # drawings repeat a few blocks
    return (blocks.astype(np.float32) @ dct_matrix().T).reshape(-1, BLOCK, BLOCK)


def _best_quality(coefficients: np.ndarray) -> tuple[float, int]:
    """Return the score of the most likely quality, and this quality."""
    best = (-np.inf, 0.0, 0)
    for quality in QUALITIES:
        ratios = [
            _log_ratios(coefficients[:, row, column], _steps(quality)[row, column]) for row, column in COEFFICIENTS
        ]
        joined = np.concatenate(ratios)
        if len(joined) >= MIN_COEFFICIENTS:
            best = max(best, (float(joined.sum()), float(joined.mean()), quality))
    return best[1], best[2]


def _log_ratios(values: np.ndarray, step: float) -> np.ndarray:
    """Return log p(value | multiples of the step) − log p(value | any value), of the values that are not zero."""
    if step < MIN_STEP:
        return np.empty(0, np.float32)
    values = values[np.abs(values) > step / 2]
    distances = values - step * np.round(values / step)
    density = np.exp(-np.square(distances / _SIGMA) / 2) / (_SIGMA * np.sqrt(2 * np.pi))
    return np.log((1 - _OUTLIERS) * density * step + _OUTLIERS)


@cache
def _steps(quality: int) -> np.ndarray:
    return quantisation_table(quality).astype(np.float32)


def _grid_offset(luma: np.ndarray) -> tuple[int, int]:
    """Return top and left of the grid of blocks: where the steps between neighbouring rows and columns are largest."""
    offsets = []
    for axis in (0, 1):
        steps = np.abs(np.diff(luma.astype(np.float32), axis=axis)).mean(1 - axis)
        excess = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
        phases = [excess[phase::BLOCK].mean() for phase in range(BLOCK)]
        offsets.append((int(np.argmax(phases)) + 2) % BLOCK)
    return offsets[0], offsets[1]
