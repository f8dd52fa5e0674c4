"""CycleGAN: translation learnt without pairs (Zhu et al. 2017)."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.diagnostics import View
from i2i.losses.adversarial import Adversarial, AdversarialConfig
from i2i.losses.compatible import check_critic
from i2i.losses.discriminator_input import Judge
from i2i.losses.perceptual import Perceptual, check_perceptual
from i2i.methods.base import Batch, Objective, Pictures, Turn
from i2i.networks import (
    GeneratorConfig,
    IdentityConfig,
    PatchGANConfig,
    ProjectedConfig,
    ResnetConfig,
    UnetConfig,
    check_size,
)
from i2i.networks.batching import together


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig:
    generator: ResnetConfig | UnetConfig | IdentityConfig = option(ResnetConfig(), "architecture of the generators")
    discriminator: PatchGANConfig | ProjectedConfig = option(PatchGANConfig(), "the discriminators", prefix="d")
    adversarial: AdversarialConfig = option(AdversarialConfig(), "the adversarial loss")
    weight_cycle: float = option(10.0, "λ of the cycle loss, both ways")
    weight_identity: float = option(0.5, "weight of the identity loss, as a share of weight_cycle; 0: none")
    weight_perceptual: float = option(0.0, "λ of the cycle's perceptual distance (LPIPS), both ways; 0: none")
    pool: int = option(50, "past fakes that each discriminator is shown again; 0: none")

    def __post_init__(self) -> None:
        require(self.weight_cycle >= 0, "weight_cycle", self.weight_cycle, "0 or above")
        require(self.weight_identity >= 0, "weight_identity", self.weight_identity, "0 or above")
        require(self.weight_perceptual >= 0, "weight_perceptual", self.weight_perceptual, "0 or above")
        require(0 <= self.pool <= 10_000, "pool", self.pool, "from 0 to 10000")
        check_critic(self.adversarial, self.discriminator)

    def build(self, size: int) -> "CycleGAN":
        """The objective for pictures of ``size`` pixels a side. Raises ConfigError where a network cannot take it."""
        return CycleGAN(self, size)


class CycleGAN(Objective):
    """Two translators that undo each other, each against its own critic (Zhu et al. 2017, eq. 3).

    G: A → B and F: B → A; D_A judges pictures of domain A, D_B of domain B.
    """

    critic_weight = 0.5

    def __init__(self, config: CycleGANConfig, size: int) -> None:
        super().__init__()
        check_size(config.discriminator, size)
        check_perceptual(config.weight_perceptual, size)
        self.config = config
        self.G, self.F = config.generator.build(size), config.generator.build(size)
        self.D_A, self.D_B = config.discriminator.build(), config.discriminator.build()
        self.pool_a, self.pool_b = ImagePool(config.pool, size), ImagePool(config.pool, size)
        self.adversarial = Adversarial(config.adversarial)
        self.augment_a, self.augment_b = self.adversarial.augmentation(), self.adversarial.augmentation()
        self.perceptual = Perceptual() if config.weight_perceptual else None

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G, self.F], "D": [self.D_A, self.D_B]}

    def translators(self) -> dict[str, nn.Module]:
        return {"AtoB": self.G, "BtoA": self.F}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def draw(self, count: int) -> None:
        self.pool_a.draw(count)
        self.pool_b.draw(count)

    def phase(self, step: int) -> Hashable:
        return self.adversarial.phase(step)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        real_a, real_b = batch
        judge_a, judge_b = Judge(self.D_A, self.augment_a), Judge(self.D_B, self.augment_b)
        identity = self.config.weight_cycle * self.config.weight_identity
        plays = self.adversarial.generator_plays(step)
        if identity and plays:
            (fake_b, same_b), (fake_a, same_a) = together(self.G, real_a, real_b), together(self.F, real_b, real_a)
        else:
            fake_b, fake_a = self.G(real_a), self.F(real_b)

        if plays:
            fooled = {
                "b": self.adversarial.generator(judge_b, fake_b, real_b),
                "a": self.adversarial.generator(judge_a, fake_a, real_a),
            }
            losses = _named("G", fooled) | self._and_back(real_a, real_b, fake_a, fake_b)
            if identity:  # section 5.2: keeps the colours of what already belongs to the other domain
                losses["G/identity_b"] = identity * F.l1_loss(same_b, real_b)
                losses["G/identity_a"] = identity * F.l1_loss(same_a, real_a)
            yield "G", losses

        judged = {
            "a": self.adversarial.discriminator(judge_a, real_a, self.pool_a.exchange(fake_a.detach()), step),
            "b": self.adversarial.discriminator(judge_b, real_b, self.pool_b.exchange(fake_b.detach()), step),
        }
        yield "D", {name: term / 2 for name, term in _named("D", judged).items()}  # halved: section 7.1
        self.adversarial.after_discriminator(self.D_A, self.D_B)

    def _and_back(self, real_a: Tensor, real_b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """The terms of pictures that went to the other domain and back."""
        losses = {}
        for domain, back, real in (("a", self.F(fake_b), real_a), ("b", self.G(fake_a), real_b)):
            losses[f"G/cycle_{domain}"] = self.config.weight_cycle * F.l1_loss(back, real)
            if self.perceptual is not None:
                losses[f"G/perceptual_{domain}"] = self.config.weight_perceptual * self.perceptual(back, real)
        return losses

    def samples(self, batch: Batch, translators: Mapping[str, nn.Module]) -> Pictures:
        real_a, real_b = batch
        G, F = translators["AtoB"], translators["BtoA"]
        fake_b, fake_a = G(real_a), F(real_b)
        return {"A": real_a, "A to B": fake_b, "back to A": F(fake_b),
                "B": real_b, "B to A": fake_a, "back to B": G(fake_a)}  # fmt: skip

    def views(self, batch: Batch, shown: Pictures, translators: Mapping[str, nn.Module]) -> list[View]:
        (real_a, real_b), G, F = batch, translators["AtoB"], translators["BtoA"]
        return [
            View(direction="A to B", output=shown["A to B"], target=real_b, input=real_a, back=F,
                 cycle=shown["back to A"]),
            View(direction="B to A", output=shown["B to A"], target=real_a, input=real_b, back=G,
                 cycle=shown["back to B"]),
        ]  # fmt: skip


def _named(player: str, terms: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The terms of each domain under the names that a turn gives them."""
    return {f"{player}/{name}_{domain}": term for domain, of in terms.items() for name, term in of.items()}


