"""Health metrics: cheap measurements of what networks make of a few fixed images.

Images are tensors (N, C, H, W) in [-1, 1]; of images whose channels differ, their means are compared. Each function
returns a scalar tensor. It is NaN if the metric is undefined, such as the correlation of uniform images.
``compute_health_metrics`` leaves such metrics out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.diagnostics.spectrum import checkerboard

HealthMetrics = dict[str, float]

GREY_LEVELS = 127.5  # grey levels in 1
COARSE_SIZE = 16  # pixels; images are reduced to this height and width before they are compared with each other
MIN_CONTRAST = 0.01  # standard deviation of the luminance below which an image counts as uniform
MIN_DISTANCE = 0.02  # mean distance of coarse images below which they count as copies
NOISE_SIGMA = 2 / GREY_LEVELS  # σ of invisible noise


@dataclass(frozen=True, kw_only=True)
class SampleView:
    """Sample images of one direction of a training, and the networks that are tested with them."""

    direction: str  # such as "A to B"
    output: Tensor
    target: Tensor  # real images of the output's domain; if ``paired``, the target of each output
    input: Tensor | None = None  # None: the output was made from noise
    paired: bool = False
    inverse: Callable[[Tensor], Tensor] | None = None  # translator of the other direction, if it closes a cycle
    reconstruction: Tensor | None = None  # ``inverse(output)``, if it is known already
    # Returns logits of outputs and targets; must not change its state when it is called.
    discriminator: Callable[[Tensor], Tensor | Sequence[Tensor]] | None = None


@torch.no_grad()
def compute_health_metrics(view: SampleView) -> HealthMetrics:
    """Return all metrics that are defined for a view, rounded to four decimals.

    Paired outputs are compared with their targets. Unpaired outputs are compared with the inputs and the targets; the
    more favourable comparison counts.
    """
    output = view.output.float()
    real = view.target.float()
    original = None if view.input is None else view.input.float()
    references = [real] if view.paired or original is None else [real, original]
    grid, levels = checkerboard(output, real)
    metrics = {
        "blackness": black_fraction(output) - _highest(black_fraction, references),
        "saturation": saturated_fraction(output) - _highest(saturated_fraction, references),
        "excess": out_of_range(output),
        "checkerboard": grid,
        "checkerboard_levels": levels,
    }
    if original is None:
        count = min(len(output), len(real))  # the nearest of more images is nearer
        metrics["diversity"] = _ratio(nearest_distance(output[:count]), nearest_distance(real[:count]), MIN_DISTANCE)
    else:
        reference = torch.minimum(mean_distance(original), mean_distance(real))
        metrics["diversity"] = _ratio(mean_distance(output), reference, MIN_DISTANCE)
        metrics["change"] = _ratio(max_block_change(output, original), max_block_change(real, original), MIN_CONTRAST)
        metrics["luminance"] = luminance_correlation(output, real if view.paired else original)
    if original is not None and view.inverse is not None:
        metrics["hidden"], metrics["hidden_gain"] = hidden_information(
            view.inverse, output, original, view.reconstruction
        )
    if view.discriminator is not None:
        metrics["judgement"] = logit_spread(view.discriminator, output, real)
    values = torch.stack([value.detach().double().cpu() for value in metrics.values()]).tolist()
    return {name: round(value, 4) for name, value in zip(metrics, values, strict=True) if math.isfinite(value)}


def mean_distance(images: Tensor) -> Tensor:
    """Root mean square distance of coarse images from each other, mean over all pairs: 0 to 2."""
    distances = _distances(images)
    count = len(distances)
    return distances.sum() / (count * (count - 1)) if count > 1 else distances.new_tensor(torch.nan)


def nearest_distance(images: Tensor) -> Tensor:
    """Root mean square distance of each coarse image from the nearest other one, mean over the images: 0 to 2.

    It is already small if there are a few kinds of output, each several times.
    """
    distances = _distances(images)
    if len(distances) < 2:
        return distances.new_tensor(torch.nan)
    return (distances + torch.eye(len(distances), device=distances.device) * 4).amin(1).mean()


def max_block_change(output: Tensor, other: Tensor) -> Tensor:
    """Root mean square difference in the one of 8×8 blocks where it is largest, mean over the images: 0 to 2.

    A working translator changes some block strongly. One that only blurs changes none.
    """
    count = min(len(output), len(other))
    if output.shape[1] != other.shape[1]:
        output, other = output.mean(1, keepdim=True), other.mean(1, keepdim=True)
    squares = (output[:count] - other[:count]).square().mean(1, keepdim=True)
    return F.adaptive_avg_pool2d(squares, 8).flatten(1).amax(1).sqrt().mean()


def luminance_correlation(output: Tensor, other: Tensor) -> Tensor:
    """Correlation of the luminance over the pixels of an image, upper quartile over the images: -1 to 1.

    It is negative only if light and dark are swapped in three of four images. Uniform images do not count.
    """
    count = min(len(output), len(other))
    y = _luminance(output[:count]).flatten(1)
    x = _luminance(other[:count]).flatten(1)
    y = y - y.mean(1, keepdim=True)
    x = x - x.mean(1, keepdim=True)
    deviations = torch.stack([y.square().mean(1).sqrt(), x.square().mean(1).sqrt()])
    correlations = (y * x).mean(1) / deviations.prod(0).clamp(min=1e-9)
    return correlations.where(deviations.amin(0) > MIN_CONTRAST, torch.nan).nanquantile(0.75)


def saturated_fraction(images: Tensor) -> Tensor:
    """Fraction of the values within 1.3 grey levels of an end of the range: 0 to 1."""
    return (images.abs() > 0.98).float().mean()


def out_of_range(images: Tensor) -> Tensor:
    """Mean distance of the values from the range [-1, 1]."""
    return (images.abs() - 1).clamp(min=0).mean()


def black_fraction(images: Tensor) -> Tensor:
    """Fraction of the pixels with a luminance below 13 grey levels: 0 to 1."""
    return (_luminance(images) < -0.9).float().mean()


def hidden_information(
    inverse: Callable[[Tensor], Tensor], output: Tensor, original: Tensor, reconstruction: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Measure how much the cycle reconstruction depends on an invisible signal in the output (Chu et al. 2017).

    With c = E|F(y) − x| and c' = E|F(y + n) − x| for noise n of σ = 2 grey levels: c'/c, and (c' − c)/E|n|. The second
    is below 1 for an F that uses only what is visible. The first alone is also large if the cycle is perfect.

    Args:
        inverse: F, the network of the opposite direction.
        output: y = G(x), (N, C, H, W) in [-1, 1].
        original: x, (N, D, H, W) in [-1, 1].
        reconstruction: F(y) if it is known already.
    """
    noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).to(output.device) * NOISE_SIGMA
    clean = ((inverse(output) if reconstruction is None else reconstruction).float() - original).abs().mean()
    disturbed = (inverse((output + noise).clamp(-1, 1)).float() - original).abs().mean()
    return disturbed / clean.clamp(min=1e-6), (disturbed - clean) / noise.abs().mean()


