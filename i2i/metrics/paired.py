"""How close pictures are to their truth.

Every measure takes two batches of uint8 pictures (N, 3, H, W) and gives a number a picture: (N,), float64.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from i2i.device import pick_device
from i2i.images import to_float
from i2i.metrics.inception import full_precision
from i2i.pretrained import digest
from i2i.pretrained.lpips import SMALLEST, lpips_network

Values = NDArray[np.float64]
CEILING = 100.0  # dB, where pictures are equal and PSNR would be infinite
SSIM_SMALLEST = 11  # pixels a side that hold the window
MS_SSIM_SMALLEST = 176  # pixels a side that hold it after four halvings
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of MS-SSIM, from the finest scale


def levels(pictures: Tensor, truth: Tensor) -> Values:
    """Mean absolute difference in grey levels, of 255."""
    return _host((pictures.double() - truth.double()).abs().flatten(1).mean(1))


def psnr(pictures: Tensor, truth: Tensor) -> Values:
    """10 log₁₀(255² / MSE) in dB, with the MSE over all pixels and channels; at most CEILING."""
    mse = (pictures.double() - truth.double()).square().flatten(1).mean(1)
    return _host((10 * torch.log10(255**2 / mse)).clamp(max=CEILING))


def ssim(pictures: Tensor, truth: Tensor) -> Values:
    """Structural similarity (Wang et al. 2004, eq. 13), mean over the places where its window fits, and the channels.

    H and W are at least SSIM_SMALLEST. As scikit-image with Gaussian weights; torchmetrics pads, and is 3 % off.
    """
    similarity, _ = _similarity(pictures.double(), truth.double())
    return _host(similarity.mean(1))


def ms_ssim(pictures: Tensor, truth: Tensor) -> Values:
    """The same at five scales (Wang et al. 2003, eq. 7), negative contrasts taken as 0. H and W are at least
    MS_SSIM_SMALLEST."""
    x, y = pictures.double(), truth.double()
    product = torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
    for exponent in SCALES[:-1]:
        product = product * _similarity(x, y)[1].clamp(min=0) ** exponent
        x, y = functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2)
    return _host((product * _similarity(x, y)[0].clamp(min=0) ** SCALES[-1]).mean(1))


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM, and its term of contrast and structure, of float (N, C, H, W) in 0…255: (N, C) each."""
    offsets = torch.arange(SSIM_SMALLEST, dtype=x.dtype, device=x.device) - SSIM_SMALLEST // 2
    window = torch.exp(-offsets.square() / (2 * 1.5**2))
    window = (window / window.sum()).expand(x.shape[1], 1, 1, -1)

    def mean(z: Tensor) -> Tensor:
        rows = functional.conv2d(z, window, groups=x.shape[1])
        return functional.conv2d(rows, window.transpose(2, 3), groups=x.shape[1])

    mean_x, mean_y = mean(x), mean(y)
    covariance = mean(x * y) - mean_x * mean_y
    variances = mean(x * x) - mean_x.square() + mean(y * y) - mean_y.square()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    contrast = (2 * covariance + c2) / (variances + c2)
    similarity = contrast * (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return similarity.flatten(2).mean(2), contrast.flatten(2).mean(2)


class Lpips:
    """LPIPS v0.1 with AlexNet (Zhang et al. 2018), by its library. H and W are at least SMALLEST.

    Raises BundleError where its weights can be neither found nor downloaded.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = pick_device(device)
        self.network = lpips_network("leave LPIPS out").to(self.device).eval().requires_grad_(False)
        self.hash = digest(self.network.state_dict())

    @torch.no_grad()
    def __call__(self, pictures: Tensor, truth: Tensor) -> Values:
        with full_precision(self.device):
            found = self.network(to_float(pictures.to(self.device)), to_float(truth.to(self.device)))
        return _host(found).reshape(len(pictures))


def _host(values: Tensor) -> Values:
    return values.double().cpu().numpy()


__all__ = ["CEILING", "MS_SSIM_SMALLEST", "SMALLEST", "SSIM_SMALLEST", "Lpips", "levels", "ms_ssim", "psnr", "ssim"]
