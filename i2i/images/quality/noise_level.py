"""Blind estimation of the noise level of a photo.

The estimator is that of Ponomarenko et al. 2007, "An automatic approach to lossy compression of AVIRIS images", as
described by Colom and Buades 2013, "Analysis and extension of the Ponomarenko et al. method" (IPOL 3). Of all blocks
of 8×8 pixels, those with the weakest low frequencies have the least texture, and their high frequencies hold the noise.
At half the size it finds noise that is correlated between pixels, as in Lebrun, Colom and Morel 2015 ("Multiscale image
blind denoising"): demosaicing, noise reduction in a camera and JPEG leave little of it at full size.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BLOCK = 8  # pixels a side of a block
LOW_FREQUENCIES = 9  # DCT coefficients (i, j) with i + j below this, without the mean, measure the texture
SMOOTHEST_SHARE = 0.005  # of the blocks, in which the noise is measured
MIN_BLOCKS = 16  # blocks in which the noise is measured at least
UNCLIPPED_SHARE = 0.05  # of the blocks that must be free of black and white pixels, for these blocks alone to be used
MAX_BLOCKS = 40_000  # blocks that are compared; of a larger image, evenly spaced ones


@dataclass(frozen=True)
class NoiseEstimate:
    """The noise of one channel.

    Attributes:
        sigma: standard deviation in grey levels of 255, of noise that is independent between pixels.
        texture: variance of the low frequencies relative to that of the high ones, in the smoothest blocks: about 1 for
            independent noise on smooth areas. Where it is large, the image has no smooth area, and its noise is weaker
            than ``sigma``.
        equal_share: share of the pixels that equal their neighbour, in blocks without black and white if enough remain:
            up to 0.25 with noise from σ 2 on, above 0.4 in drawings and text.
    """

    sigma: float
    texture: float
    equal_share: float


def estimate_noise(channel: np.ndarray, share: float = SMOOTHEST_SHARE) -> NoiseEstimate:
    """Estimate the noise of a channel.

    Blocks with black or white pixels are left out if enough others remain, because clipping hides their noise.

    Args:
        channel: (H, W), in grey levels from 0 to 255, of any type.
        share: of the blocks, in which the noise is measured.

    Returns: no noise for an image of less than 16 pixels a side.
    """
    if min(channel.shape) < 2 * BLOCK:
        return NoiseEstimate(0.0, 1.0, 0.0)
    windows = sliding_window_view(channel, (BLOCK, BLOCK))
    step = max(1, int(np.ceil(np.sqrt(windows.shape[0] * windows.shape[1] / MAX_BLOCKS))))
    blocks = windows[::step, ::step].reshape(-1, BLOCK * BLOCK).astype(np.float32)
    low, high = blocks.min(1), blocks.max(1)
    unclipped = (low > 0) & (high < 255)
    suffice = unclipped.sum() >= MIN_BLOCKS and bool(unclipped.mean() >= UNCLIPPED_SHARE)
    if suffice:
        blocks = blocks[unclipped]
    equal_share = share_of_equal_neighbours(blocks)
    energies = np.square(blocks @ dct_matrix().T)
    is_low, is_high = _frequency_masks()
    textures = energies[:, is_low].mean(1)
    count = min(len(blocks) - 1, max(MIN_BLOCKS, int(share * len(blocks))))
    smoothest = np.argpartition(textures, count)[:count]
    variance = float(np.median(energies[smoothest][:, is_high].mean(0)))
    texture = float(np.median(textures[smoothest])) / max(variance, 1e-6)
    return NoiseEstimate(float(np.sqrt(variance)), texture, equal_share)


def share_of_equal_neighbours(blocks: np.ndarray) -> float:
    """Return the share of the pixels of flattened blocks, (N, BLOCK²), that equal the pixel to their right."""
    rows = blocks.reshape(-1, BLOCK, BLOCK)
    return float((rows[..., 1:] == rows[..., :-1]).mean())


def half_size(channel: np.ndarray) -> np.ndarray:
    """Return a channel (H, W) at half its size: the mean of each 2×2 pixels, float32."""
    height, width = (side // 2 * 2 for side in channel.shape)
    even = channel[:height, :width].astype(np.float32)
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


@cache
def dct_matrix() -> np.ndarray:
    """Return the orthonormal DCT-II of flattened blocks as a matrix, float32."""
    index = np.arange(BLOCK)
    dct = np.cos(np.pi * (2 * index[None] + 1) * index[:, None] / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    dct[0] /= np.sqrt(2)
    return np.kron(dct, dct).astype(np.float32)


@cache
def _frequency_masks() -> tuple[np.ndarray, np.ndarray]:
    """Return which coefficients of a flattened block are low frequencies, without the mean, and which are high ones."""
    index = np.add.outer(np.arange(BLOCK), np.arange(BLOCK)).ravel()
    return (index > 0) & (index < LOW_FREQUENCIES), index >= LOW_FREQUENCIES
