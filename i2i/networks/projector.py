"""The projector of CUT: features of a generator's encoder at sampled locations as unit vectors (Park et al. 2020)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from i2i.distributed import own_rows
from i2i.networks.layers import Init, initialize, run_in_float32


class Projector(nn.Module):
    """H: a two-layer MLP for each selected layer of the encoder (Park et al. 2020, section 3.2).

    Args:
        in_channels: channels of each layer's feature map.
        dim: length of the projected vectors.
        init: initialisation of the MLPs.
    """

    def __init__(self, in_channels: Sequence[int], dim: int = 256, init: Init = "xavier") -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(channels, dim), nn.ReLU(True), nn.Linear(dim, dim)) for channels in in_channels
        )
        initialize(self, init)

    def forward(self, features: Sequence[Tensor], locations: Sequence[Tensor]) -> list[Tensor]:
        """Project each layer's features (N, C, h, w) at its locations (N, P) to unit vectors (N, P, dim) in float32."""
        vectors = (gather_at(x, at) for x, at in zip(features, locations, strict=True))
        return [_normalize(run_in_float32(head, x)) for head, x in zip(self.heads, vectors, strict=True)]


def _normalize(x: Tensor) -> Tensor:
    """Return x / (‖x‖ + 1e-7), as published: the constant matters for untrained heads, whose vectors are short."""
    return x / (torch.linalg.vector_norm(x, dim=-1, keepdim=True) + 1e-7)


def sample_locations(features: Tensor, count: int, groups: int = 1) -> Tensor:
    """Sample different locations of each feature map, on its device, without synchronising with the host.

    Args:
        features: (N, C, h, w).
        count: locations for each map; all of them where the map has fewer.
        groups: batches that the maps belong to, see ``i2i.distributed.own_rows``.

    Returns: (N, P), row · w + column of each location.
    """
    batch_size, _, height, width = features.shape
    scores = own_rows(lambda rows: torch.rand(rows, height * width, device=features.device), batch_size, groups)
    return scores.topk(min(count, height * width), dim=1).indices


def flip_locations(locations: Tensor, width: int) -> Tensor:
    """Return where locations of a feature map are after a horizontal flip.

    Args:
        locations: (N, P), row · width + column of each.
        width: columns of the feature map.

    Returns: (N, P).
    """
    return locations + (width - 1) - 2 * (locations % width)


def gather_at(features: Tensor, locations: Tensor) -> Tensor:
    """Return the vectors (N, P, C) of feature maps (N, C, h, w) at locations (N, P)."""
    rows = features.permute(0, 2, 3, 1).flatten(1, 2)  # (N, h·w, C), no copy of channels-last
    return rows.gather(1, locations[..., None].expand(-1, -1, features.shape[1]))
