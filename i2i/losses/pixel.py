"""Distances between images, pixel by pixel."""

from torch import Tensor
from torch.nn import functional as F

from i2i.networks.precision import at_least_float32


def charbonnier(images: Tensor, target: Tensor, eps: float = 1e-3) -> Tensor:
    """E √((x − y)² + ε²): the L1 distance, smooth at 0 (Lai et al. 2017, eq. 3).

    Args:
        images: x, (N, C, H, W).
        target: y, of the same shape.
        eps: ε, in the units of the images.

    Returns: a scalar in float32 (float64 for float64 images).

    >>> import torch
    >>> charbonnier(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5))
    tensor(0.5000)
    """
    return ((at_least_float32(images) - at_least_float32(target)).square() + eps**2).sqrt().mean()


def robust_colour_distance(output: Tensor, source: Tensor, scale: float = 0.2, reduction: int = 4) -> Tensor:
    """E[d² / (d² + c²)] (Geman & McClure 1987), where d is the colour distance after average pooling.

    The distance is quadratic near 0 and at most 1. It therefore preserves the colours of regions that the translation
    hardly changes, and does not hold back large changes.

    Args:
        output: (N, C, H, W) in [-1, 1].
        source: (N, C, H, W) in [-1, 1]; no gradient flows into it.
        scale: c, in the units of the images; 0.2 corresponds to 25 grey levels.
        reduction: factor of the average pooling, which removes texture from the comparison.

    Returns: a scalar in float32 (float64 for float64 images).

    >>> import torch
    >>> robust_colour_distance(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.2))  # d = c
    tensor(0.5000)
    """
    pooled_output = F.avg_pool2d(at_least_float32(output), reduction)
    pooled_source = F.avg_pool2d(at_least_float32(source.detach()), reduction)
    squared = (pooled_output - pooled_source).square().mean(1)
    return (squared / (squared + scale**2)).mean()