def logit_spread(discriminator: Callable[[Tensor], Tensor | Sequence[Tensor]], output: Tensor, real: Tensor) -> Tensor:
    """Standard deviation of the logits over all patches of all images; the largest over the scales of D.

    The labels are 1 to 2 apart. If all logits are nearly equal, D gives no useful gradient.
    """
    fake_logits = _as_scales(discriminator(output))
    real_logits = _as_scales(discriminator(real))
    scales = zip(fake_logits, real_logits, strict=True)
    return torch.stack([torch.cat([logits.float().flatten() for logits in pair]).std() for pair in scales]).amax()


def _as_scales(logits: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [logits] if isinstance(logits, Tensor) else logits


def _luminance(images: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H, W), Rec. 601 for three channels, else their mean."""
    if images.shape[1] != 3:
        return images.mean(1)
    return (images * images.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)


def _distances(images: Tensor) -> Tensor:
    """(N, N): root mean square distances of the coarse images."""
    flat = F.adaptive_avg_pool2d(images, COARSE_SIZE).flatten(1)
    return (flat[:, None] - flat[None]).square().mean(2).sqrt()


def _highest(metric: Callable[[Tensor], Tensor], references: list[Tensor]) -> Tensor:
    return torch.stack([metric(images) for images in references]).amax()


def _ratio(value: Tensor, reference: Tensor, min_reference: float) -> Tensor:
    """``value / reference``; NaN if the reference is too small."""
    return (value / reference).where(reference > min_reference, torch.nan)
