"""Pix2Pix: translation learnt from pairs (Isola et al. 2017)."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.diagnostics import View
from i2i.images import to_uint8
from i2i.losses.adversarial import Adversarial, AdversarialConfig
from i2i.losses.compatible import check_critic
from i2i.losses.discriminator_input import Judge
from i2i.losses.perceptual import Perceptual, check_perceptual
from i2i.methods.base import Batch, Objective, Pictures, Turn
from i2i.metrics.paired import psnr
from i2i.networks import (
    GeneratorConfig,
    IdentityConfig,
    PatchGANConfig,
    ProjectedConfig,
    ResnetConfig,
    RestorerConfig,
    UnetConfig,
    check_size,
)
from i2i.networks.output_heads import as_seen


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig:
    generator: UnetConfig | ResnetConfig | RestorerConfig | IdentityConfig = option(
        UnetConfig(), "architecture of the generator; with a --task the restorer"
    )
    discriminator: PatchGANConfig | ProjectedConfig = option(
        PatchGANConfig(norm="batch"), "the discriminator", prefix="d"
    )
    adversarial: AdversarialConfig = option(AdversarialConfig(loss="non-saturating"), "the adversarial loss")
    weight_l1: float = option(100.0, "λ of the L1 distance to the true picture")
    weight_perceptual: float = option(0.0, "λ of the perceptual distance (LPIPS) to the true picture; 0: none")

    def __post_init__(self) -> None:
        require(self.weight_l1 >= 0, "weight_l1", self.weight_l1, "0 or above")
        require(self.weight_perceptual >= 0, "weight_perceptual", self.weight_perceptual, "0 or above")
        check_critic(self.adversarial, self.discriminator)

    def build(self, size: int) -> "Pix2Pix":
        """The objective for pictures of ``size`` pixels a side. Raises ConfigError where a network cannot take it."""
        return Pix2Pix(self, size)


class Pix2Pix(Objective):
    """Conditional GAN with an L1 anchor (Isola et al. 2017, eq. 4). D sees condition and picture together."""

    critic_weight = 0.5

    def __init__(self, config: Pix2PixConfig, size: int) -> None:
        super().__init__()
        check_size(config.discriminator, size)
        check_perceptual(config.weight_perceptual, size)
        self.config = config
        self.G = config.generator.build(size)
        self.D = config.discriminator.build(channels=6)
        self.adversarial = Adversarial(config.adversarial)
        self.augment = self.adversarial.augmentation()
        self.perceptual = Perceptual() if config.weight_perceptual else None

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G], "D": [self.D]}

    def translators(self) -> dict[str, nn.Module]:
        return {"AtoB": self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def phase(self, step: int) -> Hashable:
        return self.adversarial.phase(step)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        fake_b, judge = self.G(real_a), Judge(self.D, self.augment, given=as_seen(real_a, real_b))

        terms = self.adversarial.discriminator(judge, real_b, fake_b, step)
        yield "D", {f"D/{name}": term / 2 for name, term in terms.items()}  # halved: section 3.3
        self.adversarial.after_discriminator(self.D)

        if self.adversarial.generator_plays(step):
            terms = self.adversarial.generator(judge, fake_b, real_b)
            terms["l1"] = self.config.weight_l1 * F.l1_loss(fake_b, real_b)
            if self.perceptual is not None:
                terms["perceptual"] = self.config.weight_perceptual * self.perceptual(fake_b, real_b)
            yield "G", {f"G/{name}": term for name, term in terms.items()}

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        real_a, real_b = batch
        return {
            "input": as_seen(real_a, real_b),
            "translation": translators["AtoB"](real_a).to(real_b.dtype),
            "truth": real_b,
        }

    def views(self, batch: Batch, shown: Pictures, translators: Mapping[str, nn.Module]) -> list[View]:
        output, seen = shown["translation"], shown["input"]
        return [View(direction="translation", output=output, target=batch[1], input=seen, paired=True)]

    def measures(self, batch: Batch, shown: Pictures) -> dict[str, float]:
        return {
            f"psnr/{title}": float(psnr(to_uint8(shown[title]), to_uint8(batch[1])).mean())
            for title in ("input", "translation")
        }
