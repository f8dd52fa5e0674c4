"""Structural similarity (SSIM), and multi-scale SSIM as a differentiable loss."""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

SSIM_MIN_SIZE = 11  # pixels a side of the Gaussian window
MS_SSIM_MIN_SIZE = 176  # pixels a side that leave room for the window after four halvings
MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first: Wang et al. 2003, section 3.2
SIGMA = 1.5  # pixels, of the window


def ssim_map(x: Tensor, y: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """SSIM and its contrast-structure term at each location where the window fits (Wang et al. 2004, eqs. 6 and 13).

    Args:
        x: (N, C, H, W) in [0, data_range], H and W at least SSIM_MIN_SIZE.
        y: (N, C, H, W) in [0, data_range].
        data_range: difference of the largest and the smallest possible value.

    Returns: two maps (N, C, H − 10, W − 10): SSIM, and the contrast-structure term alone.
    """
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_x, mean_y = _gaussian_means(x), _gaussian_means(y)
    covariance = _gaussian_means(x * y) - mean_x * mean_y
    variances = _gaussian_means(x * x) - mean_x.square() + _gaussian_means(y * y) - mean_y.square()
    contrast = (2 * covariance + c2) / (variances + c2)
    similarity = contrast * (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return similarity, contrast


def ms_ssim(images: Tensor, target: Tensor) -> Tensor:
    """Multi-scale SSIM (Wang et al. 2003, eq. 7), differentiable; 1 for equal images.

    For images too small for all five scales it uses the finer ones, and scales their exponents so that they sum to 1.

    Args:
        images: (N, C, H, W) in [-1, 1], H and W at least SSIM_MIN_SIZE.
        target: (N, C, H, W) in [-1, 1].

    Returns: the mean over images and channels, a scalar in float32.
    """
    exponents = _normalized_exponents(int(math.log2(min(target.shape[2:]) / SSIM_MIN_SIZE)) + 1)
    x, y = images.float() + 1, target.float() + 1  # from 0 to 2: luminance is not negative
    result = target.new_ones((), dtype=torch.float32)
    with torch.autocast(target.device.type, enabled=False):
        for scale, exponent in enumerate(exponents):
            similarity, contrast = ssim_map(x, y, data_range=2)
            term = similarity if scale == len(exponents) - 1 else contrast
            result = result * term.mean((2, 3)).clamp(min=1e-6) ** exponent
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        return result.mean()


@cache
def _normalized_exponents(num_scales: int) -> list[float]:
    """Return the exponents of the finest ``num_scales`` scales, divided by their sum in float32."""
    exponents = torch.tensor(MS_SSIM_EXPONENTS[:num_scales])
    return (exponents / exponents.sum()).tolist()


def _gaussian_means(x: Tensor) -> Tensor:
    """Return the Gaussian-weighted mean around each location, for each channel; no padding."""
    channels = x.shape[1]
    offsets = torch.arange(SSIM_MIN_SIZE, dtype=x.dtype, device=x.device) - SSIM_MIN_SIZE // 2
    window = torch.exp(-offsets.square() / (2 * SIGMA**2))
    window = (window / window.sum()).expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(x, window, groups=channels), window.transpose(2, 3), groups=channels)
