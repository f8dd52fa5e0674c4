"""Metrics of images against their targets: mean absolute error, PSNR, SSIM, MS-SSIM, LPIPS.

Every metric takes two batches of uint8 images (N, 3, H, W) and returns one number for each image: (N,), float64.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from i2i.device import resolve_device
from i2i.images import to_float
from i2i.metrics.inception import full_precision
from i2i.metrics.ssim import MS_SSIM_EXPONENTS, MS_SSIM_MIN_SIZE, SSIM_MIN_SIZE, ssim_map
from i2i.pretrained import weights_digest
from i2i.pretrained.lpips import LPIPS_MIN_SIZE, load_lpips

__all__ = [
    "LPIPS_MIN_SIZE", "MS_SSIM_MIN_SIZE", "PSNR_CEILING", "SSIM_MIN_SIZE", "Lpips", "mean_abs_error", "ms_ssim", "psnr",
    "ssim",
]  # fmt: skip

Values = NDArray[np.float64]
PSNR_CEILING = 100.0  # dB, for equal images, whose PSNR is infinite


def mean_abs_error(images: Tensor, target: Tensor) -> Values:
    """Mean absolute difference in grey levels, from 0 to 255.

    >>> dark = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)
    >>> mean_abs_error(dark + 10, target=dark).round(3)
    array([10.])
    """
    return _to_numpy((images.double() - target.double()).abs().flatten(1).mean(1))


def psnr(images: Tensor, target: Tensor) -> Values:
    """10 log₁₀(255² / MSE) in dB, with the MSE over all pixels and channels; at most PSNR_CEILING.

    >>> dark = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)
    >>> psnr(dark + 10, target=dark).round(3)
    array([28.131])
    """
    mse = (images.double() - target.double()).square().flatten(1).mean(1)
    return _to_numpy((10 * torch.log10(255**2 / mse)).clamp(max=PSNR_CEILING))


def ssim(images: Tensor, target: Tensor) -> Values:
    """Structural similarity (Wang et al. 2004, eq. 13), mean over the channels and the locations of its window.

    H and W are at least SSIM_MIN_SIZE. The window stays inside the image, as in scikit-image with Gaussian weights;
    torchmetrics pads the border, and its values differ by 3 %.

    >>> dark = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
    >>> ssim(dark + 10, target=dark).round(3)
    array([0.995])
    """
    similarity, _ = ssim_map(images.double(), target.double(), data_range=255)
    return _to_numpy(_spatial_mean(similarity).mean(1))


def ms_ssim(images: Tensor, target: Tensor) -> Values:
    """SSIM at five scales (Wang et al. 2003, eq. 7), with negative contrast terms set to 0.

    H and W are at least MS_SSIM_MIN_SIZE.

    >>> dark = torch.full((1, 3, 176, 176), 100, dtype=torch.uint8)
    >>> ms_ssim(dark + 10, target=dark).round(3)
    array([0.999])
    """
    x, y = images.double(), target.double()
    product = torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
    for exponent in MS_SSIM_EXPONENTS[:-1]:
        _, contrast = ssim_map(x, y, data_range=255)
        product = product * _spatial_mean(contrast).clamp(min=0) ** exponent
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    similarity, _ = ssim_map(x, y, data_range=255)
    return _to_numpy((product * _spatial_mean(similarity).clamp(min=0) ** MS_SSIM_EXPONENTS[-1]).mean(1))


class Lpips:
    """LPIPS v0.1 with AlexNet (Zhang et al. 2018), computed by its library. H and W are at least LPIPS_MIN_SIZE.

    Raises:
        ModelFileError: if its weights can be neither found nor downloaded.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self.network = load_lpips("leave LPIPS out").to(self.device).eval().requires_grad_(False)
        self.hash = weights_digest(self.network.state_dict())

    @torch.no_grad()
    def __call__(self, images: Tensor, target: Tensor) -> Values:
        with full_precision(self.device):
            distances = self.network(to_float(images.to(self.device)), to_float(target.to(self.device)))
        return _to_numpy(distances).reshape(len(images))


def _spatial_mean(maps: Tensor) -> Tensor:
    """Return the mean of maps (N, C, h, w) over their locations: (N, C)."""
    return maps.flatten(2).mean(2)


def _to_numpy(values: Tensor) -> Values:
    return values.double().cpu().numpy()
