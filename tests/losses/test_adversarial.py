from collections.abc import Callable
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from i2i.errors import ConfigError
from i2i.losses.adversarial import (
    GAMES,
    Adversarial,
    AdversarialConfig,
    clip_weights,
    gradient_penalty,
    gradients,
    r1,
)
from i2i.losses.augment import AdaptiveAugment, Augment, DiffAugment
from i2i.losses.discriminator_input import Judge
from i2i.losses.feature_matching import feature_matching, mean_matching

REPEATABLE = settings(deadline=None, derandomize=True)
LOSSES = list(GAMES)
Logits = st.lists(st.floats(-50, 50), min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """A critic with one logit a picture and the gradient ``weight`` (3, 2, 2) everywhere."""
    return lambda pictures: (pictures * weight).flatten(1).sum(1, keepdim=True)


def pictures(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 2, 2, dtype=torch.float64) * 2 - 1


def slope_of(critic: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    (slope,) = gradients(critic, at)
    return slope


class Patches(nn.Module):
    """A smooth little patch critic."""

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
def test_each_game_is_its_formula(
    loss: str, real: Tensor, fake: Tensor, discriminator: float, generator: float
) -> None:
    assert GAMES[loss].discriminator(real, fake).item() == pytest.approx(discriminator)
    assert GAMES[loss].generator(fake).item() == pytest.approx(generator)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradients_of_each_game_pass_gradcheck(loss: str) -> None:
    real, fake = (torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(GAMES[loss].discriminator, (real, fake))
    assert gradcheck(GAMES[loss].generator, fake)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_game_is_finite_with_finite_gradients_at_huge_logits(loss: str) -> None:
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    value = GAMES[loss].discriminator(logits, logits.flip(0)) + GAMES[loss].generator(logits)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@REPEATABLE
@given(real=Logits, fake=Logits, times=st.integers(2, 4))
def test_the_number_of_judgements_does_not_scale_a_loss(
    loss: str, real: list[float], fake: list[float], times: int
) -> None:
    game, x, y = GAMES[loss], row(*real), row(*fake)
    torch.testing.assert_close(game.discriminator(x.repeat(times), y.repeat(2)), game.discriminator(x, y))
    torch.testing.assert_close(game.generator(y.repeat(times)), game.generator(y))


@pytest.mark.parametrize("loss", ["minimax", "wgan", "wgan-gp"])
@REPEATABLE
@given(fake=Logits, other=Logits)
def test_what_the_generator_wins_in_a_zero_sum_game_the_critic_loses(
    loss: str, fake: list[float], other: list[float]
) -> None:
    game, real = GAMES[loss], row(1)
    D, G = game.discriminator, game.generator
    half = D(real, row(*fake)) + G(row(*fake))
    torch.testing.assert_close(half, D(real, row(*other)) + G(row(*other)))


@REPEATABLE
@given(real=st.lists(st.floats(1, 1e6), min_size=1), fake=st.lists(st.floats(-1e6, -1), min_size=1))
def test_hinge_ignores_logits_beyond_the_margin(real: list[float], fake: list[float]) -> None:
    x, y = row(*real).requires_grad_(), row(*fake).requires_grad_()
    loss = GAMES["hinge"].discriminator(x, y)
    loss.backward()
    assert loss == 0
    assert not x.grad.any()
    assert not y.grad.any()


def test_only_the_minimax_generator_gets_no_gradient_from_a_critic_that_has_won() -> None:
    logits = torch.full((1,), -30.0, requires_grad=True)
    slopes = {loss: torch.autograd.grad(GAMES[loss].generator(logits), logits)[0].item() for loss in LOSSES}
    assert slopes.pop("minimax") == pytest.approx(0, abs=1e-12)
    assert max(slopes.values()) <= -1 + 1e-12


Weights = st.lists(st.floats(-3, 3), min_size=12, max_size=12).map(lambda w: row(*w).view(3, 2, 2))


@REPEATABLE
@given(weight=Weights)
def test_r1_of_a_linear_critic_is_half_its_squared_norm(weight: Tensor) -> None:
    torch.testing.assert_close(r1(linear(weight), pictures()), weight.square().sum() / 2)


@REPEATABLE
@given(weight=Weights)
def test_the_gradient_penalty_of_a_linear_critic_is_the_squared_distance_of_its_norm_from_1(weight: Tensor) -> None:
    found = gradient_penalty(linear(weight), pictures(), pictures(), torch.rand(2, 1, 1, 1))
    torch.testing.assert_close(found, (weight.norm() - 1).square(), atol=1e-5, rtol=1e-5)


def test_a_critic_with_gradient_norm_1_has_no_gradient_penalty() -> None:
    weight = F.normalize(torch.randn(12, dtype=torch.float64), dim=0).view(3, 2, 2)
    found = gradient_penalty(linear(weight), pictures(), pictures(), torch.rand(2, 1, 1, 1))
    assert found.item() == pytest.approx(0, abs=1e-20)


def test_the_gradient_penalty_has_finite_gradients_where_the_critic_is_flat() -> None:
    weight = torch.zeros(3, 2, 2, dtype=torch.float64, requires_grad=True)
    gradient_penalty(linear(weight), pictures(), pictures(), torch.rand(2, 1, 1, 1)).backward()
    assert weight.grad.isfinite().all()


def test_the_gradient_penalty_is_taken_at_the_mixture_of_real_and_fake() -> None:
    real, fake = pictures(), pictures()
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x)
        return linear(torch.ones(3, 2, 2))(x)

    gradient_penalty(critic, real, fake, torch.tensor([1.0, 0.25]).view(2, 1, 1, 1))
    torch.testing.assert_close(seen[0][0], real[0])
    torch.testing.assert_close(seen[0][1], 0.25 * real[1] + 0.75 * fake[1])


@pytest.mark.parametrize("penalty", ["r1", "gradient_penalty"])
def test_the_gradient_of_a_penalty_in_the_critics_weights_passes_gradcheck(penalty: str) -> None:
    network = Patches().double()
    names = [name for name, _ in network.named_parameters()]
    real, fake, mix = torch.rand(2, 3, 4, 4).double(), torch.rand(2, 3, 4, 4).double(), torch.rand(2, 1, 1, 1).double()

    def value(*weights: Tensor) -> Tensor:
        def critic(x: Tensor) -> Tensor:
            return torch.func.functional_call(network, dict(zip(names, weights, strict=True)), (x,))

        return r1(critic, real) if penalty == "r1" else gradient_penalty(critic, real, fake, mix)

    assert gradcheck(value, tuple(network.parameters()))


def test_a_patch_critic_is_averaged_over_its_patches_before_the_gradient() -> None:
    weight = torch.randn(3, 2, 2, dtype=torch.float64)

    def patches(x: Tensor) -> Tensor:  # (N, 1, 5, 7) equal judgements
        return linear(weight)(x).view(-1, 1, 1, 1).expand(-1, 1, 5, 7)

    real = pictures()
    torch.testing.assert_close(slope_of(patches, real), weight.flatten().expand(2, -1))
    torch.testing.assert_close(r1(patches, real), r1(linear(weight), real))


def test_a_critic_may_give_one_logit_a_picture_in_any_shape() -> None:
    weight = torch.randn(3, 2, 2, dtype=torch.float64)
    for shape in [(2,), (2, 1), (2, 1, 1, 1)]:
        slope = slope_of(lambda x, shape=shape: linear(weight)(x).view(shape), pictures())
        torch.testing.assert_close(slope, weight.flatten().expand(2, -1))


def test_a_pictures_gradient_does_not_depend_on_the_batch_it_is_in() -> None:
    critic, real = Patches().double(), torch.rand(3, 3, 4, 4).double()
    torch.testing.assert_close(slope_of(critic, real)[:1], slope_of(critic, real[:1]))


def test_penalties_are_computed_in_float32_under_bfloat16_autocast() -> None:
    critic, real, fake, mix = Patches(), torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.rand(2, 1, 1, 1)
    expected = r1(critic, real), gradient_penalty(critic, real, fake.bfloat16(), mix)
    with torch.autocast("cpu", torch.bfloat16):
        assert critic(real).dtype == torch.bfloat16
        found = r1(critic, real), gradient_penalty(critic, real, fake.bfloat16(), mix)
    assert [value.dtype for value in found] == [torch.float32] * 2
    assert torch.equal(torch.stack(found), torch.stack(expected))


def test_a_penalty_can_be_measured_without_gradients() -> None:
    with torch.no_grad():
        assert r1(Patches(), torch.rand(1, 3, 4, 4)) > 0


def judged_by(network: nn.Module) -> Judge:
    return Judge(network, Augment())


def play(loss: str, step: int = 0, **options: float) -> dict[str, Tensor]:
    adversarial = Adversarial(AdversarialConfig(loss=loss, **options))
    return adversarial.discriminator(judged_by(Patches().double()), *REAL_FAKE, step)


REAL_FAKE = torch.rand(2, 2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()


@pytest.mark.parametrize("loss", LOSSES)
def test_wgan_gp_alone_brings_its_penalty_and_always(loss: str) -> None:
    for step in range(3):
        assert set(play(loss, step)) == ({"adversarial", "penalty"} if loss == "wgan-gp" else {"adversarial"})


def test_the_gradient_penalty_is_weighted_by_its_lambda() -> None:
    def penalty(weight: float) -> float:
        torch.manual_seed(0)
        return play("wgan-gp", weight_gp=weight)["penalty"].item()

    assert penalty(10) == pytest.approx(10 * penalty(1))


@pytest.mark.parametrize("loss", LOSSES)
def test_r1_comes_every_so_many_steps_weighted_up_by_as_many(loss: str) -> None:
    critic = Patches().double()
    adversarial = Adversarial(AdversarialConfig(loss=loss, r1=3.0, r1_every=4))
    terms = [adversarial.discriminator(judged_by(critic), *REAL_FAKE, step) for step in range(9)]
    assert [step for step, found in enumerate(terms) if "r1" in found] == [0, 4, 8]
    torch.testing.assert_close(terms[4]["r1"], 3.0 * 4 * r1(critic, REAL_FAKE[0]))


@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradient_flows_from_the_critics_terms_into_the_fake(loss: str) -> None:
    real, fake = REAL_FAKE[0], REAL_FAKE[1].clone().requires_grad_()
    adversarial = Adversarial(AdversarialConfig(loss=loss, r1=1.0))
    terms = adversarial.discriminator(judged_by(Patches().double()), real, fake, 0)
    torch.stack(list(terms.values())).sum().backward()
    assert fake.grad is None


@pytest.mark.parametrize("loss", LOSSES)
def test_the_generators_term_reaches_the_fake(loss: str) -> None:
    fake = REAL_FAKE[1].clone().requires_grad_()
    terms = Adversarial(AdversarialConfig(loss=loss)).generator(judged_by(Patches().double()), fake, REAL_FAKE[0])
    terms["adversarial"].backward()
    assert fake.grad.any()


@pytest.mark.parametrize("loss", LOSSES)
def test_wgan_alone_clips_its_critics_once_they_have_moved(loss: str) -> None:
    critics = [Patches(), Patches()]
    before = nn.utils.parameters_to_vector(critics[1].parameters()).clone()
    Adversarial(AdversarialConfig(loss=loss, clip=0.01)).after_discriminator(*critics)
    after = nn.utils.parameters_to_vector(critics[1].parameters())
    torch.testing.assert_close(after, before.clamp(-0.01, 0.01) if loss == "wgan" else before)


def test_clipping_leaves_weights_within_the_limit_as_they_are() -> None:
    critic = nn.Linear(3, 1, bias=False)
    critic.weight.data = torch.tensor([[-1.0, 0.25, 1.0]])
    clip_weights(critic, 0.5)
    assert critic.weight.tolist() == [[-0.5, 0.25, 0.5]]


@REPEATABLE
@given(critic_steps=st.integers(1, 7))
def test_the_generator_plays_once_in_every_so_many_critic_steps(critic_steps: int) -> None:
    adversarial = Adversarial(AdversarialConfig(critic_steps=critic_steps))
    turns = [adversarial.generator_plays(step) for step in range(3 * critic_steps)]
    assert turns == [*[False] * (critic_steps - 1), True] * 3


@pytest.mark.parametrize(
    ("field", "value"),
    [("r1", -1.0), ("r1_every", 0), ("weight_gp", 0.0), ("clip", 0.0), ("critic_steps", 0), ("weight_features", -1.0),
     ("ada_target", 1.0), ("ada_pictures", 0)],
)  # fmt: skip
def test_an_option_out_of_its_range_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field} is {value!r}; it must be"):
        AdversarialConfig(**{field: value})


class Scales(nn.Module):
    """A critic of two scales, each a patch critic of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = Patches(), Patches()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.fine(x), self.coarse(F.avg_pool2d(x, 2))


@pytest.mark.parametrize("loss", LOSSES)
def test_each_scale_of_a_critic_plays_the_whole_game_and_the_terms_are_added_up(loss: str) -> None:
    critic, (real, fake) = Scales().double(), torch.rand(2, 2, 3, 8, 8, dtype=torch.float64).unbind()
    adversarial = Adversarial(AdversarialConfig(loss=loss, r1=2.0))

    def halved(x: Tensor) -> Tensor:
        return critic.coarse(F.avg_pool2d(x, 2))

    torch.manual_seed(1)
    terms = adversarial.discriminator(judged_by(critic), real, fake, 0)
    game = GAMES[loss]
    expected = game.discriminator(critic.fine(real), critic.fine(fake)) + game.discriminator(halved(real), halved(fake))
    torch.testing.assert_close(terms["adversarial"], expected)
    torch.testing.assert_close(terms["r1"], 2 * 16 * (r1(critic.fine, real) + r1(halved, real)))
    if loss == "wgan-gp":
        torch.manual_seed(1)
        mix = torch.rand(2, 1, 1, 1)
        each = [gradient_penalty(part, real, fake, mix) for part in (critic.fine, halved)]
        torch.testing.assert_close(terms["penalty"], 10 * sum(each))
    won = adversarial.generator(judged_by(critic), fake, real)["adversarial"]
    torch.testing.assert_close(won, game.generator(critic.fine(fake)) + game.generator(halved(fake)))


class Watched(Patches):
    """Notes the pictures it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return super().forward(x)

    def with_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        self.seen.append(x)
        inside = torch.tanh(self.first(x))
        return self.last(inside), [x, inside]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_critic_sees_nothing_but_augmented_pictures_in_either_turn(loss: str) -> None:
    critic = Watched().double()
    adversarial = Adversarial(AdversarialConfig(loss=loss, r1=1.0, augment="diffaugment"))
    judge, (real, fake) = Judge(critic, adversarial.augmentation()), REAL_FAKE
    adversarial.discriminator(judge, real, fake, 0)
    adversarial.generator(judge, fake, real)
    assert [len(x) for x in critic.seen] == [4, *[2] * (1 + GAMES[loss].penalised), 2]  # real and fake in one pass
    for x in torch.cat(critic.seen):
        assert not any(torch.equal(x, picture) for picture in torch.cat(REAL_FAKE))


def test_a_penalty_is_on_the_gradient_at_the_pictures_before_they_are_augmented() -> None:
    critic, real = Patches().double(), REAL_FAKE[0]
    judge = Judge(critic, DiffAugment())
    torch.manual_seed(3)
    found = r1(judge, real)
    torch.manual_seed(3)
    inputs = real.clone().requires_grad_()
    (slope,) = torch.autograd.grad(judge(inputs).flatten(1).mean(1).sum(), inputs)
    torch.testing.assert_close(found, slope.square().flatten(1).sum(1).mean() / 2)
    torch.autograd.grad(found, list(critic.parameters()), allow_unused=True)  # and can be trained on


@pytest.mark.parametrize(("loss", "middle"), [("lsgan", 0.5), ("hinge", 0), ("non-saturating", 0), ("minimax", 0)])
def test_ada_watches_the_judgements_of_real_pictures_from_the_middle_of_the_game(loss: str, middle: float) -> None:
    adversarial = Adversarial(AdversarialConfig(loss=loss, augment="ada", ada_target=0.7, ada_pictures=99))
    augment = adversarial.augmentation()
    assert isinstance(augment, AdaptiveAugment)
    assert (augment.middle, augment.target, augment.pictures) == (middle, 0.7, 99)
    critic = Patches()
    with torch.no_grad():
        critic.last.weight.zero_()
        critic.last.bias.fill_(middle + 0.1)
    pictures = torch.rand(3, 2, 3, 8, 8).unbind()
    adversarial.discriminator(Judge(critic, augment), pictures[0], pictures[1], 0)
    assert augment.sureness == 1
    adversarial.generator(Judge(critic, augment), pictures[2], pictures[0])
    assert augment.sureness == augment.batches == 1  # a turn of G tells it nothing


@pytest.mark.parametrize("loss", ["wgan", "wgan-gp"])
def test_ada_is_refused_where_the_sign_of_a_judgement_means_nothing(loss: str) -> None:
    with pytest.raises(ConfigError, match=rf"{loss}'s critic .* Use --augment diffaugment"):
        AdversarialConfig(loss=loss, augment="ada")


@pytest.mark.parametrize("given", [None, torch.zeros(2, 3, 4, 4).double()])
def test_features_are_matched_place_by_place_with_a_condition_and_in_the_mean_without(given: Tensor | None) -> None:
    critic, (real, fake) = Watched().double(), REAL_FAKE
    if given is not None:
        critic.first = nn.Conv2d(6, 2, 2).double()
    judge = Judge(critic, Augment(), given)
    terms = Adversarial(AdversarialConfig(weight_features=3.0)).generator(judge, fake, real)

    def layers(x: Tensor) -> list[Tensor]:
        return critic.with_features(x if given is None else torch.cat([given, x], 1))[1]

    distance = mean_matching if given is None else feature_matching
    torch.testing.assert_close(terms["features"], 3 * distance(layers(real), layers(fake)))
    plain = Adversarial(AdversarialConfig()).generator(judge, fake, real)
    assert plain.keys() == {"adversarial"}
    torch.testing.assert_close(terms["adversarial"], plain["adversarial"])


def test_features_of_real_and_fake_are_compared_under_the_same_augmentation() -> None:
    critic, real = Watched().double(), REAL_FAKE[0]
    adversarial = Adversarial(AdversarialConfig(weight_features=1.0, augment="diffaugment"))
    terms = adversarial.generator(Judge(critic, adversarial.augmentation()), real.clone(), real)
    assert terms["features"] == 0
    assert torch.equal(*critic.seen)
    assert not torch.equal(critic.seen[0], real)


def test_feature_matching_reaches_the_fake_and_not_the_real_side() -> None:
    critic = Watched().double()
    real, fake = (x.clone().requires_grad_() for x in REAL_FAKE)
    terms = Adversarial(AdversarialConfig(weight_features=1.0)).generator(judged_by(critic), fake, real)
    terms["features"].backward()
    assert fake.grad.any()
    assert real.grad is None
