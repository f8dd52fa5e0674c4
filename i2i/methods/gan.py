"""GAN: pictures made from noise (Goodfellow et al. 2014; Radford et al. 2016)."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from i2i.config import option
from i2i.diagnostics import View
from i2i.losses.adversarial import Adversarial, AdversarialConfig
from i2i.losses.compatible import check_critic
from i2i.losses.discriminator_input import Judge
from i2i.methods.base import Batch, Objective, Pictures, Turn
from i2i.networks import DCGANConfig, MLPConfig, SamplerConfig
from i2i.networks.latent import noise_of

SHOWN = 64  # pictures in a sample grid: those of the seeds 0 to 63, as `i2i sample` draws them


@dataclass(frozen=True, kw_only=True)
class GANConfig:
    networks: DCGANConfig | MLPConfig = option(
        DCGANConfig(), "architecture of generator and discriminator", flag="network"
    )
    adversarial: AdversarialConfig = option(AdversarialConfig(loss="non-saturating"), "the adversarial loss")

    def __post_init__(self) -> None:
        check_critic(self.adversarial, self.networks.discriminator)

    @property
    def generator(self) -> SamplerConfig:
        return self.networks.generator

    def build(self, size: int) -> "GAN":
        """The objective for pictures of ``size`` pixels a side. Raises ConfigError where a network cannot take it."""
        return GAN(self, size)


class GAN(Objective):
    """A generator of pictures from noise against a critic (Goodfellow et al. 2014, algorithm 1).

    z ~ N(0, 1), where some of the papers draw from a cube: all of its directions are alike.
    """

    fixed: Tensor  # (SHOWN, latent): the noise of the sample grids

    def __init__(self, config: GANConfig, size: int) -> None:
        super().__init__()
        self.config = config
        self.G = config.networks.generator.build(size)
        self.D = config.networks.discriminator.build(size)
        self.adversarial = Adversarial(config.adversarial)
        self.augment = self.adversarial.augmentation()
        self.register_buffer("fixed", noise_of(range(SHOWN), config.generator.latent), persistent=False)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G], "D": [self.D]}

    def translators(self) -> dict[str, nn.Module]:
        return {"sample": self.G}

    def generator_config(self) -> SamplerConfig:
        return self.config.generator

    def phase(self, step: int) -> Hashable:
        return self.adversarial.phase(step)

    def noise(self, like: Tensor) -> Tensor:
        """Fresh noise (N, latent) for as many pictures as ``like`` has."""
        return torch.randn(len(like), self.config.generator.latent, device=like.device, dtype=like.dtype)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        (real,) = batch
        judge = Judge(self.D, self.augment)
        with torch.no_grad():
            fake = self.G(self.noise(real))
        terms = self.adversarial.discriminator(judge, real, fake, step)
        yield "D", {f"D/{name}": term for name, term in terms.items()}
        self.adversarial.after_discriminator(self.D)

        if self.adversarial.generator_plays(step):
            terms = self.adversarial.generator(judge, self.G(self.noise(real)), real)
            yield "G", {f"G/{name}": term for name, term in terms.items()}

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        return {"samples": translators["sample"](self.fixed)}

    def views(self, batch: Batch, shown: Pictures, translators: Mapping[str, nn.Module]) -> list[View]:
        return [View(direction="samples", output=shown["samples"], target=batch[0])]
