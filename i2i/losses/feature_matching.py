"""Losses between the activations that a discriminator has for real pictures and for fakes.

real, fake: the activations of each layer, (N, C, …); no gradient flows into ``real``. Both losses are in float32.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Σᵢ 1/Nᵢ ‖Dⁱ(s, x) − Dⁱ(s, G(s))‖₁ over the layers i of all scales (Wang et al. 2018, eqs. 4 and 5).

    For pairs: place by place. The authors' code divides by the number of scales, and the paper does not.
    """
    return _summed([(x.detach() - y).abs().mean() for x, y in zip(_wide(real), _wide(fake), strict=True)])


def mean_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Σᵢ ‖E[fᵢ(x)] − E[fᵢ(G(z))]‖₂² over the layers i (Salimans et al. 2016, section 3.1, where there is one layer).

    For pictures that do not correspond: the expectation is the mean over the batch and the places of a layer.
    """
    return _summed([
        (_channels(x.detach()) - _channels(y)).square().sum() for x, y in zip(_wide(real), _wide(fake), strict=True)
    ])  # fmt: skip


def _channels(x: Tensor) -> Tensor:
    return x.mean([axis for axis in range(x.dim()) if axis != 1])


def _wide(layers: Sequence[Tensor]) -> list[Tensor]:
    return [x if x.dtype == torch.float64 else x.float() for x in layers]


def _summed(terms: list[Tensor]) -> Tensor:
    return reduce(torch.add, terms)
