"""The residual generator of CycleGAN (Zhu et al. 2017, appendix 7.2; Johnson et al. 2016)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from i2i.config import check, option
from i2i.errors import ConfigError
from i2i.networks.layers import Init, Norm, finish, in_float32, needs_bias, norm


@dataclass(frozen=True, kw_only=True)
class ResnetConfig:
    network: Literal["resnet"] = option("resnet", "architecture")
    ngf: int = option(64, "channels of the generator's first layer")
    blocks: int = option(9, "residual blocks; the paper uses 9 at 256 px and above, 6 at 128 px")
    upsampling: Literal["transposed", "resize"] = option(
        "transposed", "transposed convolution (the papers) or nearest-neighbour resize and convolution"
    )
    norm: Norm = option("instance", "normalisation of the generator")
    dropout: float = option(0.0, "dropout probability inside each residual block")
    inference: Literal["train", "eval"] = option(
        "eval", "in use: dropout and batch statistics as in training, or frozen"
    )
    init: Init = option("normal", "initialisation of the generator")
    spectral_norm: bool = option(False, "spectral norm on every convolution of the generator")

    def __post_init__(self) -> None:
        check(1 <= self.ngf <= 1024, "ngf", self.ngf, "from 1 to 1024")
        check(0 <= self.blocks <= 64, "blocks", self.blocks, "from 0 to 64")
        check(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")

    def multiple(self, size: int) -> int:
        """Pixels of which an input's height and width must be multiples."""
        return 4

    def build(self, size: int) -> "Resnet":
        """The generator, for pictures of ``size`` pixels a side in training. Raises ConfigError for a bad size."""
        if size % 4 or size < 8:
            raise ConfigError(f"A resnet generator needs a size that is a multiple of 4, from 8; found {size}.")
        return Resnet(self)


class Resnet(nn.Module):
    """c7s1-ngf, two strided convolutions, residual blocks, two upsamplings, c7s1-3, tanh.

    Takes (N, 3, H, W) in [-1, 1], H and W multiples of 4 and at least 8; returns the same shape and range.
    """

    def __init__(self, config: ResnetConfig) -> None:
        super().__init__()
        n, bias = config.ngf, needs_bias(config.norm)
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(3, n, 7, bias=bias), norm(config.norm, n), nn.ReLU(True),
            nn.Conv2d(n, 2 * n, 3, 2, 1, bias=bias), norm(config.norm, 2 * n), nn.ReLU(True),
            nn.Conv2d(2 * n, 4 * n, 3, 2, 1, bias=bias), norm(config.norm, 4 * n), nn.ReLU(True),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(ResidualBlock(4 * n, config) for _ in range(config.blocks)))
        self.decoder = nn.Sequential(
            *upsample(4 * n, 2 * n, config), norm(config.norm, 2 * n), nn.ReLU(True),
            *upsample(2 * n, n, config), norm(config.norm, n), nn.ReLU(True),
        )  # fmt: skip
        self.to_rgb = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(n, 3, 7), nn.Tanh())
        finish(self, config.init, config.spectral_norm)

    def forward(self, picture: Tensor) -> Tensor:
        return in_float32(self.to_rgb, self.decoder(self.blocks(self.encoder(picture))))


class ResidualBlock(nn.Module):
    """x + conv-norm-(ReLU-dropout-)conv-norm (x), reflection-padded; no ReLU after the sum."""

    def __init__(self, channels: int, config: ResnetConfig) -> None:
        super().__init__()
        bias = needs_bias(config.norm)
        dropout = [nn.Dropout(config.dropout)] if config.dropout else []
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), norm(config.norm, channels),
            nn.ReLU(True), *dropout,
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), norm(config.norm, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def upsample(channels: int, out: int, config: ResnetConfig) -> list[nn.Module]:
    """Twice the height and width. Resize-convolution avoids checkerboards (Odena et al. 2016)."""
    bias = needs_bias(config.norm)
    if config.upsampling == "transposed":
        return [nn.ConvTranspose2d(channels, out, 3, 2, 1, output_padding=1, bias=bias)]
    return [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(channels, out, 3, bias=bias)]
