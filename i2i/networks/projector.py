"""The projector of CUT: what a generator's encoder sees at some places, as points on a sphere (Park et al. 2020)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from i2i.networks.layers import Init, in_float32, initialize


class Projector(nn.Module):
    """H: a two-layer MLP for each of an encoder's layers (Park et al. 2020, section 3.2).

    widths: the channels of the layers; ``features``: those of the answers.
    """

    def __init__(self, widths: Sequence[int], features: int = 256, init: Init = "xavier") -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, features), nn.ReLU(True), nn.Linear(features, features)) for width in widths
        )
        initialize(self, init)

    def forward(self, maps: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """For each layer its map (N, C, h, w) at its places (N, P), as unit vectors (N, P, features) in float32."""
        taken = (take(x, where) for x, where in zip(maps, places, strict=True))
        return [_unit(in_float32(head, x)) for head, x in zip(self.heads, taken, strict=True)]


def _unit(x: Tensor) -> Tensor:
    """x / (‖x‖ + 1e-7), as published: of young heads, whose answers are short, the small number takes a part."""
    return x / (torch.linalg.vector_norm(x, dim=-1, keepdim=True) + 1e-7)


def draw_places(x: Tensor, count: int) -> Tensor:
    """``count`` different places of each picture of a map (N, C, h, w), all of them where there are fewer: (N, P).

    A place is row · w + column. Drawn on the map's device, for which the host does not wait.
    """
    pictures, _, height, width = x.shape
    lots = torch.rand(pictures, height * width, device=x.device)
    return lots.topk(min(count, height * width), dim=1).indices


def mirrored(places: Tensor, width: int) -> Tensor:
    """The places that ``places`` of a map ``width`` wide become when it is mirrored, left to right."""
    return places + (width - 1) - 2 * (places % width)


def take(x: Tensor, places: Tensor) -> Tensor:
    """A map (N, C, h, w) at places (N, P): (N, P, C)."""
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, h·w, C), no copy of channels-last
    return rows.gather(1, places[..., None].expand(-1, -1, x.shape[1]))
