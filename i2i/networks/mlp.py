"""The fully connected generator and discriminator of the first GAN (Goodfellow et al. 2014, section 5)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from i2i.config import Config, option
from i2i.networks.batching import Dropout
from i2i.networks.checkpointing import CheckpointedSequential
from i2i.networks.layers import Init, forward_with_activations, init_and_constrain, run_in_float32


@dataclass(frozen=True, kw_only=True)
class MLPGeneratorConfig(Config):
    """Config of ``MLPGenerator``."""

    network: Literal["mlp"] = option("mlp", "architecture")
    latent: int = option(100, "dimension of the noise vector that an image is generated from", ge=1, le=4096)
    width: int = option(1200, "units of each of the generator's hidden layers", ge=1, le=16_384)
    depth: int = option(2, "hidden layers of the generator", ge=1, le=16)
    weight_init: Init = option("normal", "initialisation of the generator", was="init")
    inference_mode: ClassVar = "eval"

    def build(self, size: int) -> "MLPGenerator":
        """Build the generator of images of ``size`` pixels a side."""
        return MLPGenerator(self, size)


@dataclass(frozen=True, kw_only=True)
class MLPDiscriminatorConfig(Config):
    """Config of ``MLPDiscriminator``."""

    network: Literal["mlp"] = option("mlp", "architecture")
    width: int = option(240, "units of each of the discriminator's hidden layers", ge=1, le=16_384)
    depth: int = option(2, "hidden layers of the discriminator", ge=1, le=16)
    maxout_pieces: int = option(
        5, "linear pieces of each maxout unit; 1: LeakyReLU instead of maxout", was="pieces", ge=1, le=16
    )
    dropout: float = option(0.5, "dropout probability after each of the discriminator's hidden layers", ge=0, lt=1)
    weight_init: Init = option("normal", "initialisation of the discriminator", was="init")
    spectral_norm: bool = option(False, "spectral norm on every layer of the discriminator")
    norm: ClassVar[Literal["none"]] = "none"

    def build(self, size: int) -> "MLPDiscriminator":
        """Build the discriminator of images of ``size`` pixels a side."""
        return MLPDiscriminator(self, size)


@dataclass(frozen=True, kw_only=True)
class MLPConfig(Config):
    """The fully connected pair."""

    network: Literal["mlp"] = option("mlp", "architecture")
    generator: MLPGeneratorConfig = option(MLPGeneratorConfig(), "the generator")
    discriminator: MLPDiscriminatorConfig = option(MLPDiscriminatorConfig(), "the discriminator", prefix="d")


class MLPGenerator(nn.Module):
    """Linear layers with ReLU and a tanh at the end. The paper has a sigmoid, for images in [0, 1].

    Takes noise (N, latent), returns images (N, 3, size, size) in [-1, 1].
    """

    def __init__(self, config: MLPGeneratorConfig, size: int) -> None:
        super().__init__()
        self.size = size
        widths = [config.latent, *[config.width] * config.depth]
        layers: list[nn.Module] = []
        for in_features, out_features in pairwise(widths):
            layers += [nn.Linear(in_features, out_features), nn.ReLU(True)]
        self.body = CheckpointedSequential(*layers)
        self.to_rgb = nn.Sequential(nn.Linear(widths[-1], 3 * size * size), nn.Tanh())
        init_and_constrain(self, config.weight_init, spectral_norm=False)

    def forward(self, noise: Tensor) -> Tensor:
        return run_in_float32(self.to_rgb, self.body(noise)).unflatten(1, (3, self.size, self.size))


class MLPDiscriminator(nn.Module):
    """Maxout layers with dropout (Goodfellow et al. 2013) on the flattened image.

    Takes (N, 3, size, size), returns logits (N, 1).
    """

    def __init__(self, config: MLPDiscriminatorConfig, size: int) -> None:
        super().__init__()
        pieces = config.maxout_pieces
        widths = [3 * size * size, *[config.width] * config.depth]
        layers: list[nn.Module] = []
        for in_features, out_features in pairwise(widths):
            layers.append(nn.Linear(in_features, out_features * pieces))
            layers.append(nn.LeakyReLU(0.2, True) if pieces == 1 else Maxout(pieces))
            if config.dropout:
                layers.append(Dropout(config.dropout))
        self.body = nn.Sequential(*layers)
        self.to_logits = nn.Linear(widths[-1], 1)
        init_and_constrain(self, config.weight_init, config.spectral_norm)

    def forward(self, images: Tensor) -> Tensor:
        return run_in_float32(self.to_logits, self.body(images.flatten(1)))

    def with_features(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and the activations of every hidden layer, (N, width) each."""
        x, features = forward_with_activations(self.body, images.flatten(1), (nn.LeakyReLU, Maxout))
        return run_in_float32(self.to_logits, x), features


class Maxout(nn.Module):
    """Return the maximum of every ``pieces`` neighbouring units: (N, width · pieces) to (N, width)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).amax(2)
