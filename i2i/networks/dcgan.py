"""The convolutional generator and discriminator of DCGAN (Radford et al. 2016, section 3 and figure 1)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from i2i.config import option, require
from i2i.errors import ConfigError
from i2i.networks.batching import MinibatchStd
from i2i.networks.layers import Init, Norm, conv, conv_transpose, finish, in_float32, norm, with_activations

SIZES = (8, 16, 32, 64, 128, 256, 512)
WIDEST = 16  # times the channels at the picture's end: at 128 px and above the innermost layers stop widening


@dataclass(frozen=True, kw_only=True)
class DCGANGeneratorConfig:
    network: Literal["dcgan"] = option("dcgan", "architecture")
    latent: int = option(100, "numbers of noise that a picture is made from")
    ngf: int = option(64, "channels before the generator's last layer, doubled at every layer towards the noise")
    norm: Norm = option("batch", "normalisation of the generator")
    init: Init = option("normal", "initialisation of the generator")
    inference: ClassVar = "eval"

    def __post_init__(self) -> None:
        require(1 <= self.latent <= 4096, "latent", self.latent, "from 1 to 4096")
        require(1 <= self.ngf <= 1024, "ngf", self.ngf, "from 1 to 1024")

    def build(self, size: int) -> "DCGANGenerator":
        """The generator of pictures of ``size`` pixels a side. Raises ConfigError for a bad size."""
        return DCGANGenerator(self, size)


@dataclass(frozen=True, kw_only=True)
class DCGANDiscriminatorConfig:
    network: Literal["dcgan"] = option("dcgan", "architecture")
    ndf: int = option(64, "channels after the discriminator's first layer, doubled at every further one")
    norm: Norm = option("batch", "normalisation of the discriminator")
    init: Init = option("normal", "initialisation of the discriminator")
    spectral_norm: bool = option(False, "spectral norm on every layer of the discriminator")
    minibatch_std: bool = option(False, "show the discriminator how much the pictures of a batch differ")

    def __post_init__(self) -> None:
        require(1 <= self.ndf <= 1024, "ndf", self.ndf, "from 1 to 1024")

    def build(self, size: int) -> "DCGANDiscriminator":
        """The discriminator of pictures of ``size`` pixels a side. Raises ConfigError for a bad size."""
        return DCGANDiscriminator(self, size)


@dataclass(frozen=True, kw_only=True)
class DCGANConfig:
    network: Literal["dcgan"] = option("dcgan", "architecture")
    generator: DCGANGeneratorConfig = option(DCGANGeneratorConfig(), "the generator")
    discriminator: DCGANDiscriminatorConfig = option(DCGANDiscriminatorConfig(), "the discriminator", prefix="d")


class DCGANGenerator(nn.Module):
    """Noise to a 4×4 map, then transposed convolutions that each double its side. (N, latent) to (N, 3, size, size).

    The kernels are 4×4, as in the authors' Torch code, where the paper's figure has 5×5: a multiple of the stride.
    Between the ends a layer has a bias where it has no batch norm; the ends have none, as there.
    """

    def __init__(self, config: DCGANGeneratorConfig, size: int) -> None:
        super().__init__()
        kind, widths = config.norm, _widths(config.ngf, size)[::-1]
        layers: list[nn.Module] = [conv_transpose(kind, config.latent, widths[0], 4), norm(kind, widths[0]),
                                   nn.ReLU(True)]  # fmt: skip
        for before, width in pairwise(widths):
            layers += [conv_transpose(kind, before, width, 4, 2, 1), norm(kind, width), nn.ReLU(True)]
        self.body = nn.Sequential(*layers)
        self.to_rgb = nn.Sequential(nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh())
        finish(self, config.init, spectral=False)

    def forward(self, noise: Tensor) -> Tensor:
        return in_float32(self.to_rgb, self.body(noise[:, :, None, None]))


class DCGANDiscriminator(nn.Module):
    """The generator's mirror image: strided convolutions down to 4×4, and one judgement of it.

    Takes (N, 3, size, size), returns logits (N, 1, 1, 1). No norm on the first layer.
    """

    def __init__(self, config: DCGANDiscriminatorConfig, size: int) -> None:
        super().__init__()
        kind, widths = config.norm, _widths(config.ndf, size)
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        for before, width in pairwise(widths):
            layers += [conv(kind, before, width, 4, 2, 1), norm(kind, width), nn.LeakyReLU(0.2, True)]
        self.body = nn.Sequential(*layers)
        if config.minibatch_std:
            self.body.append(MinibatchStd())
        self.to_logits = nn.Conv2d(widths[-1] + config.minibatch_std, 1, 4, bias=False)
        finish(self, config.init, config.spectral_norm)

    def forward(self, picture: Tensor) -> Tensor:
        return in_float32(self.to_logits, self.body(picture))

    def with_features(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and the activations of every layer before them, (N, C, h, w) each."""
        x, features = with_activations(self.body, picture, (nn.LeakyReLU,))
        return in_float32(self.to_logits, x), features


def _widths(n: int, size: int) -> list[int]:
    """Channels from the picture's end to the 4×4 map. Raises ConfigError for a size that halving does not lead to 4."""
    if size not in SIZES:
        raise ConfigError(f"A dcgan paints pictures of {', '.join(map(str, SIZES))} px; size is {size}.")
    return [n * min(WIDEST, 2**level) for level in range(SIZES.index(size) + 1)]
