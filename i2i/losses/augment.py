"""Augmentation of the discriminator's inputs, against overfitting to a small dataset.

The operations and their strengths are those of DiffAugment (Zhao et al. 2020). They are differentiable, their
parameters are sampled on the device of the images, and their results are not clipped to [-1, 1].
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.distributed import own_rows, sum_over_ranks
from i2i.losses.ada_pipeline import AffineParams, apply_affine, sample_affine
from i2i.networks.batching import MicroBatch, StepState

TRANSLATION_RATIO = 1 / 8  # largest translation, as a fraction of the side
CUTOUT_RATIO = 1 / 2  # side of the cutout, as a fraction of the side
ADA_INTERVAL = 4  # batches between two adjustments of ADA's probability (Karras et al. 2020, section 3)


class AugmentParams(NamedTuple):
    """The random parameters of each of N images."""

    brightness: Tensor  # (N, 1, 1, 1, 1), added
    saturation: Tensor  # (N, 1, 1, 1, 1), factor of the distance to the grey value of the pixel
    contrast: Tensor  # (N, 1, 1, 1, 1), factor of the distance to the mean of the image
    translation: Tensor  # (N, 2), pixels down and to the right
    cutout: Tensor  # (N, 2), row and column of the centre of the cutout; a centre far outside cuts nothing


def sample_params(images: Tensor, p: Tensor | None = None, groups: int = 1) -> AugmentParams:
    """Sample the parameters of every operation.

    Args:
        images: (N, C, H, W).
        p: (), probability of each operation, from 0 to 1; None applies every operation. A skipped operation has the
            parameters that leave the image unchanged.
        groups: batches that the images belong to, see ``i2i.distributed.own_rows``.
    """
    sides, device = images.shape[2:], images.device

    def rows(draw: Callable[[int], Tensor], axis: int = 0) -> Tensor:
        return own_rows(lambda count: draw(count).movedim(axis, 0), len(images), groups).movedim(0, axis)

    uniform = rows(lambda count: torch.rand(3, count, 1, 1, 1, 1, device=device, dtype=images.dtype), 1)
    translations, cutouts = [], []
    for side in sides:
        limit = _pixels_of(side, TRANSLATION_RATIO)
        end = side + 1 - _pixels_of(side, CUTOUT_RATIO) % 2
        translations.append(rows(partial(_integers, -limit, limit + 1, device)))
        cutouts.append(rows(partial(_integers, 0, end, device)))
    params = AugmentParams(
        brightness=uniform[0] - 0.5,
        saturation=2 * uniform[1],
        contrast=uniform[2] + 0.5,
        translation=torch.stack(translations, 1),
        cutout=torch.stack(cutouts, 1),
    )
    if p is None:
        return params
    skipped = rows(lambda count: torch.rand(len(params), count, device=device), 1) >= p
    identity = (0.0, 1.0, 1.0, 0, -2 * max(sides))
    return AugmentParams(*(
        values.masked_fill(mask.view(-1, *[1] * (values.dim() - 1)), neutral)
        for mask, values, neutral in zip(skipped, params, identity, strict=True)
    ))  # fmt: skip


def _integers(low: int, high: int, device: torch.device, count: int) -> Tensor:
    return torch.randint(low, high, (count,), device=device)


def apply_params(images: Tensor, params: AugmentParams | AffineParams | None, channels: Sequence[int] = (3,)) -> Tensor:
    """Apply brightness, saturation, contrast, translation and cutout, in this order; or the pipeline of ADA.

    Args:
        images: (N, C, H, W) in [-1, 1]: one image, or several concatenated, which get the same operations. Mean and
            grey value, the mean over the channels, are those of each of them.
        params: parameters of each of the N items; None returns ``images`` unchanged.
        channels: of each image in C. Images of equal channels are computed together, and one number suffices for them.

    Returns: (N, C, H, W), not clipped; translation and cutout fill with zeros.
    """
    if params is None:
        return images
    if isinstance(params, AffineParams):
        return apply_affine(images, params, channels)
    if len(set(channels)) == 1:
        x = _adjust_colours(images, params, channels[0])
    else:
        parts = images.split(list(channels), 1)
        x = torch.cat([_adjust_colours(part, params, part.shape[1]) for part in parts], 1)
    return _cutout(_translate(x, params.translation), params.cutout)


def _adjust_colours(images: Tensor, params: AugmentParams, channels: int) -> Tensor:
    """Apply brightness, saturation and contrast to images of equal channels, concatenated in (N, k·channels, H, W)."""
    x = images.unflatten(1, (-1, channels)) + params.brightness  # (N, k, channels, H, W)
    x = torch.lerp(x.mean(2, keepdim=True), x, params.saturation)
    x = torch.lerp(x.mean((2, 3, 4), keepdim=True), x, params.contrast)
    return x.flatten(1, 2)


def _pixels_of(side: int, ratio: float) -> int:
    return int(side * ratio + 0.5)


def _translate(x: Tensor, translation: Tensor) -> Tensor:
    height, width = x.shape[2:]
    pad_y, pad_x = _pixels_of(height, TRANSLATION_RATIO), _pixels_of(width, TRANSLATION_RATIO)
    padded = F.pad(x, (pad_x, pad_x, pad_y, pad_y))
    rows = torch.arange(height, device=x.device) + pad_y - translation[:, :1]  # (N, H)
    columns = torch.arange(width, device=x.device) + pad_x - translation[:, 1:]  # (N, W)
    indices = (rows[:, :, None] * padded.shape[3] + columns[:, None]).flatten(1)  # (N, HW)
    return padded.flatten(2).gather(2, indices[:, None].expand(-1, x.shape[1], -1)).unflatten(2, (height, width))


def _cutout(x: Tensor, centres: Tensor) -> Tensor:
    inside = []
    for side, centre in zip(x.shape[2:], centres.unbind(1), strict=True):
        length = _pixels_of(side, CUTOUT_RATIO)
        start = (centre - length // 2)[:, None]
        positions = torch.arange(side, device=x.device)
        inside.append((start <= positions) & (positions < start + length))  # (N, side)
    rows, columns = inside
    return x.masked_fill((rows[:, :, None] & columns[:, None])[:, None], 0.0)


class Augment(StepState):
    """Base class of the augmentations; this one leaves images unchanged."""

    def groups(self, images: Tensor) -> int:
        """Return how many batches ``images`` consist of, such as real ones and fakes."""
        return len(images) // self.micro_batch.size if self.micro_batch else 1

    def sample_params(self, images: Tensor) -> AugmentParams | AffineParams | None:
        """Sample the parameters for ``images`` (N, C, H, W); None means no augmentation."""
        return None

    def update_stats(self, real_logits: Sequence[Tensor]) -> None:
        """Update the statistics of D. Call it in each turn of D with the logits of real images at every scale."""


class DiffAugment(Augment):
    """Apply every operation to every image (Zhao et al. 2020)."""

    def sample_params(self, images: Tensor) -> AugmentParams:
        return sample_params(images, groups=self.groups(images))


class AdaptiveAugment(Augment):
    """Apply each operation of DiffAugment with a probability p that follows the overfitting of D (Karras et al. 2020).

    r = E[sign(D(x) − threshold)] over real images. Every ADA_INTERVAL batches p rises if r is above the target and
    falls if r is below it.

    Args:
        decision_threshold: the logit above which D classifies an image as real.
        target: target of r, from 0 to 1.
        num_images: number of real images in which p can rise from 0 to 1.
    """

    p: Tensor  # (), from 0 to 1
    sureness: Tensor  # (), sum of r over the batches since the last adjustment
    batches: Tensor  # (), number of batches since the last adjustment

    def __init__(self, decision_threshold: float, target: float, num_images: int) -> None:
        super().__init__()
        self.decision_threshold = decision_threshold
        self.target = target
        self.num_images = num_images
        for name in ("p", "sureness", "batches"):
            self.register_buffer(name, torch.zeros(()))

    def sample_params(self, images: Tensor) -> AugmentParams | AffineParams:
        return sample_params(images, self.p, self.groups(images))

    @torch.no_grad()
    def update_stats(self, real_logits: Sequence[Tensor]) -> None:
        count = len(real_logits[0])
        part = self.micro_batch or MicroBatch(0, count, count, is_last=True)
        total = part.total
        signs = [(logits - self.decision_threshold).sign().mean() for logits in real_logits]
        self.sureness += sum_over_ranks(torch.stack(signs).mean() * (count / total))
        if not part.is_last:
            return
        self.batches += 1
        due = self.batches >= ADA_INTERVAL
        step = total * ADA_INTERVAL / self.num_images
        adjusted = (self.p + step * (self.sureness / ADA_INTERVAL - self.target).sign()).clamp(0, 1)
        self.p.copy_(torch.where(due, adjusted, self.p))
        self.sureness.masked_fill_(due, 0.0)
        self.batches.masked_fill_(due, 0.0)


class AdaptivePipeline(AdaptiveAugment):
    """As ``AdaptiveAugment``, with the operations of the paper: flips and shifts, geometry, and colour ("bgc")."""

    def sample_params(self, images: Tensor) -> AffineParams:
        return sample_affine(images, self.p, self.groups(images))
