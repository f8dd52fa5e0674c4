"""The adversarial loss of a method: one GAN loss with its penalties, feature matching and augmentation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.config import Config, option
from i2i.distributed import own_rows
from i2i.errors import ConfigError
from i2i.losses._reduce import sum_terms
from i2i.losses.augment import AdaptiveAugment, AdaptivePipeline, Augment, DiffAugment
from i2i.losses.discriminator_input import AugmentedDiscriminator, as_scales
from i2i.losses.feature_matching import feature_matching, mean_feature_matching
from i2i.losses.gan_losses import GAN_LOSSES, clip_weights, gradient_penalty, r1
from i2i.networks import DCGANDiscriminatorConfig, MLPDiscriminatorConfig, PatchGANConfig
from i2i.networks.batching import batched_forward


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig(Config):
    loss: Literal["minimax", "non-saturating", "lsgan", "hinge", "wgan", "wgan-gp"] = option(
        "lsgan",
        "adversarial loss; wgan clips the weights of D, wgan-gp penalises the gradient of D",
        flag="adversarial",
    )
    r1: float = option(0.0, "γ of the R1 penalty on the gradient of D at real images; 0 disables it", ge=0)
    r1_every: int = option(16, "steps between two R1 penalties; each is multiplied by this number", ge=1)
    weight_gradient_penalty: float = option(10.0, "λ of the gradient penalty of wgan-gp", was="weight_gp", gt=0)
    weight_clip: float = option(0.01, "largest absolute weight of D with wgan", was="clip", gt=0)
    d_steps: int = option(1, "steps of D for each step of G (the WGAN papers use 5)", was="critic_steps", ge=1)
    weight_feature_matching: float = option(
        0.0,
        "λ of feature matching in the layers of D: at each location for paired data, of the means otherwise; "
        "0 disables it (pix2pixHD: 10)",
        was="weight_features",
        ge=0,
    )
    augment: Literal["none", "diffaugment", "ada", "ada-bgc"] = option(
        "none",
        "augmentation of the inputs of D, for small datasets; ada adapts its probability to the overfitting of D, "
        "ada-bgc also has the operations of that paper: flips, rotations, scales and colours",
    )
    ada_target: float = option(0.6, "target of ada for E[sign(D(real))]", gt=0, lt=1)
    ada_images: int = option(
        500_000, "real images in which the probability of ada can rise from 0 to 1", was="ada_pictures", ge=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.augment.startswith("ada") and GAN_LOSSES[self.loss].decision_threshold is None:
            raise ConfigError(
                f"--augment {self.augment} needs the share of real images that D classifies as real, but with "
                f"{self.loss} D does not classify images. Use --augment diffaugment, or another --adversarial."
            )


class AdversarialLoss:
    """One of GAN_LOSSES with its penalties, feature matching and augmentation, as a method calls it."""

    def __init__(self, config: AdversarialConfig) -> None:
        self.config = config
        self.gan_loss = GAN_LOSSES[config.loss]

    def build_augment(self) -> Augment:
        """Return a new augmentation. Each discriminator needs its own, because the state of ADA describes one D."""
        if self.config.augment.startswith("ada") and self.gan_loss.decision_threshold is not None:
            adaptive = AdaptivePipeline if self.config.augment == "ada-bgc" else AdaptiveAugment
            return adaptive(self.gan_loss.decision_threshold, self.config.ada_target, self.config.ada_images)
        return DiffAugment() if self.config.augment == "diffaugment" else Augment()

    def discriminator(
        self, discriminator: AugmentedDiscriminator, real: Tensor, fake: Tensor, step: int
    ) -> dict[str, Tensor]:
        """Return the weighted loss terms of D.

        Args:
            discriminator: D with its augmentation and condition.
            real: (N, C, H, W) in [-1, 1].
            fake: (N, C, H, W) in [-1, 1]; no gradient flows into it.
            step: index of the training step.

        Returns: "adversarial"; with wgan-gp also "penalty"; every ``r1_every`` steps also "r1".
        """
        fake = fake.detach()
        real_logits, fake_logits = (as_scales(logits) for logits in batched_forward(discriminator, real, fake))
        discriminator.augment.update_stats(real_logits)
        terms = {"adversarial": sum_terms(map(self.gan_loss.discriminator, real_logits, fake_logits))}
        if self.gan_loss.gradient_penalty:
            interpolation = own_rows(lambda count: torch.rand(count, 1, 1, 1, device=real.device), len(real))
            penalty = gradient_penalty(discriminator, real, fake, interpolation)
            terms["penalty"] = self.config.weight_gradient_penalty * penalty
        if self._r1_due(step):
            terms["r1"] = self.config.r1 * self.config.r1_every * r1(discriminator, real)
        return terms

    def generator(self, discriminator: AugmentedDiscriminator, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return the weighted loss terms of G.

        Args:
            discriminator: D with its augmentation and condition.
            fake: images of G, (N, C, H, W) in [-1, 1].
            real: (N, C, H, W) in [-1, 1]; for a conditional GAN the real images of the same conditions.

        Returns: "adversarial"; with ``weight_feature_matching`` also "features".
        """
        if not self.config.weight_feature_matching:
            return {"adversarial": sum_terms(map(self.gan_loss.generator, as_scales(discriminator(fake))))}
        logits, fake_features, real_features = discriminator.logits_and_features(real, fake)
        distance = mean_feature_matching if discriminator.condition is None else feature_matching
        return {
            "adversarial": sum_terms(map(self.gan_loss.generator, as_scales(logits))),
            "features": self.config.weight_feature_matching * distance(real_features, fake_features),
        }

    def clip_discriminator(self, *discriminators: nn.Module) -> None:
        """Clip the weights of the discriminators if the GAN loss asks for it. Call it after each turn of D."""
        if self.gan_loss.weight_clipping:
            for discriminator in discriminators:
                clip_weights(discriminator, self.config.weight_clip)

    def batch_statistics(self) -> list[str]:
        """Return the names of the terms that depend on the mean over a batch, for unpaired data."""
        return ["feature matching"] if self.config.weight_feature_matching else []

    def generator_due(self, step: int) -> bool:
        """Return whether G has a turn at this step: at one of every ``d_steps`` steps."""
        return (step + 1) % self.config.d_steps == 0

    def graph_key(self, step: int) -> tuple[bool, bool]:
        """Return whether G has a turn at this step, and whether R1 is due."""
        return self.generator_due(step), self._r1_due(step)

    def _r1_due(self, step: int) -> bool:
        return self.config.r1 > 0 and step % self.config.r1_every == 0


def check_norm_for_penalty(
    adversarial: AdversarialConfig,
    discriminator: PatchGANConfig | DCGANDiscriminatorConfig | MLPDiscriminatorConfig,
) -> None:
    """Check that no gradient penalty is used with batch norm (Gulrajani et al. 2017, section 4).

    The penalty is on the gradient of D at each image alone; with batch norm it depends on the other images.

    Raises:
        ConfigError: if the penalty of wgan-gp or R1 is combined with a batch-norm discriminator.
    """
    penalty = "wgan-gp" if adversarial.loss == "wgan-gp" else "R1" if adversarial.r1 else None
    if penalty and discriminator.norm == "batch":
        raise ConfigError(
            f"{penalty} penalises the gradient of D at each image, but batch norm mixes the images of a batch. "
            "Add --d-norm instance (or none)."
        )
