"""Distances between pictures, value by value."""

import torch
from torch import Tensor


def charbonnier(pictures: Tensor, truth: Tensor, eps: float = 1e-3) -> Tensor:
    """E √((x − y)² + ε²): the L1 distance, smooth at 0 (Lai et al. 2017, eq. 3). Returns a scalar in float32."""
    return ((pictures.float() - truth.float()).square() + eps**2).sqrt().mean()


@torch.no_grad()
def psnr(pictures: Tensor, truth: Tensor) -> float:
    """Mean peak signal-to-noise ratio of pictures (N, 3, H, W) in [-1, 1], in dB, over all three channels.

    What lies outside the range is clipped.
    """
    error = (pictures.float().clamp(-1, 1) - truth.float()).square().mean((1, 2, 3)).clamp(min=1e-10)
    return float((10 * torch.log10(4 / error)).mean())
