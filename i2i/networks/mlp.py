"""The fully connected generator and discriminator of the first GAN (Goodfellow et al. 2014, section 5)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from i2i.config import option, require
from i2i.networks.layers import Init, finish, in_float32, with_activations


def _check_shape(width: int, depth: int) -> None:
    require(1 <= width <= 16_384, "width", width, "from 1 to 16384")
    require(1 <= depth <= 16, "depth", depth, "from 1 to 16")


@dataclass(frozen=True, kw_only=True)
class MLPGeneratorConfig:
    network: Literal["mlp"] = option("mlp", "architecture")
    latent: int = option(100, "numbers of noise that a picture is made from")
    width: int = option(1200, "units of each of the generator's hidden layers")
    depth: int = option(2, "hidden layers of the generator")
    init: Init = option("normal", "initialisation of the generator")
    inference: ClassVar = "eval"

    def __post_init__(self) -> None:
        require(1 <= self.latent <= 4096, "latent", self.latent, "from 1 to 4096")
        _check_shape(self.width, self.depth)

    def build(self, size: int) -> "MLPGenerator":
        """The generator of pictures of ``size`` pixels a side."""
        return MLPGenerator(self, size)


@dataclass(frozen=True, kw_only=True)
class MLPDiscriminatorConfig:
    network: Literal["mlp"] = option("mlp", "architecture")
    width: int = option(240, "units of each of the discriminator's hidden layers")
    depth: int = option(2, "hidden layers of the discriminator")
    pieces: int = option(5, "linear pieces of each maxout unit; 1: LeakyReLU in its place")
    dropout: float = option(0.5, "dropout probability after each of the discriminator's hidden layers")
    init: Init = option("normal", "initialisation of the discriminator")
    spectral_norm: bool = option(False, "spectral norm on every layer of the discriminator")
    norm: ClassVar[Literal["none"]] = "none"

    def __post_init__(self) -> None:
        _check_shape(self.width, self.depth)
        require(1 <= self.pieces <= 16, "pieces", self.pieces, "from 1 to 16")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")

    def build(self, size: int) -> "MLPDiscriminator":
        """The discriminator of pictures of ``size`` pixels a side."""
        return MLPDiscriminator(self, size)


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    network: Literal["mlp"] = option("mlp", "architecture")
    generator: MLPGeneratorConfig = option(MLPGeneratorConfig(), "the generator")
    discriminator: MLPDiscriminatorConfig = option(MLPDiscriminatorConfig(), "the discriminator", prefix="d")


class MLPGenerator(nn.Module):
    """Linear layers with ReLU; a tanh at the end, where the paper's sigmoid paints in [0, 1].

    Takes (N, latent), returns (N, 3, size, size) in [-1, 1].
    """

    def __init__(self, config: MLPGeneratorConfig, size: int) -> None:
        super().__init__()
        self.size = size
        widths = [config.latent, *[config.width] * config.depth]
        layers = [layer for shape in pairwise(widths) for layer in (nn.Linear(*shape), nn.ReLU(True))]
        self.body = nn.Sequential(*layers)
        self.to_rgb = nn.Sequential(nn.Linear(widths[-1], 3 * size * size), nn.Tanh())
        finish(self, config.init, spectral=False)

    def forward(self, noise: Tensor) -> Tensor:
        return in_float32(self.to_rgb, self.body(noise)).unflatten(1, (3, self.size, self.size))


class MLPDiscriminator(nn.Module):
    """Maxout layers with dropout (Goodfellow et al. 2013) on the flattened picture.

    Takes (N, 3, size, size), returns logits (N, 1).
    """

    def __init__(self, config: MLPDiscriminatorConfig, size: int) -> None:
        super().__init__()
        widths = [3 * size * size, *[config.width] * config.depth]
        layers: list[nn.Module] = []
        for before, width in pairwise(widths):
            layers += [nn.Linear(before, width * config.pieces)]
            layers += [nn.LeakyReLU(0.2, True) if config.pieces == 1 else Maxout(config.pieces)]
            layers += [nn.Dropout(config.dropout)] if config.dropout else []
        self.body = nn.Sequential(*layers)
        self.to_logits = nn.Linear(widths[-1], 1)
        finish(self, config.init, config.spectral_norm)

    def forward(self, picture: Tensor) -> Tensor:
        return in_float32(self.to_logits, self.body(picture.flatten(1)))

    def with_features(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and the activations of every hidden layer, (N, width) each."""
        x, features = with_activations(self.body, picture.flatten(1), (nn.LeakyReLU, Maxout))
        return in_float32(self.to_logits, x), features


class Maxout(nn.Module):
    """The largest of each ``pieces`` neighbouring units: (N, width · pieces) to (N, width)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).amax(2)
