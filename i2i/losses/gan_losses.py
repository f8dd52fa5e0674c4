"""The classic GAN losses and the penalties on the discriminator's gradient, as formulas.

``real`` and ``fake`` are logits of the discriminator for real images and for fakes. They have any one shape, with one
logit for each image or patch. The expectation is the mean over all logits.

The penalties take a ``discriminator``: a function of images (N, C, H, W) that returns their logits. A multi-scale
discriminator returns a tuple of logits, and the penalties of its scales are summed (Wang et al. 2018, eq. 3).
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.losses._reduce import sum_terms
from i2i.losses.discriminator_input import Logits, as_scales
from i2i.networks.precision import at_least_float32

Discriminator = Callable[[Tensor], Logits]


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−E[log σ(D(x))] − E[log(1 − σ(D(G(z))))] (Goodfellow et al. 2014, eq. 1, negated).

    >>> bce_discriminator(real=torch.tensor([2.0, 0.5]), fake=torch.tensor([-2.0, 0.0]))
    tensor(0.7105)
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """E[log(1 − σ(D(G(z))))] (Goodfellow et al. 2014, eq. 1). Saturates where D wins.

    >>> minimax_generator(fake=torch.tensor([-2.0, 0.0]))
    tensor(-0.4100)
    """
    return -F.softplus(fake).mean()


def nonsaturating_generator(fake: Tensor) -> Tensor:
    """−E[log σ(D(G(z)))] (Goodfellow et al. 2014, section 3).

    >>> nonsaturating_generator(fake=torch.tensor([-2.0, 0.0]))
    tensor(1.4100)
    """
    return F.softplus(-fake).mean()


def lsgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[(D(x) − 1)²] + E[D(G(z))²] (Mao et al. 2017, eq. 9 without its ½, as in CycleGAN's section 4).

    >>> lsgan_discriminator(real=torch.tensor([2.0, 0.5]), fake=torch.tensor([-2.0, 0.0]))
    tensor(2.6250)
    """
    return (real - 1).square().mean() + fake.square().mean()


def lsgan_generator(fake: Tensor) -> Tensor:
    """E[(D(G(z)) − 1)²] (Mao et al. 2017, eq. 9 without its ½).

    >>> lsgan_generator(fake=torch.tensor([-2.0, 0.0]))
    tensor(5.)
    """
    return (fake - 1).square().mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 − D(x))] + E[max(0, 1 + D(G(z)))] (Lim & Ye 2017, eq. 9).

    >>> hinge_discriminator(real=torch.tensor([2.0, 0.5]), fake=torch.tensor([-2.0, 0.0]))
    tensor(0.7500)
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(G(z))] − E[D(x)] (Arjovsky et al. 2017, eq. 2, negated).

    >>> wasserstein_discriminator(real=torch.tensor([2.0, 0.5]), fake=torch.tensor([-2.0, 0.0]))
    tensor(-2.2500)
    """
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """−E[D(G(z))] (Arjovsky et al. 2017, eq. 3; Lim & Ye 2017, eq. 10).

    >>> wasserstein_generator(fake=torch.tensor([-2.0, 0.0]))
    tensor(1.)
    """
    return -fake.mean()


def input_gradients(discriminator: Discriminator, images: Tensor) -> list[Tensor]:
    """Return ∇D at ``images`` for each scale of D, as differentiable tensors.

    The logits of a patch discriminator are averaged over the patches of an image first. The gradient is computed
    outside autocast. A compiled discriminator runs uncompiled, because compiled code has no second derivative.

    Args:
        images: (N, C, H, W) in [-1, 1].

    Returns: one tensor (N, C·H·W) for each scale.
    """
    with torch.autocast(images.device.type, enabled=False), torch.enable_grad(), _uncompiled():
        inputs = at_least_float32(images.detach()).requires_grad_()
        gradients: list[Tensor] = []
        for logits in as_scales(discriminator(inputs)):
            logit_per_image = logits.reshape(len(inputs), -1).mean(1)  # (N,)
            gradients += torch.autograd.grad(logit_per_image.sum(), inputs, create_graph=True)
    return [gradient.flatten(1) for gradient in gradients]


def _uncompiled() -> AbstractContextManager[object]:
    """Run compiled networks uncompiled. Without a compiled network, the compiler, of seconds to import, stays out."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def r1(discriminator: Discriminator, real: Tensor) -> Tensor:
    """½ E‖∇D(x)‖² on real images (Mescheder et al. 2018, eq. 9).

    Args:
        real: (N, C, H, W) in [-1, 1].

    Returns: a scalar, not yet weighted by γ.

    >>> def discriminator(images):  # ‖∇D‖ = 3 everywhere
    ...     return 3 * images[:, 0, 0, 0]
    >>> r1(discriminator, torch.zeros(2, 3, 8, 8))
    tensor(4.5000)
    """
    return sum_terms(gradient.square().sum(1).mean() / 2 for gradient in input_gradients(discriminator, real))


