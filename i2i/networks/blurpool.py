"""Anti-aliased down- and upsampling by fixed filters without weights (Zhang 2019)."""

from torch import Tensor, nn
from torch.nn import functional as F


class BlurPool2d(nn.Module):
    """Blur with [1, 2, 1] ⊗ [1, 2, 1] / 16, reflected at the edges, then keep every second pixel.

    Takes (N, C, H, W), H and W at least 2; returns half of each, rounded up.
    """

    def forward(self, x: Tensor) -> Tensor:
        # [1, 2, 1] / 4 is [1, 1] / 2 applied twice. Two average poolings are faster than a depthwise convolution.
        return F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 2, 1), 2)


class BilinearUpsample2x(nn.Upsample):
    """Double height and width with the filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 16, which is bilinear interpolation."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear")
