"""Losses between the discriminator's features of real images and of fakes.

``real`` and ``fake`` hold the features of each layer, (N, C, …). No gradient flows into ``real``. Both losses are
computed in float32 and return a scalar.
"""

from collections.abc import Sequence

from torch import Tensor

from i2i.distributed import mean_over_ranks
from i2i.losses._reduce import sum_terms
from i2i.networks.precision import at_least_float32


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Σᵢ 1/Nᵢ ‖Dⁱ(s, x) − Dⁱ(s, G(s))‖₁ over the layers i of all scales (Wang et al. 2018, eqs. 4 and 5).

    For paired images, which are compared at each location. The authors' code divides by the number of scales; the
    paper does not.

    >>> feature_matching(real=[torch.zeros(1, 3, 8, 8)], fake=[torch.full((1, 3, 8, 8), 0.5)])
    tensor(0.5000)
    """
    return sum_terms(
        (at_least_float32(x.detach()) - at_least_float32(y)).abs().mean() for x, y in zip(real, fake, strict=True)
    )


def mean_feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Σᵢ ‖E[fᵢ(x)] − E[fᵢ(G(z))]‖₂² over the layers i (Salimans et al. 2016, section 3.1, where there is one layer).

    For unpaired images. The expectation is the mean over the batch, of all ranks, and the locations of a layer.

    >>> mean_feature_matching(real=[torch.zeros(1, 3, 8, 8)], fake=[torch.full((1, 3, 8, 8), 0.5)])
    tensor(0.7500)
    """
    return sum_terms(
        (_channel_means(x.detach()) - _channel_means(y)).square().sum() for x, y in zip(real, fake, strict=True)
    )


def _channel_means(x: Tensor) -> Tensor:
    values = at_least_float32(x)
    return mean_over_ranks(values.mean([axis for axis in range(x.dim()) if axis != 1]))