class ImagePool(nn.Module):
    """The last fakes, some of which are shown again (Shrivastava et al. 2017; Zhu et al. 2017, section 4).

    Its pictures are buffers, so that they are part of a training's state. What chance decides comes from the host
    beforehand (``draw``); the exchange itself never waits for the device.
    """

    pictures: Tensor  # (capacity, 3, size, size)
    slots: Tensor  # (N,): the place each fake of the step is exchanged with
    older: Tensor  # (N,): whether the picture there is shown, and not the fake
    enters: Tensor  # (N,): whether the fake takes that place

    def __init__(self, capacity: int, size: int) -> None:
        super().__init__()
        self.capacity, self.filled = capacity, 0
        self.register_buffer("pictures", torch.zeros(capacity, 3, size, size))
        for name, kind in (("slots", torch.long), ("older", torch.bool), ("enters", torch.bool)):
            self.register_buffer(name, torch.zeros(0, dtype=kind), persistent=False)

    def draw(self, count: int) -> None:
        """Decide for each of ``count`` fakes: while the pool fills, it enters and is shown; then, with p = ½, it
        changes places with an older one, which is shown instead."""
        if not self.capacity:
            return
        drawn: list[tuple[int, bool, bool]] = []
        for _ in range(count):
            if self.filled < self.capacity:
                drawn.append((self.filled, False, True))
                self.filled += 1
            elif torch.rand(()) > 0.5:
                drawn.append((int(torch.randint(self.capacity, ())), True, True))
            else:
                drawn.append((0, False, False))
        for name, column in zip(("slots", "older", "enters"), zip(*drawn, strict=True), strict=True):
            self._put(name, torch.tensor(column))

    def _put(self, name: str, values: Tensor) -> None:
        """Write in place where the shape is that of the last step: a recorded step reads from the same memory."""
        there = self.get_buffer(name)
        if there.shape == values.shape:
            there.copy_(values)
        else:
            self.register_buffer(name, values.to(there.device), persistent=False)

    def exchange(self, fakes: Tensor) -> Tensor:
        """What the discriminator is shown in the place of ``fakes`` (N, 3, size, size), as drawn last."""
        if not self.capacity:
            return fakes
        shown = []
        for index, fake in enumerate(fakes):
            slot = self.slots[index : index + 1]
            there = self.pictures[slot][0]
            kept = fake.to(there.dtype)
            shown.append(torch.where(self.older[index], there.to(fake.dtype), fake))
            self.pictures.index_copy_(0, slot, torch.where(self.enters[index], kept, there)[None])
        return torch.stack(shown)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.filled)

    def set_extra_state(self, state: Tensor) -> None:
        self.filled = int(state)
