"""Pix2Pix: translation learnt from paired images (Isola et al. 2017)."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from i2i.config import Config, option
from i2i.diagnostics import SampleView
from i2i.directions import Direction
from i2i.losses.adversarial import AdversarialConfig, AdversarialLoss, check_norm_for_penalty
from i2i.losses.discriminator_input import AugmentedDiscriminator
from i2i.losses.perceptual import (
    PERCEPTUAL_HELP,
    PerceptualNetwork,
    build_perceptual_loss,
    require_perceptual_size,
)
from i2i.methods.base import Batch, ImageDict, Method, Turn, mean_psnr
from i2i.methods.channels import check_discriminator
from i2i.networks import (
    CompactConfig,
    GeneratorConfig,
    IdentityConfig,
    PatchGANConfig,
    ProjectedConfig,
    ResnetConfig,
    RestorerConfig,
    UnetConfig,
    build_generator,
    check_input_size,
)
from i2i.networks.output_heads import image_at


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig(Config):
    generator: UnetConfig | ResnetConfig | RestorerConfig | CompactConfig | IdentityConfig = option(
        UnetConfig(), "architecture of the generator; with a --task the restorer"
    )
    discriminator: PatchGANConfig | ProjectedConfig = option(
        PatchGANConfig(norm="batch"), "the discriminator", prefix="d"
    )
    adversarial: AdversarialConfig = option(AdversarialConfig(loss="non-saturating"), "the adversarial loss")
    weight_l1: float = option(100.0, "λ of the L1 distance to the target", ge=0)
    weight_perceptual: float = option(0.0, "λ of the perceptual distance to the target; 0 disables it", ge=0)
    perceptual_network: PerceptualNetwork = option("alexnet", PERCEPTUAL_HELP)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_norm_for_penalty(self.adversarial, self.discriminator)

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "Pix2Pix":
        """Return the method for images of ``size`` pixels a side. Raises ConfigError if a network does not fit them.

        Args:
            size: pixels a side.
            in_channels: of the images to translate.
            out_channels: of the images to return.
        """
        return Pix2Pix(self, size, in_channels, out_channels)


class Pix2Pix(Method):
    """Conditional GAN with an L1 anchor (Isola et al. 2017, eq. 4). D gets condition and image concatenated."""

    discriminator_weight = 0.5

    def __init__(self, config: Pix2PixConfig, size: int, in_channels: int = 3, out_channels: int = 3) -> None:
        super().__init__()
        check_input_size(config.discriminator, size)
        require_perceptual_size(config.weight_perceptual, config.perceptual_network, size, out_channels)
        check_discriminator(config.discriminator, in_channels, out_channels)
        self.config = config
        self.in_channels = in_channels
        self.discriminator_outputs = config.discriminator.num_outputs()
        self.G = build_generator(config.generator, size, in_channels, out_channels)
        self.D = config.discriminator.build(in_channels + out_channels)
        self.adversarial = AdversarialLoss(config.adversarial)
        self.augment = self.adversarial.build_augment()
        self.perceptual = build_perceptual_loss(config.perceptual_network) if config.weight_perceptual else None

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G], "D": [self.D]}

    def translators(self) -> dict[str, nn.Module]:
        return {Direction.A_TO_B: self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def graph_key(self, step: int) -> Hashable:
        return self.adversarial.graph_key(step)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        generator_due = self.adversarial.generator_due(step)
        with torch.set_grad_enabled(generator_due):
            fake_b = self.run_generator(self.G, real_a)
        condition = image_at(real_a, real_b, self.in_channels)
        discriminator = AugmentedDiscriminator(self.D, self.augment, condition)

        terms = self.adversarial.discriminator(discriminator, real_b, fake_b, step)
        yield "D", {f"D/{name}": term / 2 for name, term in terms.items()}  # halved: section 3.3
        self.adversarial.clip_discriminator(self.D)

        if generator_due:
            terms = self.adversarial.generator(discriminator, fake_b, real_b)
            terms["l1"] = self.config.weight_l1 * F.l1_loss(fake_b, real_b)
            if self.perceptual is not None:
                terms["perceptual"] = self.config.weight_perceptual * self.perceptual(fake_b, real_b)
            yield "G", {f"G/{name}": term for name, term in terms.items()}

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        real_a, real_b = batch
        return {
            "input": image_at(real_a, real_b, self.in_channels),
            "translation": translators[Direction.A_TO_B](real_a).to(real_b.dtype),
            "target": real_b,
        }

    def health_views(self, batch: Batch, images: ImageDict, translators: Mapping[str, nn.Module]) -> list[SampleView]:
        return [
            SampleView(
                direction="translation", output=images["translation"], target=batch[1], input=images["input"],
                paired=True,
            )
        ]  # fmt: skip

    def metrics(self, batch: Batch, images: ImageDict) -> dict[str, float]:
        return mean_psnr(images, ("input", "translation"), batch[1])
