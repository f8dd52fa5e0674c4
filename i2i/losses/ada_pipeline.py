"""The augmentation pipeline "bgc" of ADA: flips and shifts, geometry, and colour (Karras et al. 2020, appendix B).

All operations are affine: those of the geometry are combined into one resampling, and those of the colour into one
matrix. The authors' code filters the image by wavelets before and after the resampling; here it is bilinear. Outside of
an image its reflection is seen.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.distributed import own_rows
from i2i.networks.precision import at_least_float32

SHIFT = 0.125  # largest shift by whole pixels, and σ of that by fractions, as parts of the side
SCALE_SIGMA = 0.2  # σ of the scales, in octaves
BRIGHTNESS_SIGMA = 0.2  # in the range of 2 of an image
CONTRAST_SIGMA = 0.5  # in octaves
SATURATION_SIGMA = 1.0  # in octaves


class AffineParams(NamedTuple):
    """The operations for each of N images."""

    warp: Tensor  # (N, 3, 3), from a position in the result to that in the image, in pixels from the centre, x before y
    colour: Tensor  # (N, 4, 4), from (red, green, blue, 1) to the new colour


def sample_affine(images: Tensor, p: Tensor, groups: int = 1) -> AffineParams:
    """Sample the operations, each with probability ``p``.

    Args:
        images: (N, C, H, W).
        p: (), from 0 to 1. Each of the two rotations is applied so often that together they have this probability.
        groups: batches that the images belong to, see ``i2i.distributed.own_rows``.
    """
    draw = _Draws(len(images), groups, images.device)
    height, width = images.shape[2:]
    p_rotation = 1 - (1 - p).clamp(min=0).sqrt()

    # The geometry: each operation changes the image before it, so its inverse is applied to positions after theirs.
    warp = _flip(draw.choice(2, p)) @ _rotate(-math.pi / 2 * draw.choice(4, p))
    whole = (draw.shifts(p) * torch.tensor([width, height], device=images.device)).round()
    warp = warp @ _shift(-whole[:, 0], -whole[:, 1])
    scale = draw.log_normal(SCALE_SIGMA, p)
    warp = warp @ _scale(1 / scale, 1 / scale)
    warp = warp @ _rotate(-draw.uniform(-math.pi, math.pi, 0.0, p_rotation))
    stretch = draw.log_normal(SCALE_SIGMA, p)
    warp = warp @ _scale(1 / stretch, stretch)
    warp = warp @ _rotate(-draw.uniform(-math.pi, math.pi, 0.0, p_rotation))
    fractions = draw.keep(p, SHIFT * draw.normal(2), torch.zeros(2, device=images.device))
    warp = warp @ _shift(-fractions[:, 0] * width, -fractions[:, 1] * height)

    # The colour: each operation multiplies the matrix of those before it.
    brightness = draw.keep(p, BRIGHTNESS_SIGMA * draw.normal(1), torch.zeros(1, device=images.device))[:, 0]
    colour = _brightness(brightness)
    contrast = draw.log_normal(CONTRAST_SIGMA, p)
    colour = torch.diag_embed(torch.stack([contrast, contrast, contrast, torch.ones_like(contrast)], 1)) @ colour
    axis = torch.tensor([1.0, 1.0, 1.0, 0.0], device=images.device) / 3**0.5  # of luma
    along = torch.outer(axis, axis)
    identity = torch.eye(4, device=images.device)
    colour = (identity - 2 * along * draw.choice(2, p)[:, None, None]) @ colour  # luma flip
    colour = _rotate_hue(draw.uniform(-math.pi, math.pi, 0.0, p)) @ colour
    saturation = draw.log_normal(SATURATION_SIGMA, p)[:, None, None]
    colour = (along + (identity - along) * saturation) @ colour
    return AffineParams(warp, colour)


def apply_affine(images: Tensor, params: AffineParams, channels: Sequence[int]) -> Tensor:
    """Apply the operations.

    Args:
        images: (N, C, H, W) in [-1, 1]: one image, or several concatenated, which get the same operations.
        params: of each of the N items.
        channels: of each image in C. Images of other than 3 channels get the mean brightness and contrast alone.

    Returns: (N, C, H, W) in the dtype of ``images``, not clipped.
    """
    size = images.new_tensor([images.shape[3], images.shape[2], 2.0], dtype=torch.float32) / 2
    matrix = params.warp * size / size[:, None]  # F.grid_sample has positions from -1 to 1
    x = at_least_float32(images)
    grid = F.affine_grid(matrix[:, :2].to(x.dtype), list(images.shape), align_corners=False)
    warped = _Warp.apply(x, grid)
    parts = warped.split(list(channels) if sum(channels) == images.shape[1] else channels[0], 1)
    return torch.cat([_apply_colour(part, params.colour.to(x.dtype)) for part in parts], 1).to(images.dtype)


def _apply_colour(images: Tensor, colour: Tensor) -> Tensor:
    if images.shape[1] != 3:
        mean = colour[:, :3].mean(1)  # (N, 4)
        return images * mean[:, :3].sum(1)[:, None, None, None] + mean[:, 3, None, None, None]
    mixed = torch.einsum("nij,njhw->nihw", colour[:, :3, :3], images)
    return mixed + colour[:, :3, 3, None, None]


class _Draws:
    """Draws random numbers for images, on their device: of the whole batch of all ranks, see ``own_rows``."""

    def __init__(self, count: int, groups: int, device: torch.device) -> None:
        self.count, self.groups, self.device = count, groups, device

    def _rows(self, draw: Callable[[int], Tensor]) -> Tensor:
        return own_rows(draw, self.count, self.groups)

    def keep(self, p: Tensor, values: Tensor, neutral: Any) -> Tensor:
        """Return the values of each image with probability ``p``, else the neutral one."""
        is_kept = self._rows(lambda count: torch.rand(count, device=self.device)) < p
        return torch.where(is_kept.view(-1, *[1] * (values.dim() - 1)), values, neutral)

    def uniform(self, low: float, high: float, neutral: float, p: Tensor) -> Tensor:
        values = self._rows(lambda count: torch.rand(count, device=self.device)) * (high - low) + low
        return self.keep(p, values, neutral)

    def shifts(self, p: Tensor) -> Tensor:
        """Return shifts to the right and down, (N, 2), in parts of the sides."""
        values = self._rows(lambda count: torch.rand(count, 2, device=self.device)) * 2 * SHIFT - SHIFT
        return self.keep(p, values, torch.zeros(2, device=self.device))

    def normal(self, numbers: int) -> Tensor:
        return self._rows(lambda count: torch.randn(count, numbers, device=self.device))

    def log_normal(self, sigma: float, p: Tensor) -> Tensor:
        return self.keep(p, (self.normal(1)[:, 0] * sigma).exp2(), 1.0)

    def choice(self, choices: int, p: Tensor) -> Tensor:
        """Return one of 0, 1, … ``choices`` − 1."""
        return self.keep(p, self._rows(lambda count: torch.rand(count, device=self.device)).mul(choices).floor(), 0.0)


def _matrix(rows: Sequence[Sequence[Tensor | float]], like: Tensor) -> Tensor:
    """Return matrices (N, k, k) of entries (N,) or numbers."""
    entries = [[torch.as_tensor(x, device=like.device).expand_as(like) for x in row] for row in rows]
    return torch.stack([torch.stack(row, 1) for row in entries], 1)


def _flip(flipped: Tensor) -> Tensor:
    return _matrix([[1 - 2 * flipped, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], flipped)


def _scale(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]], x)


def _shift(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]], x)


def _rotate(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return _matrix([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], angle)


def _brightness(added: Tensor) -> Tensor:
    return _matrix(
        [[1.0, 0.0, 0.0, added], [0.0, 1.0, 0.0, added], [0.0, 0.0, 1.0, added], [0.0, 0.0, 0.0, 1.0]], added
    )


def _rotate_hue(angle: Tensor) -> Tensor:
    """Return rotations about the axis of luma (Rodrigues' formula)."""
    v = 3**-0.5  # each of its components
    cross = _matrix([[0.0, -v, v, 0.0], [v, 0.0, -v, 0.0], [-v, v, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], angle)
    identity = torch.diag_embed(torch.ones(4, device=angle.device))
    return identity + angle.sin()[:, None, None] * cross + (1 - angle.cos())[:, None, None] * (cross @ cross)


class _Warp(torch.autograd.Function):
    """``F.grid_sample`` for a fixed grid, whose gradient has a gradient too, as R1 and wgan-gp need."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grid,) = ctx.saved_tensors
        return _WarpBackward.apply(grads[0], grid, ctx.shape), None


class _WarpBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grad: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = grad.new_zeros(shape)  # the gradient is linear: it does not depend on the images
        mask = [True, False]
        bilinear, reflection = 0, 2
        backward = torch.ops.aten.grid_sampler_2d_backward
        result, _ = backward(grad.contiguous(), images, grid, bilinear, reflection, False, mask)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grid,) = ctx.saved_tensors
        return _Warp.apply(grads[0], grid), None, None
