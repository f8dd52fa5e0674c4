"""Distances between pictures, value by value."""

from torch import Tensor
from torch.nn import functional as F


def charbonnier(pictures: Tensor, truth: Tensor, eps: float = 1e-3) -> Tensor:
    """E √((x − y)² + ε²): the L1 distance, smooth at 0 (Lai et al. 2017, eq. 3). Returns a scalar in float32."""
    return ((pictures.float() - truth.float()).square() + eps**2).sqrt().mean()


def robust_colour_distance(output: Tensor, source: Tensor, scale: float = 0.2, reduction: int = 4) -> Tensor:
    """E[d² / (d² + c²)] (Geman & McClure 1987), d the colour distance on copies reduced by average pooling.

    Near 0 it is quadratic, and a change far above c costs no more than one: it holds what a translation leaves nearly
    as it was, and lets go of what it changes in earnest.

    Args:
        output, source: (N, 3, H, W) in [-1, 1]; no gradient flows into ``source``.
        scale: c, in the units of the images; 0.2 are 25 grey levels.
        reduction: factor by which both are reduced, so that texture does not count.
    """
    difference = F.avg_pool2d(output.float(), reduction) - F.avg_pool2d(source.detach().float(), reduction)
    squared = difference.square().mean(1)
    return (squared / (squared + scale**2)).mean()
