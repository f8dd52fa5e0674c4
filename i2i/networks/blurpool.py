"""Half and twice the size without aliasing (Zhang 2019), by fixed filters that have no weights."""

from torch import Tensor, nn
from torch.nn import functional as F


class Halve(nn.Module):
    """Every second pixel of the picture blurred by [1, 2, 1] ⊗ [1, 2, 1] / 16, mirrored at its edges.

    Takes (N, C, H, W), H and W at least 2; returns half of each, rounded up.
    """

    def forward(self, x: Tensor) -> Tensor:
        # [1, 2, 1] / 4 is [1, 1] / 2 twice: faster as two means than as a convolution of each channel by itself.
        return F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 2, 1), 2)


class Double(nn.Upsample):
    """Twice the height and width by the filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 16, which is bilinear interpolation."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear")
