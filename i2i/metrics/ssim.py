"""How alike the structure of two pictures is, at several scales."""

import torch
from torch import Tensor
from torch.nn import functional as F

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first: Wang et al. 2003, section 3.2
WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # of a range from 0 to 2


def ms_ssim(pictures: Tensor, truth: Tensor) -> Tensor:
    """Multi-scale structural similarity (Wang et al. 2003, eq. 7), mean over pictures and channels: 1 where equal.

    pictures, truth: (N, C, H, W) in [-1, 1], H and W at least 11. Returns a scalar in float32. Of pictures too small
    for all five scales the finer ones count, with weights that sum to 1.
    """
    scales = min(len(WEIGHTS), int(torch.tensor(min(truth.shape[2:]) / WINDOW).log2()) + 1)
    weights = torch.tensor(WEIGHTS[:scales])
    x, y = pictures.float() + 1, truth.float() + 1  # from 0 to 2: luminance is not negative
    result = truth.new_ones((), dtype=torch.float32)
    with torch.autocast(truth.device.type, enabled=False):
        for scale, weight in enumerate((weights / weights.sum()).tolist()):
            light, structure = ssim_parts(x, y)
            part = light * structure if scale == scales - 1 else structure
            result = result * part.mean((2, 3)).clamp(min=1e-6) ** weight
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        return result.mean()


def ssim_parts(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure of SSIM (Wang et al. 2004, eqs. 6 and 13), at each place a window fits."""
    mean_x, mean_y = _windowed(x), _windowed(y)
    var_x, var_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    both = _windowed(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return light, (2 * both + C2) / (var_x + var_y + C2)


def _windowed(x: Tensor) -> Tensor:
    """The Gaussian mean around each place, channel by channel."""
    place = torch.arange(WINDOW, device=x.device, dtype=x.dtype) - WINDOW // 2
    line = torch.exp(-(place**2) / (2 * SIGMA**2))
    line = (line / line.sum()).expand(x.shape[1], 1, 1, WINDOW)
    return F.conv2d(F.conv2d(x, line, groups=x.shape[1]), line.transpose(2, 3), groups=x.shape[1])
