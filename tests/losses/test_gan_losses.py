from collections.abc import Callable
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from i2i.losses.gan_losses import GAN_LOSSES, clip_weights, gradient_penalty, input_gradients, r1

REPEATABLE = settings(deadline=None, derandomize=True)
LOSSES = list(GAN_LOSSES)
Logits = st.lists(st.floats(-50, 50), min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a discriminator with one logit for each image and the gradient ``weight`` (3, 2, 2) everywhere."""
    return lambda images: (images * weight).flatten(1).sum(1, keepdim=True)


def images(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 2, 2, dtype=torch.float64) * 2 - 1


def input_gradient(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    (gradient,) = input_gradients(discriminator, images)
    return gradient


class PatchDiscriminator(nn.Module):
    """A smooth patch discriminator."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 2, 2), nn.Conv2d(2, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x)))


# σ(log 3) = 3/4 and σ(0) = 1/2
@pytest.mark.parametrize(
    ("loss", "real", "fake", "discriminator", "generator"),
    [
        ("minimax", row(log(3), 0), row(-log(3), 0), -log(3 / 4) - log(1 / 2), (log(3 / 4) + log(1 / 2)) / 2),
        ("non-saturating", row(log(3), 0), row(-log(3), 0), -log(3 / 4) - log(1 / 2), (log(4) + log(2)) / 2),
        ("lsgan", row(2, -0.5), row(-1, 3), (1 + 2.25) / 2 + (1 + 9) / 2, (4 + 4) / 2),
        ("hinge", row(2, -0.5), row(-1.5, 3), (0 + 1.5) / 2 + (0 + 4) / 2, -0.75),
        ("wgan", row(2, -0.5), row(-1, 3), 1 - 0.75, -1),
        ("wgan-gp", row(2, -0.5), row(-1, 3), 1 - 0.75, -1),
    ],
    ids=LOSSES,
)
def test_each_gan_loss_is_its_formula(
    loss: str, real: Tensor, fake: Tensor, discriminator: float, generator: float
) -> None:
    assert GAN_LOSSES[loss].discriminator(real, fake).item() == pytest.approx(discriminator)
    assert GAN_LOSSES[loss].generator(fake).item() == pytest.approx(generator)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradients_of_each_gan_loss_pass_gradcheck(loss: str) -> None:
    real, fake = (torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(GAN_LOSSES[loss].discriminator, (real, fake))
    assert gradcheck(GAN_LOSSES[loss].generator, fake)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_gan_loss_and_its_gradient_are_finite_at_huge_logits(loss: str) -> None:
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    value = GAN_LOSSES[loss].discriminator(logits, logits.flip(0)) + GAN_LOSSES[loss].generator(logits)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@REPEATABLE
@given(real=Logits, fake=Logits, times=st.integers(2, 4))
def test_the_number_of_logits_does_not_scale_a_loss(
    loss: str, real: list[float], fake: list[float], times: int
) -> None:
    gan_loss, x, y = GAN_LOSSES[loss], row(*real), row(*fake)
    torch.testing.assert_close(gan_loss.discriminator(x.repeat(times), y.repeat(2)), gan_loss.discriminator(x, y))
    torch.testing.assert_close(gan_loss.generator(y.repeat(times)), gan_loss.generator(y))


@pytest.mark.parametrize("loss", ["minimax", "wgan", "wgan-gp"])
@REPEATABLE
@given(fake=Logits, other=Logits)
def test_in_a_zero_sum_game_the_sum_of_both_losses_does_not_depend_on_the_fakes(
    loss: str, fake: list[float], other: list[float]
) -> None:
    gan_loss, real = GAN_LOSSES[loss], row(1)
    D, G = gan_loss.discriminator, gan_loss.generator
    total = D(real, row(*fake)) + G(row(*fake))
    torch.testing.assert_close(total, D(real, row(*other)) + G(row(*other)))


@REPEATABLE
@given(real=st.lists(st.floats(1, 1e6), min_size=1), fake=st.lists(st.floats(-1e6, -1), min_size=1))
def test_hinge_ignores_logits_beyond_the_margin(real: list[float], fake: list[float]) -> None:
    x, y = row(*real).requires_grad_(), row(*fake).requires_grad_()
    loss = GAN_LOSSES["hinge"].discriminator(x, y)
    loss.backward()
    assert loss == 0
    assert not x.grad.any()
    assert not y.grad.any()


def test_only_the_minimax_generator_has_no_gradient_where_the_discriminator_wins() -> None:
    logits = torch.full((1,), -30.0, requires_grad=True)
    gradients = {loss: torch.autograd.grad(GAN_LOSSES[loss].generator(logits), logits)[0].item() for loss in LOSSES}
    assert gradients.pop("minimax") == pytest.approx(0, abs=1e-12)
    assert max(gradients.values()) <= -1 + 1e-12


Weights = st.lists(st.floats(-3, 3), min_size=12, max_size=12).map(lambda w: row(*w).view(3, 2, 2))


@REPEATABLE
@given(weight=Weights)
def test_r1_of_a_linear_discriminator_is_half_its_squared_norm(weight: Tensor) -> None:
    torch.testing.assert_close(r1(linear(weight), images()), weight.square().sum() / 2)


@REPEATABLE
@given(weight=Weights)
def test_the_gradient_penalty_of_a_linear_discriminator_is_its_formula(
    weight: Tensor,
) -> None:
    result = gradient_penalty(linear(weight), images(), images(), torch.rand(2, 1, 1, 1))
    torch.testing.assert_close(result, (weight.norm() - 1).square(), atol=1e-5, rtol=1e-5)


def test_a_discriminator_with_gradient_norm_1_has_no_gradient_penalty() -> None:
    weight = F.normalize(torch.randn(12, dtype=torch.float64), dim=0).view(3, 2, 2)
    result = gradient_penalty(linear(weight), images(), images(), torch.rand(2, 1, 1, 1))
    assert result.item() == pytest.approx(0, abs=1e-20)


def test_the_gradient_penalty_has_finite_gradients_where_the_discriminator_is_constant() -> None:
    weight = torch.zeros(3, 2, 2, dtype=torch.float64, requires_grad=True)
    gradient_penalty(linear(weight), images(), images(), torch.rand(2, 1, 1, 1)).backward()
    assert weight.grad.isfinite().all()


def test_the_gradient_penalty_is_taken_at_the_interpolation_of_real_and_fake() -> None:
    real, fake = images(), images()
    inputs = []

    def discriminator(x: Tensor) -> Tensor:
        inputs.append(x)
        return linear(torch.ones(3, 2, 2))(x)

    gradient_penalty(discriminator, real, fake, torch.tensor([1.0, 0.25]).view(2, 1, 1, 1))
    torch.testing.assert_close(inputs[0][0], real[0])
    torch.testing.assert_close(inputs[0][1], 0.25 * real[1] + 0.75 * fake[1])


@pytest.mark.parametrize("penalty", ["r1", "gradient_penalty"])
def test_the_gradient_of_a_penalty_in_the_weights_passes_gradcheck(penalty: str) -> None:
    network = PatchDiscriminator().double()
    names = [name for name, _ in network.named_parameters()]
    real, fake, interpolation = (
        torch.rand(2, 3, 4, 4).double(),
        torch.rand(2, 3, 4, 4).double(),
        torch.rand(2, 1, 1, 1).double(),
    )

    def value(*weights: Tensor) -> Tensor:
        def discriminator(x: Tensor) -> Tensor:
            return torch.func.functional_call(network, dict(zip(names, weights, strict=True)), (x,))

        return (
            r1(discriminator, real) if penalty == "r1" else gradient_penalty(discriminator, real, fake, interpolation)
        )

    assert gradcheck(value, tuple(network.parameters()))


def test_patch_logits_are_averaged_before_the_gradient() -> None:
    weight = torch.randn(3, 2, 2, dtype=torch.float64)

    def patches(x: Tensor) -> Tensor:  # (N, 1, 5, 7) equal logits
        return linear(weight)(x).view(-1, 1, 1, 1).expand(-1, 1, 5, 7)

    real = images()
    torch.testing.assert_close(input_gradient(patches, real), weight.flatten().expand(2, -1))
    torch.testing.assert_close(r1(patches, real), r1(linear(weight), real))


def test_the_logits_of_images_may_have_any_shape() -> None:
    weight = torch.randn(3, 2, 2, dtype=torch.float64)
    for shape in [(2,), (2, 1), (2, 1, 1, 1)]:
        gradient = input_gradient(lambda x, shape=shape: linear(weight)(x).view(shape), images())
        torch.testing.assert_close(gradient, weight.flatten().expand(2, -1))


def test_the_gradient_at_an_image_does_not_depend_on_its_batch() -> None:
    discriminator, real = PatchDiscriminator().double(), torch.rand(3, 3, 4, 4).double()
    torch.testing.assert_close(input_gradient(discriminator, real)[:1], input_gradient(discriminator, real[:1]))


def test_penalties_are_computed_in_float32_under_bfloat16_autocast() -> None:
    discriminator, real, fake, interpolation = (
        PatchDiscriminator(),
        torch.rand(2, 3, 8, 8),
        torch.rand(2, 3, 8, 8),
        torch.rand(2, 1, 1, 1),
    )
    expected = r1(discriminator, real), gradient_penalty(discriminator, real, fake.bfloat16(), interpolation)
    with torch.autocast("cpu", torch.bfloat16):
        assert discriminator(real).dtype == torch.bfloat16
        result = r1(discriminator, real), gradient_penalty(discriminator, real, fake.bfloat16(), interpolation)
    assert [value.dtype for value in result] == [torch.float32] * 2
    assert torch.equal(torch.stack(result), torch.stack(expected))


def test_a_penalty_can_be_computed_under_no_grad() -> None:
    with torch.no_grad():
        assert r1(PatchDiscriminator(), torch.rand(1, 3, 4, 4)) > 0


def test_clipping_leaves_weights_within_the_limit_unchanged() -> None:
    discriminator = nn.Linear(3, 1, bias=False)
    discriminator.weight.data = torch.tensor([[-1.0, 0.25, 1.0]])
    clip_weights(discriminator, 0.5)
    assert discriminator.weight.tolist() == [[-0.5, 0.25, 0.5]]
