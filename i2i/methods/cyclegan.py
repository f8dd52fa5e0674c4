"""CycleGAN: translation learnt from unpaired images (Zhu et al. 2017)."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
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
from i2i.methods.base import Batch, ImageDict, Method, Turn
from i2i.methods.channels import check_discriminator, require_equal_channels
from i2i.methods.image_pool import ImagePool
from i2i.networks import (
    GeneratorConfig,
    IdentityConfig,
    PatchGANConfig,
    ProjectedConfig,
    ResnetConfig,
    UnetConfig,
    build_generator,
    check_input_size,
)
from i2i.networks.batching import batched_forward


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig(Config):
    generator: ResnetConfig | UnetConfig | IdentityConfig = option(ResnetConfig(), "architecture of the generators")
    discriminator: PatchGANConfig | ProjectedConfig = option(PatchGANConfig(), "the discriminators", prefix="d")
    adversarial: AdversarialConfig = option(AdversarialConfig(), "the adversarial loss")
    weight_cycle: float = option(10.0, "λ of the cycle loss, in both directions", ge=0)
    weight_identity: float = option(
        0.5, "weight of the identity loss, as a fraction of --weight-cycle; 0 disables it", ge=0
    )
    weight_perceptual: float = option(
        0.0, "λ of the perceptual distance of the cycle, in both directions; 0 disables it", ge=0
    )
    perceptual_network: PerceptualNetwork = option("alexnet", PERCEPTUAL_HELP)
    pool_size: int = option(
        50, "past fakes kept for each discriminator, which sees some again; 0: no pool", was="pool", ge=0, le=10_000
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_norm_for_penalty(self.adversarial, self.discriminator)

    def build(self, size: int, in_channels: int = 3, out_channels: int = 3) -> "CycleGAN":
        """Return the method for images of ``size`` pixels a side. Raises ConfigError if a network does not fit them.

        Args:
            size: pixels a side.
            in_channels: of the images A.
            out_channels: of the images B.
        """
        return CycleGAN(self, size, in_channels, out_channels)


class CycleGAN(Method):
    """Two translators that invert each other, each against its own discriminator (Zhu et al. 2017, eq. 3).

    G: A → B and F: B → A. D_A is the discriminator of domain A, D_B that of domain B.
    """

    discriminator_weight = 0.5

    def __init__(self, config: CycleGANConfig, size: int, channels_a: int = 3, channels_b: int = 3) -> None:
        super().__init__()
        check_input_size(config.discriminator, size)
        require_perceptual_size(config.weight_perceptual, config.perceptual_network, size, channels_a, channels_b)
        check_discriminator(config.discriminator, channels_a, channels_b)
        if config.weight_cycle * config.weight_identity:
            require_equal_channels("--weight-identity", channels_a, channels_b, "gives G an image of B, and F one of A")
        self.config = config
        self.discriminator_outputs = config.discriminator.num_outputs()
        self.G = build_generator(config.generator, size, channels_a, channels_b)
        self.F = build_generator(config.generator, size, channels_b, channels_a)
        self.D_A = config.discriminator.build(channels_a)
        self.D_B = config.discriminator.build(channels_b)
        self.pool_a = ImagePool(config.pool_size, size, channels_a)
        self.pool_b = ImagePool(config.pool_size, size, channels_b)
        self.adversarial = AdversarialLoss(config.adversarial)
        self.augment_a = self.adversarial.build_augment()
        self.augment_b = self.adversarial.build_augment()
        self.perceptual = build_perceptual_loss(config.perceptual_network) if config.weight_perceptual else None

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G, self.F], "D": [self.D_A, self.D_B]}

    def translators(self) -> dict[str, nn.Module]:
        return {Direction.A_TO_B: self.G, Direction.B_TO_A: self.F}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def prepare_step(self, count: int) -> None:
        self.pool_a.prepare_step(count)
        self.pool_b.prepare_step(count)

    def batch_statistics(self) -> list[str]:
        return super().batch_statistics() + self.adversarial.batch_statistics()

    def graph_key(self, step: int) -> Hashable:
        return self.adversarial.graph_key(step)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        d_a = AugmentedDiscriminator(self.D_A, self.augment_a)
        d_b = AugmentedDiscriminator(self.D_B, self.augment_b)
        weight_identity = self.config.weight_cycle * self.config.weight_identity
        generator_due = self.adversarial.generator_due(step)
        if weight_identity and generator_due:
            fake_b, same_b = batched_forward(self.G, real_a, real_b)
            fake_a, same_a = batched_forward(self.F, real_b, real_a)
        else:
            with torch.set_grad_enabled(generator_due):
                fake_b, fake_a = self.G(real_a), self.F(real_b)

        if generator_due:
            terms = {
                "b": self.adversarial.generator(d_b, fake_b, real_b),
                "a": self.adversarial.generator(d_a, fake_a, real_a),
            }
            losses = _prefix_losses("G", terms) | self._cycle_losses(real_a, real_b, fake_a, fake_b)
            if weight_identity:  # section 5.2: preserves the colours of images that belong to the other domain already
                losses["G/identity_b"] = weight_identity * F.l1_loss(same_b, real_b)
                losses["G/identity_a"] = weight_identity * F.l1_loss(same_a, real_a)
            yield "G", losses

        terms = {
            "a": self.adversarial.discriminator(d_a, real_a, self.pool_a.query(fake_a.detach()), step),
            "b": self.adversarial.discriminator(d_b, real_b, self.pool_b.query(fake_b.detach()), step),
        }
        yield "D", {name: term / 2 for name, term in _prefix_losses("D", terms).items()}  # halved: section 7.1
        self.adversarial.clip_discriminator(self.D_A, self.D_B)

    def _cycle_losses(self, real_a: Tensor, real_b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of the reconstructions F(G(a)) and G(F(b))."""
        losses = {}
        for domain, reconstruction, real in (("a", self.F(fake_b), real_a), ("b", self.G(fake_a), real_b)):
            losses[f"G/cycle_{domain}"] = self.config.weight_cycle * F.l1_loss(reconstruction, real)
            if self.perceptual is not None:
                distance = self.perceptual(reconstruction, real)
                losses[f"G/perceptual_{domain}"] = self.config.weight_perceptual * distance
        return losses

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        real_a, real_b = batch
        G, F = translators[Direction.A_TO_B], translators[Direction.B_TO_A]
        fake_b, fake_a = G(real_a), F(real_b)
        return {"A": real_a, "A to B": fake_b, "back to A": F(fake_b),
                "B": real_b, "B to A": fake_a, "back to B": G(fake_a)}  # fmt: skip

    def health_views(self, batch: Batch, images: ImageDict, translators: Mapping[str, nn.Module]) -> list[SampleView]:
        real_a, real_b = batch
        return [
            SampleView(
                direction="A to B", output=images["A to B"], target=real_b, input=real_a,
                inverse=translators[Direction.B_TO_A], reconstruction=images["back to A"],
            ),
            SampleView(
                direction="B to A", output=images["B to A"], target=real_a, input=real_b,
                inverse=translators[Direction.A_TO_B], reconstruction=images["back to B"],
            ),
        ]  # fmt: skip


def _prefix_losses(player: str, terms: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return "player/term_domain" → loss, from domain → term → loss."""
    return {
        f"{player}/{name}_{domain}": loss
        for domain, domain_terms in terms.items()
        for name, loss in domain_terms.items()
    }