def gradient_penalty(discriminator: Discriminator, real: Tensor, fake: Tensor, interpolation: Tensor) -> Tensor:
    """E(‖∇D(x̂)‖₂ − 1)², x̂ = t·x + (1 − t)·G(z) (Gulrajani et al. 2017, eq. 3).

    Args:
        real: (N, C, H, W) in [-1, 1].
        fake: (N, C, H, W) in [-1, 1].
        interpolation: t, (N, 1, 1, 1), uniform in [0, 1].

    Returns: a scalar, not yet weighted by λ.

    >>> def discriminator(images):  # ‖∇D‖ = 3 everywhere
    ...     return 3 * images[:, 0, 0, 0]
    >>> real, fake = torch.ones(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    >>> gradient_penalty(discriminator, real, fake, interpolation=torch.rand(2, 1, 1, 1))
    tensor(4.)
    """
    interpolated = interpolation * real + (1 - interpolation) * fake.to(real.dtype)
    # The derivative of the square root at 0 is infinite; 1e-12 keeps the penalty's own gradient finite there.
    norms = [(gradient.square().sum(1) + 1e-12).sqrt() for gradient in input_gradients(discriminator, interpolated)]
    return sum_terms((norm - 1).square().mean() for norm in norms)


def clip_weights(discriminator: nn.Module, limit: float) -> None:
    """Clamp every weight of the discriminator to [−limit, limit] (Arjovsky et al. 2017, algorithm 1)."""
    with torch.no_grad():
        for weight in discriminator.parameters():
            weight.clamp_(-limit, limit)


@dataclass(frozen=True)
class GANLoss:
    """The losses of D and G, and the constraints on D under which they are well defined.

    Attributes:
        discriminator: loss of D from its logits of real images and of fakes.
        generator: loss of G from D's logits of fakes.
        decision_threshold: the logit above which D classifies an image as real; None if D does not classify.
        gradient_penalty: whether every turn of D adds ``gradient_penalty``.
        weight_clipping: whether the weights of D are clipped after every turn of D.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    decision_threshold: float | None = 0.0
    gradient_penalty: bool = False
    weight_clipping: bool = False


GAN_LOSSES = {
    "minimax": GANLoss(bce_discriminator, minimax_generator),
    "non-saturating": GANLoss(bce_discriminator, nonsaturating_generator),
    "lsgan": GANLoss(lsgan_discriminator, lsgan_generator, decision_threshold=0.5),
    "hinge": GANLoss(hinge_discriminator, wasserstein_generator),
    "wgan": GANLoss(wasserstein_discriminator, wasserstein_generator, decision_threshold=None, weight_clipping=True),
    "wgan-gp": GANLoss(
        wasserstein_discriminator, wasserstein_generator, decision_threshold=None, gradient_penalty=True
    ),
}
