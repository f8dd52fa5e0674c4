"""How far a network sees: how much of the surroundings of a tile its result depends on."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

TOLERANCE = 0.1  # grey levels by which the result may change with more surroundings
_MARGINS = (16, 32, 48, 64, 96, 128, 160)  # pixels around the probed block


def measure_reach(network: Callable[[Tensor], Tensor], multiple: int, device: torch.device) -> int | None:
    """Measure the distance in pixels beyond which the surroundings change a result by at most TOLERANCE.

    The network runs on parts of one image with ever more surroundings, until the middle stays the same twice. This is
    what happens to a tile. A network with a finite receptive field has such a distance; one that sees the whole
    image, as by global attention, has none.

    Args:
        network: takes (1, 3, H, W) in [-1, 1], whose sides are multiples of ``multiple``; returns the same range.
        multiple: parts begin at multiples of it.
        device: of the network.

    Returns: a multiple of ``multiple``, or None if there is no such distance up to 96 pixels.
    """
    margins = sorted({-(-margin // multiple) * multiple for margin in _MARGINS})
    image = probe_image(multiple + 2 * margins[-1]).to(device)
    middles: list[Tensor] = []
    for index, margin in enumerate(margins):
        edge = margins[-1] - margin
        part = image[:, :, edge : edge + multiple + 2 * margin, edge : edge + multiple + 2 * margin]
        result = network(part).float()
        scale = result.shape[2] // part.shape[2]
        middle = slice(scale * margin, scale * (margin + multiple))
        middles.append(result[:, :, middle, middle])
        if index >= 2 and all(
            _levels_between(middles[index - 2], other) <= TOLERANCE for other in middles[index - 1 :]
        ):
            return margins[index - 2]
    return None


def _levels_between(a: Tensor, b: Tensor) -> float:
    """Return the largest difference of two images in [-1, 1], in grey levels."""
    return 127.5 * float((a - b).abs().max())


def probe_image(side: int) -> Tensor:
    """Return an image with structure of all sizes, (1, 3, side, side) within [-0.8, 0.8]; the same each time."""
    rng = torch.Generator().manual_seed(0)
    image = torch.zeros(1, 3, side, side)
    for cells in (4, 16, side // 4, side):
        noise = torch.rand(1, 3, cells, cells, generator=rng) * 2 - 1
        image += F.interpolate(noise, (side, side), mode="bilinear")
    return (image / 2.5).clamp(-0.8, 0.8)
