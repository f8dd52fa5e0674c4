"""The adversarial game, all its classic losses, and the penalties on the critic's gradient.

Everywhere ``real`` and ``fake`` are the critic's logits of any one shape, one per picture or per patch; the
mean over them all is the expectation. A ``critic`` is a function of a picture (N, C, H, W) to its logits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.batching import together
from i2i.config import check, option

Critic = Callable[[Tensor], Tensor]


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


def gradient(critic: Critic, pictures: Tensor) -> Tensor:
    """∇D at ``pictures`` (N, C, H, W), flattened to (N, C·H·W); differentiable once more.

    A patch critic's judgements are averaged over its patches first. Computed outside autocast.
    """
    with torch.autocast(pictures.device.type, enabled=False), torch.enable_grad():
        inputs = pictures.detach()
        inputs = (inputs if inputs.dtype == torch.float64 else inputs.float()).requires_grad_()
        per_picture = critic(inputs).reshape(len(inputs), -1).mean(1)  # (N,)
        (slope,) = torch.autograd.grad(per_picture.sum(), inputs, create_graph=True)
    return slope.flatten(1)


def r1(critic: Critic, real: Tensor) -> Tensor:
    """½ E‖∇D(x)‖² on real pictures (Mescheder et al. 2018, eq. 9), not yet weighted by γ."""
    return gradient(critic, real).square().sum(1).mean() / 2


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E(‖∇D(x̂)‖₂ − 1)², x̂ = mix·x + (1 − mix)·G(z) (Gulrajani et al. 2017, eq. 3), without λ.

    mix: (N, 1, 1, 1), uniform in [0, 1].
    """
    between = mix * real + (1 - mix) * fake.to(real.dtype)
    slope = gradient(critic, between)
    # The root's slope at 0 is infinite; 1e-12 under it keeps the penalty's own gradient finite there.
    return ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean()


def clip_weights(critic: nn.Module, limit: float) -> None:
    """Clamp every weight of the critic to [−limit, limit] (Arjovsky et al. 2017, algorithm 1)."""
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-limit, limit)


@dataclass(frozen=True)
class Game:
    """What each side minimises, and what the loss demands of the critic to be well defined."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    penalised: bool = False  # by gradient_penalty, at every turn of D
    clipped: bool = False  # weights, after every turn of D


GAMES = {
    "minimax": Game(bce_discriminator, minimax_generator),
    "non-saturating": Game(bce_discriminator, nonsaturating_generator),
    "lsgan": Game(lsgan_discriminator, lsgan_generator),
    "hinge": Game(hinge_discriminator, wasserstein_generator),
    "wgan": Game(wasserstein_discriminator, wasserstein_generator, clipped=True),
    "wgan-gp": Game(wasserstein_discriminator, wasserstein_generator, penalised=True),
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

    def __post_init__(self) -> None:
        check(self.r1 >= 0, "r1", self.r1, "0 or above")
        check(self.r1_every >= 1, "r1_every", self.r1_every, "1 or above")
        check(self.weight_gp > 0, "weight_gp", self.weight_gp, "above 0")
        check(self.clip > 0, "clip", self.clip, "above 0")
        check(self.critic_steps >= 1, "critic_steps", self.critic_steps, "1 or above")


class Adversarial:
    """One loss of GAMES with everything that belongs to it, as the players of an objective call it."""

    def __init__(self, config: AdversarialConfig) -> None:
        self.config = config
        self.game = GAMES[config.loss]

    def discriminator(self, critic: Critic, real: Tensor, fake: Tensor, step: int) -> dict[str, Tensor]:
        """D's terms at a step: "adversarial", and where due "penalty" and "r1", weighted.

        real, fake: pictures (N, C, H, W); no gradient flows into ``fake``.
        """
        fake = fake.detach()
        terms = {"adversarial": self.game.discriminator(*together(critic, real, fake))}
        if self.game.penalised:
            mix = torch.rand(len(real), 1, 1, 1, device=real.device)
            terms["penalty"] = self.config.weight_gp * gradient_penalty(critic, real, fake, mix)
        if self.config.r1 and step % self.config.r1_every == 0:
            terms["r1"] = self.config.r1 * self.config.r1_every * r1(critic, real)
        return terms

    def generator(self, critic: Critic, fake: Tensor) -> Tensor:
        """G's term for its pictures ``fake`` (N, C, H, W)."""
        return self.game.generator(critic(fake))

    def after_discriminator(self, *critics: nn.Module) -> None:
        """What the loss asks for once D has moved: WGAN's clipping."""
        if self.game.clipped:
            for critic in critics:
                clip_weights(critic, self.config.clip)

    def generator_plays(self, step: int) -> bool:
        """Whether G has a turn at this step, one in every ``critic_steps``."""
        return (step + 1) % self.config.critic_steps == 0
