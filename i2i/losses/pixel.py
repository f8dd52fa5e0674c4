"""Distances between pictures, value by value."""

from torch import Tensor


def charbonnier(pictures: Tensor, truth: Tensor, eps: float = 1e-3) -> Tensor:
    """E √((x − y)² + ε²): the L1 distance, smooth at 0 (Lai et al. 2017, eq. 3). Returns a scalar in float32."""
    return ((pictures.float() - truth.float()).square() + eps**2).sqrt().mean()
