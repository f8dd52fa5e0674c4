"""Augmentation of all that a discriminator sees, so that it does not learn few pictures by heart.

The operations and their strengths are those of DiffAugment (Zhao et al. 2020). They are differentiable,
drawn on the pictures' device, and never clipped.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FARTHEST = 1 / 8  # of a side: how far a picture is moved
HOLE = 1 / 2  # of a side: what is cut out
EVERY = 4  # batches between two adjustments of ADA's probability (Karras et al. 2020, section 3)


class Draws(NamedTuple):
    """What chance decided for each of N pictures."""

    brightness: Tensor  # (N, 1, 1, 1, 1), added
    saturation: Tensor  # (N, 1, 1, 1, 1), factor of the distance from grey, pixel by pixel
    contrast: Tensor  # (N, 1, 1, 1, 1), factor of the distance from the mean of the picture
    shift: Tensor  # (N, 2), pixels down and to the right
    hole: Tensor  # (N, 2), row and column of the middle of what is cut out; out of the picture: nothing is


def draw(pictures: Tensor, p: Tensor | None = None) -> Draws:
    """Draws for ``pictures`` (N, 3k, H, W); each operation is done with probability ``p`` (), or always.

    Operations that are not done have the values that leave a picture as it is.
    """
    sides, device = pictures.shape[2:], pictures.device
    unit = torch.rand(3, len(pictures), 1, 1, 1, 1, device=device, dtype=pictures.dtype)
    shifts, holes = [], []
    for side in sides:
        far = _part(side, FARTHEST)
        shifts.append(torch.randint(-far, far + 1, (len(pictures),), device=device))
        holes.append(torch.randint(0, side + 1 - _part(side, HOLE) % 2, (len(pictures),), device=device))
    drawn = Draws(unit[0] - 0.5, 2 * unit[1], unit[2] + 0.5, torch.stack(shifts, 1), torch.stack(holes, 1))
    if p is None:
        return drawn
    skipped = torch.rand(len(drawn), len(pictures), device=device) >= p
    idle = (0.0, 1.0, 1.0, 0, -2 * max(sides))
    return Draws(*(
        values.masked_fill(mask.view(-1, *[1] * (values.dim() - 1)), neutral)
        for mask, values, neutral in zip(skipped, drawn, idle, strict=True)
    ))  # fmt: skip


def augmented(pictures: Tensor, draws: Draws | None) -> Tensor:
    """``pictures`` (N, 3k, H, W) in [-1, 1] as drawn: k of them side by side are changed alike, each by itself.

    Brightness, saturation, contrast, translation with zeros, cutout with zeros, in this order.
    """
    if draws is None:
        return pictures
    x = pictures.unflatten(1, (-1, 3)) + draws.brightness  # (N, k, 3, H, W)
    x = torch.lerp(x.mean(2, keepdim=True), x, draws.saturation)
    x = torch.lerp(x.mean((2, 3, 4), keepdim=True), x, draws.contrast)
    return _cut_out(_moved(x.flatten(1, 2), draws.shift), draws.hole)


def _part(side: int, share: float) -> int:
    return int(side * share + 0.5)


def _moved(x: Tensor, shift: Tensor) -> Tensor:
    height, width = x.shape[2:]
    down, right = _part(height, FARTHEST), _part(width, FARTHEST)
    wide = F.pad(x, (right, right, down, down))
    rows = torch.arange(height, device=x.device) + down - shift[:, :1]  # (N, H)
    columns = torch.arange(width, device=x.device) + right - shift[:, 1:]  # (N, W)
    places = (rows[:, :, None] * wide.shape[3] + columns[:, None]).flatten(1)  # (N, HW)
    return wide.flatten(2).gather(2, places[:, None].expand(-1, x.shape[1], -1)).unflatten(2, (height, width))


def _cut_out(x: Tensor, hole: Tensor) -> Tensor:
    inside = []
    for side, middle in zip(x.shape[2:], hole.unbind(1), strict=True):
        length = _part(side, HOLE)
        start = (middle - length // 2)[:, None]
        place = torch.arange(side, device=x.device)
        inside.append((start <= place) & (place < start + length))  # (N, side)
    rows, columns = inside
    return x.masked_fill((rows[:, :, None] & columns[:, None])[:, None], 0.0)


class Augment(nn.Module):
    """Leaves pictures as they are; the other ways of augmenting are kinds of this one."""

    def draw(self, pictures: Tensor) -> Draws | None:
        """What is to be done to ``pictures`` (N, 3k, H, W); None: nothing."""
        return None

    def observe(self, real: Sequence[Tensor]) -> None:
        """Told the discriminator's judgements of real pictures, at every scale, in each of its turns."""


class DiffAugment(Augment):
    """Every operation on every picture (Zhao et al. 2020)."""

    def draw(self, pictures: Tensor) -> Draws:
        return draw(pictures)


class AdaptiveAugment(Augment):
    """Each operation with probability p, which rises while D is too sure of real pictures (Karras et al. 2020).

    r = E[sign(D(x) − middle)] is compared with ``target`` every EVERY batches, and p moved towards it, so fast that
    ``pictures`` real pictures take it from 0 to 1. ``middle``: a judgement that is for neither real nor fake.
    """

    p: Tensor  # (), from 0 to 1
    sureness: Tensor  # (), the sum of r over the batches since the last adjustment
    batches: Tensor  # (), how many these are

    def __init__(self, middle: float, target: float, pictures: int) -> None:
        super().__init__()
        self.middle, self.target, self.pictures = middle, target, pictures
        for name in ("p", "sureness", "batches"):
            self.register_buffer(name, torch.zeros(()))

    def draw(self, pictures: Tensor) -> Draws:
        return draw(pictures, self.p)

    @torch.no_grad()
    def observe(self, real: Sequence[Tensor]) -> None:
        self.sureness += torch.stack([(scale - self.middle).sign().mean() for scale in real]).mean()
        self.batches += 1
        due = self.batches >= EVERY
        pace = len(real[0]) * EVERY / self.pictures
        moved = (self.p + pace * (self.sureness / EVERY - self.target).sign()).clamp(0, 1)
        self.p.copy_(torch.where(due, moved, self.p))
        self.sureness.masked_fill_(due, 0.0)
        self.batches.masked_fill_(due, 0.0)
