"""The patch discriminator of Pix2Pix and CycleGAN (Isola et al. 2017, appendix 6.1.2)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from i2i.config import check, option
from i2i.errors import ConfigError
from i2i.networks.layers import Init, Norm, finish, in_float32, needs_bias, norm

FIELDS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}  # receptive field in pixels: strided layers


@dataclass(frozen=True, kw_only=True)
class PatchGANConfig:
    network: Literal["patchgan"] = option("patchgan", "architecture")
    ndf: int = option(64, "channels of the discriminator's first layer")
    receptive_field: int = option(70, "pixels seen by one judgement: 1 (PixelGAN), 16, 34, 70, 142 or 286")
    norm: Norm = option("instance", "normalisation of the discriminator")
    init: Init = option("normal", "initialisation of the discriminator")
    spectral_norm: bool = option(False, "spectral norm on every convolution of the discriminator")

    def __post_init__(self) -> None:
        check(1 <= self.ndf <= 1024, "ndf", self.ndf, "from 1 to 1024")
        check(self.receptive_field in FIELDS, "receptive_field", self.receptive_field,
              f"one of {', '.join(map(str, FIELDS))}")  # fmt: skip

    def smallest_input(self) -> int:
        """Pixels a side below which no judgement remains."""
        layers = FIELDS[self.receptive_field]
        return 3 * 2**layers if layers else 1


class PatchGAN(nn.Module):
    """Convolutions that judge every patch of a picture. Takes (N, C, H, W), returns logits (N, 1, h, w).

    ``channels`` is 3, or 6 for a condition and its picture concatenated. No norm on the first layer.
    """

    def __init__(self, config: PatchGANConfig, channels: int = 3) -> None:
        super().__init__()
        n, layers, bias = config.ndf, FIELDS[config.receptive_field], needs_bias(config.norm)
        if layers == 0:
            body = [
                nn.Conv2d(channels, n, 1), nn.LeakyReLU(0.2, True),
                nn.Conv2d(n, 2 * n, 1, bias=bias), norm(config.norm, 2 * n), nn.LeakyReLU(0.2, True),
            ]  # fmt: skip
            self.body, self.to_logits = nn.Sequential(*body), nn.Conv2d(2 * n, 1, 1, bias=bias)
        else:
            widths = [n * min(8, 2**layer) for layer in range(layers + 1)]
            body = [nn.Conv2d(channels, n, 4, 2, 1), nn.LeakyReLU(0.2, True)]
            for layer, (before, width) in enumerate(pairwise(widths), start=1):
                stride = 2 if layer < layers else 1
                body += [nn.Conv2d(before, width, 4, stride, 1, bias=bias), norm(config.norm, width),
                         nn.LeakyReLU(0.2, True)]  # fmt: skip
            self.body, self.to_logits = nn.Sequential(*body), nn.Conv2d(widths[-1], 1, 4, 1, 1)
        finish(self, config.init, config.spectral_norm)

    def forward(self, picture: Tensor) -> Tensor:
        return in_float32(self.to_logits, self.body(picture))


def check_size(config: PatchGANConfig, size: int) -> None:
    """Raise ConfigError where pictures of ``size`` pixels a side leave the discriminator nothing to judge."""
    if size < config.smallest_input():
        smaller = [field for field in FIELDS if 3 * 2 ** FIELDS[field] <= size]
        raise ConfigError(
            f"A discriminator with receptive field {config.receptive_field} needs pictures of at least "
            f"{config.smallest_input()} px; size is {size}. Use a larger --size, or "
            f"--d-receptive-field {max(smaller, default=1)}."
        )
