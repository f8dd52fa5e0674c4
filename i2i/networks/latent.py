"""Latent noise: the input of generators that start from noise."""

from collections.abc import Sequence

import torch
from torch import Tensor


def latents_from_seeds(seeds: Sequence[int], latent: int) -> Tensor:
    """Draw N(0, 1) noise, one row from each seed, on the CPU, so that it is the same on every device.

    Args:
        seeds: N seeds.
        latent: numbers in a row.

    Returns: (N, latent).
    """
    rows = [torch.randn(latent, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """Interpolate between two latent vectors along a great circle (White 2016).

    sin((1 − t)Ω)/sin Ω · start + sin(tΩ)/sin Ω · end, where Ω is the angle between them. In many dimensions nearly
    all noise lies near a sphere; linear interpolation leaves it.

    Args:
        start: (latent,), returned for t = 0.
        end: (latent,), returned for t = 1.
        t: position from 0 to 1.

    Returns: (latent,).
    """
    cosine = torch.dot(start, end) / (start.norm() * end.norm())
    angle = cosine.double().clamp(-1, 1).acos()
    if t in (0, 1) or angle.sin() < 1e-6:  # exact ends; parallel vectors define no great circle
        return torch.lerp(start, end, t)
    start_weight = torch.sin((1 - t) * angle) / angle.sin()
    end_weight = torch.sin(t * angle) / angle.sin()
    return start_weight.to(start.dtype) * start + end_weight.to(start.dtype) * end
