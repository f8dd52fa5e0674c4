"""CycleGAN: translation learnt without pairs (Zhu et al. 2017)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.batching import together
from i2i.config import check, option
from i2i.losses.adversarial import Adversarial, AdversarialConfig
from i2i.networks import (
    GeneratorConfig,
    IdentityConfig,
    PatchGAN,
    PatchGANConfig,
    ResnetConfig,
    UnetConfig,
    check_size,
)
from i2i.objectives.base import Batch, Objective, Pictures, Turn
from i2i.objectives.compatible import check_critic


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig:
    generator: ResnetConfig | UnetConfig | IdentityConfig = option(ResnetConfig(), "architecture of the generators")
    discriminator: PatchGANConfig = option(PatchGANConfig(), "the discriminators", prefix="d")
    adversarial: AdversarialConfig = option(AdversarialConfig(), "the adversarial loss")
    weight_cycle: float = option(10.0, "λ of the cycle loss, both ways")
    weight_identity: float = option(0.5, "weight of the identity loss, as a share of weight_cycle; 0: none")
    pool: int = option(50, "past fakes that each discriminator is shown again; 0: none")

    def __post_init__(self) -> None:
        check(self.weight_cycle >= 0, "weight_cycle", self.weight_cycle, "0 or above")
        check(self.weight_identity >= 0, "weight_identity", self.weight_identity, "0 or above")
        check(0 <= self.pool <= 10_000, "pool", self.pool, "from 0 to 10000")
        check_critic(self.adversarial, self.discriminator)

    def build(self, size: int) -> "CycleGAN":
        """The objective for pictures of ``size`` pixels a side. Raises ConfigError where a network cannot take it."""
        return CycleGAN(self, size)


class CycleGAN(Objective):
    """Two translators that undo each other, each against its own critic (Zhu et al. 2017, eq. 3).

    G: A → B and F: B → A; D_A judges pictures of domain A, D_B of domain B.
    """

    def __init__(self, config: CycleGANConfig, size: int) -> None:
        super().__init__()
        check_size(config.discriminator, size)
        self.config = config
        self.G, self.F = config.generator.build(size), config.generator.build(size)
        self.D_A, self.D_B = PatchGAN(config.discriminator), PatchGAN(config.discriminator)
        self.pool_a, self.pool_b = ImagePool(config.pool, size), ImagePool(config.pool, size)
        self.adversarial = Adversarial(config.adversarial)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G, self.F], "D": [self.D_A, self.D_B]}

    def translators(self) -> dict[str, nn.Module]:
        return {"AtoB": self.G, "BtoA": self.F}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        cycle, identity = self.config.weight_cycle, self.config.weight_cycle * self.config.weight_identity
        plays = self.adversarial.generator_plays(step)
        if identity and plays:
            (fake_b, same_b), (fake_a, same_a) = together(self.G, real_a, real_b), together(self.F, real_b, real_a)
        else:
            fake_b, fake_a = self.G(real_a), self.F(real_b)

        if plays:
            losses = {
                "G/adversarial_b": self.adversarial.generator(self.D_B, fake_b),
                "G/adversarial_a": self.adversarial.generator(self.D_A, fake_a),
                "G/cycle_a": cycle * F.l1_loss(self.F(fake_b), real_a),
                "G/cycle_b": cycle * F.l1_loss(self.G(fake_a), real_b),
            }
            if identity:  # section 5.2: keeps the colours of what already belongs to the other domain
                losses["G/identity_b"] = identity * F.l1_loss(same_b, real_b)
                losses["G/identity_a"] = identity * F.l1_loss(same_a, real_a)
            yield "G", losses

        judged = {
            "a": self.adversarial.discriminator(self.D_A, real_a, self.pool_a.exchange(fake_a.detach()), step),
            "b": self.adversarial.discriminator(self.D_B, real_b, self.pool_b.exchange(fake_b.detach()), step),
        }
        yield (
            "D",
            {  # halved: section 7.1
                f"D/{name}_{domain}": term / 2 for domain, terms in judged.items() for name, term in terms.items()
            },
        )
        self.adversarial.after_discriminator(self.D_A, self.D_B)

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        real_a, real_b = batch
        G, F = translators["AtoB"], translators["BtoA"]
        fake_b, fake_a = G(real_a), F(real_b)
        return {"A": real_a, "A to B": fake_b, "back to A": F(fake_b),
                "B": real_b, "B to A": fake_a, "back to B": G(fake_a)}  # fmt: skip


class ImagePool(nn.Module):
    """The last fakes, some of which are shown again (Shrivastava et al. 2017; Zhu et al. 2017, section 4).

    Its pictures are buffers, so that they are part of a training's state.
    """

    pictures: Tensor  # (capacity, 3, size, size)
    filled: Tensor  # ()

    def __init__(self, capacity: int, size: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("pictures", torch.zeros(capacity, 3, size, size))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def exchange(self, fakes: Tensor) -> Tensor:
        """For each of ``fakes`` (N, 3, size, size): itself, or with p = ½, once the pool is full, an older one.

        While the pool fills, each fake enters it and is returned; afterwards one that is not returned takes
        the place of the one that is.
        """
        if not self.capacity:
            return fakes
        shown = []
        for fake in fakes:
            if (filled := int(self.filled)) < self.capacity:
                self.pictures[filled] = fake
                self.filled += 1
                shown.append(fake)
            elif torch.rand(()) > 0.5:
                slot = int(torch.randint(self.capacity, ()))
                shown.append(self.pictures[slot].to(fake.dtype, copy=True))
                self.pictures[slot] = fake
            else:
                shown.append(fake)
        return torch.stack(shown)
