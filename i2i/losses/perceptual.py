"""How different two pictures look, by the layers of a network that was trained to recognise things."""

from functools import reduce

import torch
from torch import Tensor, nn

from i2i.errors import ConfigError
from i2i.pretrained.alexnet import freeze
from i2i.pretrained.lpips import SMALLEST, lpips_network


class Perceptual(nn.Module):
    """LPIPS v0.1 with AlexNet (Zhang et al. 2018, eq. 1), frozen; its weights are in no state and move nobody.

    Takes pictures and the pictures they are to look like, (N, 3, H, W) in [-1, 1], H and W at least SMALLEST. Returns
    the mean distance, a scalar in float32; no gradient flows into the latter. Raises BundleError where the weights can
    be neither found nor downloaded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = lpips_network("use --weight-perceptual 0")
        freeze(self.network)

    def train(self, mode: bool = True) -> "Perceptual":
        """Stays in evaluation: the heads have dropout."""
        return super().train(False)

    def forward(self, pictures: Tensor, truth: Tensor) -> Tensor:
        with torch.autocast(pictures.device.type, enabled=False):
            with torch.no_grad():
                expected = self._features(truth)
            terms = [
                head((found - wanted).square()).mean()
                for head, found, wanted in zip(self.network.lins, self._features(pictures), expected, strict=True)
            ]
            return reduce(torch.add, terms)

    def _features(self, pictures: Tensor) -> list[Tensor]:
        """Each layer's activations, every place at unit length."""
        scaled = self.network.scaling_layer(pictures if pictures.dtype == torch.float64 else pictures.float())
        # 1e-20 where the library adds 1e-10 to the root: the same, but for a finite slope where all activations are 0.
        return [x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt() for x in self.network.net(scaled)]


def check_perceptual(weight: float, size: int) -> None:
    """Raise ConfigError where pictures of ``size`` pixels a side are too small for a perceptual loss of ``weight``."""
    if weight and size < SMALLEST:
        raise ConfigError(
            f"The perceptual loss needs pictures of at least {SMALLEST} px; size is {size}. Use a larger --size, or "
            "--weight-perceptual 0."
        )
