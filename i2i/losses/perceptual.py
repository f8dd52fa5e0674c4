"""Perceptual loss: the LPIPS distance between two images."""

import torch
from torch import Tensor, nn

from i2i.errors import ConfigError
from i2i.losses._reduce import sum_terms
from i2i.pretrained.alexnet import freeze
from i2i.pretrained.lpips import LPIPS_MIN_SIZE, load_lpips


class LPIPSLoss(nn.Module):
    """LPIPS v0.1 with AlexNet (Zhang et al. 2018, eq. 1), frozen. Its weights are in no state and in no optimizer.

    Raises:
        ModelFileError: if the weights can be neither found nor downloaded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = load_lpips("use --weight-perceptual 0")
        freeze(self.network)

    def train(self, mode: bool = True) -> "LPIPSLoss":
        """Stay in evaluation mode, because the heads have dropout."""
        return super().train(False)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of ``images`` to ``target``.

        Args:
            images: (N, 3, H, W) in [-1, 1], H and W at least LPIPS_MIN_SIZE.
            target: (N, 3, H, W) in [-1, 1]; no gradient flows into it.

        Returns: a scalar in float32.
        """
        with torch.autocast(images.device.type, enabled=False):
            with torch.no_grad():
                target_features = self._features(target)
            return sum_terms(
                head((x - y).square()).mean()
                for head, x, y in zip(self.network.lins, self._features(images), target_features, strict=True)
            )

    def _features(self, images: Tensor) -> list[Tensor]:
        """Return the features of each layer, scaled to unit length at each location."""
        scaled = self.network.scaling_layer(images if images.dtype == torch.float64 else images.float())
        # The library adds 1e-10 to the root. 1e-20 under the root gives the same value, and a finite derivative where
        # all features are 0.
        return [x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt() for x in self.network.net(scaled)]


def require_lpips_size(weight: float, size: int) -> None:
    """Check that images are large enough for a perceptual loss.

    Args:
        weight: λ of the perceptual loss; with 0 every size is allowed.
        size: pixels a side.

    Raises:
        ConfigError: if ``size`` is below LPIPS_MIN_SIZE.
    """
    if weight and size < LPIPS_MIN_SIZE:
        raise ConfigError(
            f"The perceptual loss needs images of at least {LPIPS_MIN_SIZE} px; size is {size}. Use a larger --size, "
            "or --weight-perceptual 0."
        )
