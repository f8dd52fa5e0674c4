"""The adversarial game, all its classic losses, and the penalties on the critic's gradient.

Everywhere ``real`` and ``fake`` are the critic's logits of any one shape, one per picture or per patch; the
mean over them all is the expectation. A ``critic`` is a function of a picture (N, C, H, W) to its logits. One that
judges at several scales gives a tuple of them, and the losses and penalties of its scales are added up (Wang et al.
2018, eq. 3).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import option, require
from i2i.errors import ConfigError
from i2i.losses.augment import AdaptiveAugment, Augment, DiffAugment
from i2i.losses.discriminator_input import Judge, Judgements, scales
from i2i.losses.feature_matching import feature_matching, mean_matching
from i2i.networks.batching import together

Critic = Callable[[Tensor], Judgements]


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−E[log σ(D(x))] − E[log(1 − σ(D(G(z))))] (Goodfellow et al. 2014, eq. 1, negated)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """E[log(1 − σ(D(G(z))))] (Goodfellow et al. 2014, eq. 1). Saturates where D wins."""
    return -F.softplus(fake).mean()


def nonsaturating_generator(fake: Tensor) -> Tensor:
    """−E[log σ(D(G(z)))] (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def lsgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[(D(x) − 1)²] + E[D(G(z))²] (Mao et al. 2017, eq. 9 without its ½, as in CycleGAN's section 4)."""
    return (real - 1).square().mean() + fake.square().mean()


def lsgan_generator(fake: Tensor) -> Tensor:
    """E[(D(G(z)) − 1)²] (Mao et al. 2017, eq. 9 without its ½)."""
    return (fake - 1).square().mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 − D(x))] + E[max(0, 1 + D(G(z)))] (Lim & Ye 2017, eq. 9)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(G(z))] − E[D(x)] (Arjovsky et al. 2017, eq. 2, negated)."""
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """−E[D(G(z))] (Arjovsky et al. 2017, eq. 3; Lim & Ye 2017, eq. 10)."""
    return -fake.mean()


def gradients(critic: Critic, pictures: Tensor) -> list[Tensor]:
    """∇D at ``pictures`` (N, C, H, W), flattened to (N, C·H·W), for each scale of D; differentiable once more.

    A patch critic's judgements are averaged over its patches first. Computed outside autocast, and by the plain
    critic where it is compiled: compiled code has no second derivative.
    """
    plain = torch.compiler.set_stance("force_eager")
    with torch.autocast(pictures.device.type, enabled=False), torch.enable_grad(), plain:
        inputs = pictures.detach()
        inputs = (inputs if inputs.dtype == torch.float64 else inputs.float()).requires_grad_()
        slopes: list[Tensor] = []
        for judged in scales(critic(inputs)):
            per_picture = judged.reshape(len(inputs), -1).mean(1)  # (N,)
            slopes += torch.autograd.grad(per_picture.sum(), inputs, create_graph=True)
    return [slope.flatten(1) for slope in slopes]


def r1(critic: Critic, real: Tensor) -> Tensor:
    """½ E‖∇D(x)‖² on real pictures (Mescheder et al. 2018, eq. 9), not yet weighted by γ."""
    return _summed(slope.square().sum(1).mean() / 2 for slope in gradients(critic, real))


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E(‖∇D(x̂)‖₂ − 1)², x̂ = mix·x + (1 − mix)·G(z) (Gulrajani et al. 2017, eq. 3), without λ.

    mix: (N, 1, 1, 1), uniform in [0, 1].
    """
    between = mix * real + (1 - mix) * fake.to(real.dtype)
    # The root's slope at 0 is infinite; 1e-12 under it keeps the penalty's own gradient finite there.
    norms = [(slope.square().sum(1) + 1e-12).sqrt() for slope in gradients(critic, between)]
    return _summed((norm - 1).square().mean() for norm in norms)


def clip_weights(critic: nn.Module, limit: float) -> None:
    """Clamp every weight of the critic to [−limit, limit] (Arjovsky et al. 2017, algorithm 1)."""
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-limit, limit)


def _summed(terms: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, terms)


