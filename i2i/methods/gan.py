"""GAN: images generated from noise (Goodfellow et al. 2014; Radford et al. 2016)."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from i2i.config import Config, option
from i2i.diagnostics import SampleView
from i2i.directions import SAMPLE
from i2i.distributed import own_rows
from i2i.losses.adversarial import AdversarialConfig, AdversarialLoss, check_norm_for_penalty
from i2i.losses.discriminator_input import AugmentedDiscriminator
from i2i.methods.base import Batch, ImageDict, Method, Turn
from i2i.networks import DCGANConfig, MLPConfig, NoiseGeneratorConfig
from i2i.networks.latent import latents_from_seeds

NUM_SAMPLES = 64  # images in a sample grid: those of the seeds 0 to 63, as `i2i sample` draws them


@dataclass(frozen=True, kw_only=True)
class GANConfig(Config):
    networks: DCGANConfig | MLPConfig = option(
        DCGANConfig(), "architecture of generator and discriminator", flag="network"
    )
    adversarial: AdversarialConfig = option(AdversarialConfig(loss="non-saturating"), "the adversarial loss")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_norm_for_penalty(self.adversarial, self.networks.discriminator)

    @property
    def generator(self) -> NoiseGeneratorConfig:
        return self.networks.generator

    def build(self, size: int) -> "GAN":
        """Return the method for images of ``size`` pixels a side. Raises ConfigError if a network does not fit them."""
        return GAN(self, size)


class GAN(Method):
    """A generator of images from noise against a discriminator (Goodfellow et al. 2014, algorithm 1).

    z ~ N(0, 1), which has no preferred direction; some of the papers draw z from a cube.
    """

    sample_latents: Tensor  # (NUM_SAMPLES, latent), the latents of the sample grids

    def __init__(self, config: GANConfig, size: int) -> None:
        super().__init__()
        self.config = config
        self.G = config.networks.generator.build(size)
        self.D = config.networks.discriminator.build(size)
        self.adversarial = AdversarialLoss(config.adversarial)
        self.augment = self.adversarial.build_augment()
        latents = latents_from_seeds(range(NUM_SAMPLES), config.generator.latent)
        self.register_buffer("sample_latents", latents, persistent=False)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G], "D": [self.D]}

    def translators(self) -> dict[str, nn.Module]:
        return {SAMPLE: self.G}

    def generator_config(self) -> NoiseGeneratorConfig:
        return self.config.generator

    def batch_statistics(self) -> list[str]:
        return super().batch_statistics() + self.adversarial.batch_statistics()

    def graph_key(self, step: int) -> Hashable:
        return self.adversarial.graph_key(step)

    def draw_latents(self, like: Tensor) -> Tensor:
        """Draw latents (N, latent) for as many images as ``like`` has, on its device and in its dtype."""
        latent = self.config.generator.latent
        return own_rows(lambda count: torch.randn(count, latent, device=like.device, dtype=like.dtype), len(like))

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        (real,) = batch
        discriminator = AugmentedDiscriminator(self.D, self.augment)
        with torch.no_grad():
            fake = self.G(self.draw_latents(real))
        terms = self.adversarial.discriminator(discriminator, real, fake, step)
        yield "D", {f"D/{name}": term for name, term in terms.items()}
        self.adversarial.clip_discriminator(self.D)

        if self.adversarial.generator_due(step):
            fake = self.G(self.draw_latents(real))
            terms = self.adversarial.generator(discriminator, fake, real)
            yield "G", {f"G/{name}": term for name, term in terms.items()}

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        return {"samples": translators[SAMPLE](self.sample_latents)}

    def health_views(self, batch: Batch, images: ImageDict, translators: Mapping[str, nn.Module]) -> list[SampleView]:
        return [SampleView(direction="samples", output=images["samples"], target=batch[0])]
