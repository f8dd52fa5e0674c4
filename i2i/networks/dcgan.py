"""The convolutional generator and discriminator of DCGAN (Radford et al. 2016, section 3 and figure 1)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from i2i.config import Config, option
from i2i.errors import SettingError
from i2i.networks.batching import MinibatchStd
from i2i.networks.checkpointing import CheckpointedSequential
from i2i.networks.layers import (
    Init,
    Norm,
    conv,
    conv_transpose,
    forward_with_activations,
    init_and_constrain,
    norm,
    run_in_float32,
)

SIZES = (8, 16, 32, 64, 128, 256, 512)
MAX_WIDTH_FACTOR = 16  # of the channels at the image's end: at 128 px and above the innermost layers stop widening


@dataclass(frozen=True, kw_only=True)
class DCGANGeneratorConfig(Config):
    """Config of ``DCGANGenerator``."""

    network: Literal["dcgan"] = option("dcgan", "architecture")
    latent: int = option(100, "dimension of the noise vector that an image is generated from", ge=1, le=4096)
    ngf: int = option(
        64, "channels before the generator's last layer, doubled at every layer towards the noise", ge=1, le=1024
    )
    norm: Norm = option("batch", "normalisation of the generator")
    weight_init: Init = option("normal", "initialisation of the generator", was="init")
    inference_mode: ClassVar = "eval"

    def build(self, size: int) -> "DCGANGenerator":
        """Build the generator of images of ``size`` pixels a side. Raises ConfigError for an unsupported size."""
        return DCGANGenerator(self, size)


@dataclass(frozen=True, kw_only=True)
class DCGANDiscriminatorConfig(Config):
    """Config of ``DCGANDiscriminator``."""

    network: Literal["dcgan"] = option("dcgan", "architecture")
    ndf: int = option(64, "channels after the discriminator's first layer, doubled at every further one", ge=1, le=1024)
    norm: Norm = option("batch", "normalisation of the discriminator")
    weight_init: Init = option("normal", "initialisation of the discriminator", was="init")
    spectral_norm: bool = option(False, "spectral norm on every layer of the discriminator")
    minibatch_std: bool = option(False, "give the discriminator the standard deviation of its features over the batch")

    def build(self, size: int) -> "DCGANDiscriminator":
        """Build the discriminator of images of ``size`` pixels a side. Raises ConfigError for an unsupported size."""
        return DCGANDiscriminator(self, size)


@dataclass(frozen=True, kw_only=True)
class DCGANConfig(Config):
    """The convolutional pair."""

    network: Literal["dcgan"] = option("dcgan", "architecture")
    generator: DCGANGeneratorConfig = option(DCGANGeneratorConfig(), "the generator")
    discriminator: DCGANDiscriminatorConfig = option(DCGANDiscriminatorConfig(), "the discriminator", prefix="d")


class DCGANGenerator(nn.Module):
    """Project noise to a 4×4 map, then double its side by transposed convolutions.

    Takes noise (N, latent), returns images (N, 3, size, size) in [-1, 1]. The kernels are 4×4, as in the authors' Torch
    code; the paper's figure has 5×5, which is no multiple of the stride. A layer followed by a norm has a bias unless
    that is batch norm; the layer to RGB has none, as in the authors' code.
    """

    def __init__(self, config: DCGANGeneratorConfig, size: int) -> None:
        super().__init__()
        kind = config.norm
        channels = _channels(config.ngf, size)[::-1]
        layers: list[nn.Module] = [
            conv_transpose(kind, config.latent, channels[0], 4), norm(kind, channels[0]), nn.ReLU(True),
        ]  # fmt: skip
        for before, after in pairwise(channels):
            layers += [conv_transpose(kind, before, after, 4, 2, 1), norm(kind, after), nn.ReLU(True)]
        self.body = CheckpointedSequential(*layers)
        self.to_rgb = nn.Sequential(nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1, bias=False), nn.Tanh())
        init_and_constrain(self, config.weight_init, spectral_norm=False)

    def forward(self, noise: Tensor) -> Tensor:
        return run_in_float32(self.to_rgb, self.body(noise[:, :, None, None]))


class DCGANDiscriminator(nn.Module):
    """Halve the image's side by strided convolutions down to 4×4, then compute one logit.

    Takes (N, 3, size, size), returns logits (N, 1, 1, 1). The first layer has no norm.
    """

    def __init__(self, config: DCGANDiscriminatorConfig, size: int) -> None:
        super().__init__()
        kind = config.norm
        channels = _channels(config.ndf, size)
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        for before, after in pairwise(channels):
            layers += [conv(kind, before, after, 4, 2, 1), norm(kind, after), nn.LeakyReLU(0.2, True)]
        self.body = nn.Sequential(*layers)
        if config.minibatch_std:
            self.body.append(MinibatchStd())
        self.to_logits = nn.Conv2d(channels[-1] + int(config.minibatch_std), 1, 4, bias=False)
        init_and_constrain(self, config.weight_init, config.spectral_norm)

    def forward(self, images: Tensor) -> Tensor:
        return run_in_float32(self.to_logits, self.body(images))

    def with_features(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and the activations of every layer before them, (N, C, h, w) each."""
        x, features = forward_with_activations(self.body, images, (nn.LeakyReLU,))
        return run_in_float32(self.to_logits, x), features


def _channels(base: int, size: int) -> list[int]:
    """Return the channels from the image's end to the 4×4 map. Raises ConfigError for an unsupported size."""
    if size not in SIZES:
        raise SettingError(f"{{size}} is {size}; a dcgan generates images of {', '.join(map(str, SIZES))} px.", "size")
    return [base * min(MAX_WIDTH_FACTOR, 2**level) for level in range(SIZES.index(size) + 1)]
