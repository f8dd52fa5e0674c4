import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.errors import ConfigError
from i2i.losses.adversarial import AdversarialConfig, AdversarialLoss
from i2i.losses.augment import AdaptiveAugment, Augment, DiffAugment
from i2i.losses.discriminator_input import AugmentedDiscriminator
from i2i.losses.feature_matching import feature_matching, mean_feature_matching
from i2i.losses.gan_losses import GAN_LOSSES, gradient_penalty, r1
from tests.losses.test_gan_losses import LOSSES, REPEATABLE, PatchDiscriminator


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def without_augment(network: nn.Module) -> AugmentedDiscriminator:
    return AugmentedDiscriminator(network, Augment())


def discriminator_terms(loss: str, step: int = 0, **options: float) -> dict[str, Tensor]:
    adversarial = AdversarialLoss(AdversarialConfig(loss=loss, **options))
    return adversarial.discriminator(without_augment(PatchDiscriminator().double()), *REAL_FAKE, step)


REAL_FAKE = torch.rand(2, 2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()


@pytest.mark.parametrize("loss", LOSSES)
def test_only_wgan_gp_adds_the_gradient_penalty_and_does_so_at_every_step(loss: str) -> None:
    for step in range(3):
        assert set(discriminator_terms(loss, step)) == (
            {"adversarial", "penalty"} if loss == "wgan-gp" else {"adversarial"}
        )


def test_the_gradient_penalty_is_weighted_by_its_lambda() -> None:
    def penalty(weight: float) -> float:
        torch.manual_seed(0)
        return discriminator_terms("wgan-gp", weight_gradient_penalty=weight)["penalty"].item()

    assert penalty(10) == pytest.approx(10 * penalty(1))


@pytest.mark.parametrize("loss", LOSSES)
def test_r1_is_added_every_r1_every_steps_and_multiplied_by_that_number(loss: str) -> None:
    discriminator = PatchDiscriminator().double()
    adversarial = AdversarialLoss(AdversarialConfig(loss=loss, r1=3.0, r1_every=4))
    terms = [adversarial.discriminator(without_augment(discriminator), *REAL_FAKE, step) for step in range(9)]
    assert [step for step, names in enumerate(terms) if "r1" in names] == [0, 4, 8]
    torch.testing.assert_close(terms[4]["r1"], 3.0 * 4 * r1(discriminator, REAL_FAKE[0]))


@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradient_flows_from_the_terms_of_d_into_the_fake(loss: str) -> None:
    real, fake = REAL_FAKE[0], REAL_FAKE[1].clone().requires_grad_()
    adversarial = AdversarialLoss(AdversarialConfig(loss=loss, r1=1.0))
    terms = adversarial.discriminator(without_augment(PatchDiscriminator().double()), real, fake, 0)
    torch.stack(list(terms.values())).sum().backward()
    assert fake.grad is None


@pytest.mark.parametrize("loss", LOSSES)
def test_the_term_of_g_has_a_gradient_at_the_fake(loss: str) -> None:
    fake = REAL_FAKE[1].clone().requires_grad_()
    terms = AdversarialLoss(AdversarialConfig(loss=loss)).generator(
        without_augment(PatchDiscriminator().double()), fake, REAL_FAKE[0]
    )
    terms["adversarial"].backward()
    assert fake.grad.any()


@pytest.mark.parametrize("loss", LOSSES)
def test_only_wgan_clips_its_discriminators(loss: str) -> None:
    discriminators = [PatchDiscriminator(), PatchDiscriminator()]
    before = nn.utils.parameters_to_vector(discriminators[1].parameters()).clone()
    AdversarialLoss(AdversarialConfig(loss=loss, weight_clip=0.01)).clip_discriminator(*discriminators)
    after = nn.utils.parameters_to_vector(discriminators[1].parameters())
    torch.testing.assert_close(after, before.clamp(-0.01, 0.01) if loss == "wgan" else before)


@REPEATABLE
@given(d_steps=st.integers(1, 7))
def test_the_generator_is_due_once_in_d_steps(d_steps: int) -> None:
    adversarial = AdversarialLoss(AdversarialConfig(d_steps=d_steps))
    turns = [adversarial.generator_due(step) for step in range(3 * d_steps)]
    assert turns == [*[False] * (d_steps - 1), True] * 3


@pytest.mark.parametrize(
    ("field", "value"),
    [("r1", -1.0), ("r1_every", 0), ("weight_gradient_penalty", 0.0), ("weight_clip", 0.0), ("d_steps", 0),
     ("weight_feature_matching", -1.0), ("ada_target", 1.0), ("ada_images", 0)],
)  # fmt: skip
def test_an_option_out_of_bounds_raises_an_error_that_names_it(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field} is {value!r}; it must be"):
        AdversarialConfig(**{field: value})


class TwoScales(nn.Module):
    """A discriminator of two scales, each with a patch discriminator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = PatchDiscriminator(), PatchDiscriminator()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.fine(x), self.coarse(F.avg_pool2d(x, 2))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_terms_of_the_scales_of_a_discriminator_are_summed(loss: str) -> None:
    discriminator, (real, fake) = TwoScales().double(), torch.rand(2, 2, 3, 8, 8, dtype=torch.float64).unbind()
    adversarial = AdversarialLoss(AdversarialConfig(loss=loss, r1=2.0))

    def coarse(x: Tensor) -> Tensor:
        return discriminator.coarse(F.avg_pool2d(x, 2))

    torch.manual_seed(1)
    terms = adversarial.discriminator(without_augment(discriminator), real, fake, 0)
    gan_loss = GAN_LOSSES[loss]
    expected = gan_loss.discriminator(discriminator.fine(real), discriminator.fine(fake)) + gan_loss.discriminator(
        coarse(real), coarse(fake)
    )
    torch.testing.assert_close(terms["adversarial"], expected)
    torch.testing.assert_close(terms["r1"], 2 * 16 * (r1(discriminator.fine, real) + r1(coarse, real)))
    if loss == "wgan-gp":
        torch.manual_seed(1)
        interpolation = torch.rand(2, 1, 1, 1)
        penalties = [gradient_penalty(part, real, fake, interpolation) for part in (discriminator.fine, coarse)]
        torch.testing.assert_close(terms["penalty"], 10 * sum(penalties))
    generator_term = adversarial.generator(without_augment(discriminator), fake, real)["adversarial"]
    torch.testing.assert_close(
        generator_term, gan_loss.generator(discriminator.fine(fake)) + gan_loss.generator(coarse(fake))
    )


class RecordingDiscriminator(PatchDiscriminator):
    """Records its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.inputs.append(x)
        return super().forward(x)

    def with_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        self.inputs.append(x)
        features = torch.tanh(self.first(x))
        return self.last(features), [x, features]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_input_of_the_discriminator_is_augmented_in_both_turns(loss: str) -> None:
    discriminator = RecordingDiscriminator().double()
    adversarial = AdversarialLoss(AdversarialConfig(loss=loss, r1=1.0, augment="diffaugment"))
    augmented, (real, fake) = AugmentedDiscriminator(discriminator, adversarial.build_augment()), REAL_FAKE
    adversarial.discriminator(augmented, real, fake, 0)
    adversarial.generator(augmented, fake, real)
    assert [len(x) for x in discriminator.inputs] == [
        4,
        *[2] * (1 + GAN_LOSSES[loss].gradient_penalty),
        2,
    ]  # real and fake in one pass
    for x in torch.cat(discriminator.inputs):
        assert not any(torch.equal(x, image) for image in torch.cat(REAL_FAKE))


def test_a_penalty_is_on_the_gradient_at_the_images_before_augmentation() -> None:
    discriminator, real = PatchDiscriminator().double(), REAL_FAKE[0]
    augmented = AugmentedDiscriminator(discriminator, DiffAugment())
    torch.manual_seed(3)
    result = r1(augmented, real)
    torch.manual_seed(3)
    inputs = real.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(augmented(inputs).flatten(1).mean(1).sum(), inputs)
    torch.testing.assert_close(result, gradient.square().flatten(1).sum(1).mean() / 2)
    torch.autograd.grad(result, list(discriminator.parameters()), allow_unused=True)  # the penalty is differentiable


@pytest.mark.parametrize(("loss", "threshold"), [("lsgan", 0.5), ("hinge", 0), ("non-saturating", 0), ("minimax", 0)])
def test_ada_compares_the_logits_of_real_images_with_the_decision_threshold(loss: str, threshold: float) -> None:
    adversarial = AdversarialLoss(AdversarialConfig(loss=loss, augment="ada", ada_target=0.7, ada_images=99))
    augment = adversarial.build_augment()
    assert isinstance(augment, AdaptiveAugment)
    assert (augment.decision_threshold, augment.target, augment.num_images) == (threshold, 0.7, 99)
    discriminator = PatchDiscriminator()
    with torch.no_grad():
        discriminator.last.weight.zero_()
        discriminator.last.bias.fill_(threshold + 0.1)
    images = torch.rand(3, 2, 3, 8, 8).unbind()
    adversarial.discriminator(AugmentedDiscriminator(discriminator, augment), images[0], images[1], 0)
    assert augment.sureness == 1
    adversarial.generator(AugmentedDiscriminator(discriminator, augment), images[2], images[0])
    assert augment.sureness == augment.batches == 1  # a turn of G does not update the statistics


@pytest.mark.parametrize("loss", ["wgan", "wgan-gp"])
def test_ada_is_refused_for_a_loss_without_a_decision_threshold(loss: str) -> None:
    with pytest.raises(ConfigError, match=rf"with {loss} D does not classify images. Use --augment diffaugment"):
        AdversarialConfig(loss=loss, augment="ada")


@pytest.mark.parametrize("condition", [None, torch.zeros(2, 3, 4, 4).double()])
def test_features_are_matched_at_each_location_only_with_a_condition(
    condition: Tensor | None,
) -> None:
    discriminator, (real, fake) = RecordingDiscriminator().double(), REAL_FAKE
    if condition is not None:
        discriminator.first = nn.Conv2d(6, 2, 2).double()
    augmented = AugmentedDiscriminator(discriminator, Augment(), condition)
    terms = AdversarialLoss(AdversarialConfig(weight_feature_matching=3.0)).generator(augmented, fake, real)

    def layers(x: Tensor) -> list[Tensor]:
        return discriminator.with_features(x if condition is None else torch.cat([condition, x], 1))[1]

    distance = mean_feature_matching if condition is None else feature_matching
    torch.testing.assert_close(terms["features"], 3 * distance(layers(real), layers(fake)))
    plain = AdversarialLoss(AdversarialConfig()).generator(augmented, fake, real)
    assert plain.keys() == {"adversarial"}
    torch.testing.assert_close(terms["adversarial"], plain["adversarial"])


def test_features_of_real_and_fake_are_compared_under_the_same_augmentation() -> None:
    discriminator, real = RecordingDiscriminator().double(), REAL_FAKE[0]
    adversarial = AdversarialLoss(AdversarialConfig(weight_feature_matching=1.0, augment="diffaugment"))
    terms = adversarial.generator(
        AugmentedDiscriminator(discriminator, adversarial.build_augment()), real.clone(), real
    )
    assert terms["features"] == 0
    assert torch.equal(*discriminator.inputs)
    assert not torch.equal(discriminator.inputs[0], real)


def test_feature_matching_has_a_gradient_at_the_fake_and_none_at_the_real_images() -> None:
    discriminator = RecordingDiscriminator().double()
    real, fake = (x.clone().requires_grad_() for x in REAL_FAKE)
    terms = AdversarialLoss(AdversarialConfig(weight_feature_matching=1.0)).generator(
        without_augment(discriminator), fake, real
    )
    terms["features"].backward()
    assert fake.grad.any()
    assert real.grad is None
