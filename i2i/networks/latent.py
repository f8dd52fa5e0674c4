"""The noise that pictures are made from."""

from collections.abc import Sequence

import torch
from torch import Tensor


def noise_of(seeds: Sequence[int], latent: int) -> Tensor:
    """N(0, 1) noise (N, latent), each row drawn from a seed of its own: on the CPU, so that it is the same anywhere."""
    rows = [torch.randn(latent, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)


def between(start: Tensor, end: Tensor, share: float) -> Tensor:
    """The noise at ``share`` of the way from ``start`` to ``end`` along a great circle (White 2016).

    sin((1 − t)Ω)/sin Ω · start + sin(tΩ)/sin Ω · end, where Ω is the angle between them. In many dimensions nearly
    all noise lies near a sphere, which a straight line leaves.
    """
    cosine = torch.dot(start, end) / (start.norm() * end.norm())
    angle = cosine.double().clamp(-1, 1).acos()
    if share in (0, 1) or angle.sin() < 1e-6:  # the ends exactly; and of one direction there is no circle
        return torch.lerp(start, end, share)
    first, second = (torch.sin(part * angle) / angle.sin() for part in (1 - share, share))
    return first.to(start.dtype) * start + second.to(start.dtype) * end