@dataclass(frozen=True)
class Game:
    """What each side minimises, and what the loss demands of the critic to be well defined."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    middle: float | None = 0.0  # the judgement that is for neither real nor fake; None: there is none
    penalised: bool = False  # by gradient_penalty, at every turn of D
    clipped: bool = False  # weights, after every turn of D


GAMES = {
    "minimax": Game(bce_discriminator, minimax_generator),
    "non-saturating": Game(bce_discriminator, nonsaturating_generator),
    "lsgan": Game(lsgan_discriminator, lsgan_generator, middle=0.5),
    "hinge": Game(hinge_discriminator, wasserstein_generator),
    "wgan": Game(wasserstein_discriminator, wasserstein_generator, middle=None, clipped=True),
    "wgan-gp": Game(wasserstein_discriminator, wasserstein_generator, middle=None, penalised=True),
}


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    loss: Literal["minimax", "non-saturating", "lsgan", "hinge", "wgan", "wgan-gp"] = option(
        "lsgan",
        "adversarial loss; wgan clips D's weights, wgan-gp penalises D's gradient",
        flag="adversarial",
    )
    r1: float = option(0.0, "γ of the R1 penalty on D's gradient at real pictures; 0: none")
    r1_every: int = option(16, "turns of D between two R1 penalties (each weighted up by as much)")
    weight_gp: float = option(10.0, "λ of wgan-gp's gradient penalty")
    clip: float = option(0.01, "limit of D's weights under wgan")
    critic_steps: int = option(1, "turns of D for each turn of G (the WGAN papers use 5)")
    weight_features: float = option(
        0.0, "λ of feature matching in D's layers: place by place for pairs, else in the mean; 0: none (pix2pixHD: 10)"
    )
    augment: Literal["none", "diffaugment", "ada"] = option(
        "none", "augment all that D sees, for few pictures; ada: only as often as D knows them by heart"
    )
    ada_target: float = option(0.6, "how sure of real pictures ada lets D be, from 0 to 1")
    ada_pictures: int = option(500_000, "real pictures in which ada's probability can rise from 0 to 1")

    def __post_init__(self) -> None:
        require(self.r1 >= 0, "r1", self.r1, "0 or above")
        require(self.r1_every >= 1, "r1_every", self.r1_every, "1 or above")
        require(self.weight_gp > 0, "weight_gp", self.weight_gp, "above 0")
        require(self.clip > 0, "clip", self.clip, "above 0")
        require(self.critic_steps >= 1, "critic_steps", self.critic_steps, "1 or above")
        require(self.weight_features >= 0, "weight_features", self.weight_features, "0 or above")
        require(0 < self.ada_target < 1, "ada_target", self.ada_target, "above 0 and below 1")
        require(self.ada_pictures >= 1, "ada_pictures", self.ada_pictures, "1 or above")
        if self.augment == "ada" and GAMES[self.loss].middle is None:
            raise ConfigError(
                f"ada goes by the share of real pictures that D calls real, and {self.loss}'s critic calls none real "
                "or fake: it only compares them. Use --augment diffaugment, or another --adversarial."
            )


class Adversarial:
    """One loss of GAMES with everything that belongs to it, as the players of an objective call it."""

    def __init__(self, config: AdversarialConfig) -> None:
        self.config = config
        self.game = GAMES[config.loss]

    def augmentation(self) -> Augment:
        """What each discriminator's pictures pass, one for each of them: ADA's state is about one discriminator."""
        if self.config.augment == "ada" and self.game.middle is not None:
            return AdaptiveAugment(self.game.middle, self.config.ada_target, self.config.ada_pictures)
        return DiffAugment() if self.config.augment == "diffaugment" else Augment()

    def discriminator(self, judge: Judge, real: Tensor, fake: Tensor, step: int) -> dict[str, Tensor]:
        """D's terms at a step: "adversarial", and where due "penalty" and "r1", weighted.

        real, fake: pictures (N, C, H, W); no gradient flows into ``fake``.
        """
        fake = fake.detach()
        judged_real, judged_fake = (scales(judged) for judged in together(judge, real, fake))
        judge.augment.observe(judged_real)
        terms = {"adversarial": _summed(map(self.game.discriminator, judged_real, judged_fake))}
        if self.game.penalised:
            mix = torch.rand(len(real), 1, 1, 1, device=real.device)
            terms["penalty"] = self.config.weight_gp * gradient_penalty(judge, real, fake, mix)
        if self._r1_due(step):
            terms["r1"] = self.config.r1 * self.config.r1_every * r1(judge, real)
        return terms

    def generator(self, judge: Judge, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """G's terms for its pictures ``fake`` (N, C, H, W): "adversarial", and where asked for "features", weighted.

        real: as many real pictures; those of the same conditions, where there are conditions.
        """
        if not self.config.weight_features:
            return {"adversarial": _summed(map(self.game.generator, scales(judge(fake))))}
        judged, made, true = judge.compare(real, fake)
        distance = mean_matching if judge.given is None else feature_matching
        return {
            "adversarial": _summed(map(self.game.generator, scales(judged))),
            "features": self.config.weight_features * distance(true, made),
        }

    def after_discriminator(self, *critics: nn.Module) -> None:
        """What the loss asks for once D has moved: WGAN's clipping."""
        if self.game.clipped:
            for critic in critics:
                clip_weights(critic, self.config.clip)

    def generator_plays(self, step: int) -> bool:
        """Whether G has a turn at this step, one in every ``critic_steps``."""
        return (step + 1) % self.config.critic_steps == 0

    def phase(self, step: int) -> tuple[bool, bool]:
        """What a step consists of: whether G plays, and whether R1 is due."""
        return self.generator_plays(step), self._r1_due(step)

    def _r1_due(self, step: int) -> bool:
        return self.config.r1 > 0 and step % self.config.r1_every == 0
