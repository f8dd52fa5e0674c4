"""Cheap measurements of what networks make of a few fixed pictures.

Every picture here is a tensor (N, 3, H, W) in [-1, 1]. Each function gives a scalar tensor; what cannot be told, such
as how two flat pictures correlate, is NaN. ``examine`` leaves it out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.diagnostics.spectrum import checkerboard

Signs = dict[str, float]

LEVELS = 127.5  # grey levels in 1
COARSE = 16  # pixels a side to which pictures are brought before they are compared with each other
FLAT = 0.01  # standard deviation of the luminance below which a picture has no light and dark
ALIKE = 0.02  # mean distance of coarse pictures below which they are copies of one
NOISE = 2 / LEVELS  # σ of the noise that no eye sees


@dataclass(frozen=True, kw_only=True)
class View:
    """What one direction of a training has to show for itself."""

    direction: str  # such as "A to B"
    output: Tensor
    target: Tensor  # real pictures of the kind that the output is to be; where ``paired``, the truth of each
    input: Tensor | None = None  # None: the output was made from noise
    paired: bool = False
    back: Callable[[Tensor], Tensor] | None = None  # the translator of the other direction, where it closes a cycle
    cycle: Tensor | None = None  # ``back(output)``, where it is known already
    critic: Callable[[Tensor], Tensor | Sequence[Tensor]] | None = (
        None  # judges outputs and targets; changes by no look
    )


@torch.no_grad()
def examine(view: View) -> Signs:
    """All that can be told of a view, as plain numbers; each is explained at the function that measures it.

    Unpaired outputs are held against whichever of input and target is the milder judge, paired ones against the truth.
    """
    y, real, x = view.output.float(), view.target.float(), None if view.input is None else view.input.float()
    judges = [real] if view.paired or x is None else [real, x]
    grid, levels = checkerboard(y, real)
    told = {
        "blackness": blackness(y) - _highest(blackness, judges),
        "saturation": saturation(y) - _highest(saturation, judges),
        "excess": excess(y),
        "checkerboard": grid,
        "checkerboard_levels": levels,
    }
    if x is None:
        count = min(len(y), len(real))  # among more pictures the nearest is nearer
        told["diversity"] = _share(separation(y[:count]), separation(real[:count]), ALIKE)
    else:
        told["diversity"] = _share(diversity(y), torch.minimum(diversity(x), diversity(real)), ALIKE)
        told["change"] = _share(change(y, x), change(real, x), FLAT)
        told["luminance"] = luminance(y, real if view.paired else x)
    if x is not None and view.back is not None:
        told["hidden"], told["hidden_gain"] = hidden(view.back, y, x, view.cycle)
    if view.critic is not None:
        told["judgement"] = judgement(view.critic, y, real)
    numbers = torch.stack([value.detach().double().cpu() for value in told.values()]).tolist()
    return {name: round(number, 4) for name, number in zip(told, numbers, strict=True) if math.isfinite(number)}


def diversity(pictures: Tensor) -> Tensor:
    """Root mean square distance of the coarse pictures from each other, mean over all pairs: 0 to 2."""
    apart = _distances(pictures)
    return apart.sum() / (len(apart) * (len(apart) - 1)) if len(apart) > 1 else apart.new_tensor(torch.nan)


def separation(pictures: Tensor) -> Tensor:
    """Root mean square distance of each coarse picture from the nearest other, mean over the pictures: 0 to 2.

    Small already where there are a few kinds of output, each several times.
    """
    apart = _distances(pictures)
    if len(apart) < 2:
        return apart.new_tensor(torch.nan)
    return (apart + torch.eye(len(apart), device=apart.device) * 4).amin(1).mean()


def change(output: Tensor, other: Tensor) -> Tensor:
    """Root mean square difference in that one of 8×8 blocks where it is largest, mean over the pictures: 0 to 2.

    A translator that works changes some place a lot; one that only blurs changes none.
    """
    count = min(len(output), len(other))
    squares = (output[:count] - other[:count]).square().mean(1, keepdim=True)
    return F.adaptive_avg_pool2d(squares, 8).flatten(1).amax(1).sqrt().mean()


def luminance(output: Tensor, other: Tensor) -> Tensor:
    """Correlation of the pictures' luminance over their pixels, that of the picture at the upper quartile: -1 to 1.

    Negative only where light and dark are swapped in three pictures of four. Flat pictures do not count.
    """
    count = min(len(output), len(other))
    y, x = (_luminance(pictures[:count]).flatten(1) for pictures in (output, other))
    y, x = y - y.mean(1, keepdim=True), x - x.mean(1, keepdim=True)
    spread = torch.stack([y.square().mean(1).sqrt(), x.square().mean(1).sqrt()])
    correlations = (y * x).mean(1) / spread.prod(0).clamp(min=1e-9)
    return correlations.where(spread.amin(0) > FLAT, torch.nan).nanquantile(0.75)


def saturation(pictures: Tensor) -> Tensor:
    """Share of the values within 1.3 grey levels of an end of the range: 0 to 1."""
    return (pictures.abs() > 0.98).float().mean()


def excess(pictures: Tensor) -> Tensor:
    """How far the values lie outside the range, on average, in halves of it."""
    return (pictures.abs() - 1).clamp(min=0).mean()


def blackness(pictures: Tensor) -> Tensor:
    """Share of the pixels with a luminance of less than 13 grey levels: 0 to 1."""
    return (_luminance(pictures) < -0.9).float().mean()


def hidden(
    back: Callable[[Tensor], Tensor], output: Tensor, original: Tensor, cycle: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """How far the way back lives on what no eye sees in the output (Chu et al. 2017).

    With c = E|F(y) − x| and c' = E|F(y + n) − x| for noise n of σ = 2 grey levels: c'/c, and (c' − c)/E|n|. A way back
    that reads what the picture shows has a second number below 1; the first alone is large where the cycle is perfect.
    """
    noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).to(output.device) * NOISE
    clean = ((back(output) if cycle is None else cycle).float() - original).abs().mean()
    disturbed = (back((output + noise).clamp(-1, 1)).float() - original).abs().mean()
    return disturbed / clean.clamp(min=1e-6), (disturbed - clean) / noise.abs().mean()


def judgement(critic: Callable[[Tensor], Tensor | Sequence[Tensor]], output: Tensor, real: Tensor) -> Tensor:
    """Standard deviation of the critic's logits over all patches of all these pictures; of several scales the largest.

    Its labels lie 1 to 2 apart: where all logits are nearly one number, it has no opinion to learn from.
    """
    judged = [critic(pictures) for pictures in (output, real)]
    scales = zip(*([each] if isinstance(each, Tensor) else each for each in judged), strict=True)
    return torch.stack([torch.cat([logits.float().flatten() for logits in scale]).std() for scale in scales]).amax()


def _luminance(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) to (N, H, W), Rec. 601."""
    return (pictures * pictures.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)


def _distances(pictures: Tensor) -> Tensor:
    """(N, N): root mean square distances of the coarse pictures."""
    flat = F.adaptive_avg_pool2d(pictures, COARSE).flatten(1)
    return (flat[:, None] - flat[None]).square().mean(2).sqrt()


def _highest(measure: Callable[[Tensor], Tensor], judges: list[Tensor]) -> Tensor:
    return torch.stack([measure(pictures) for pictures in judges]).amax()


def _share(value: Tensor, of: Tensor, least: float) -> Tensor:
    """``value / of``; NaN where there is too little to be a share of."""
    return (value / of).where(of > least, torch.nan)
