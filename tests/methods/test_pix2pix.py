import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import merge
from i2i.errors import ConfigError
from i2i.losses.adversarial import GAMES, AdversarialConfig
from i2i.losses.discriminator_input import Judge
from i2i.methods.pix2pix import Pix2Pix, Pix2PixConfig
from i2i.networks import PatchGANConfig, ResnetConfig, UnetConfig
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress

SIZE = 32
TINY = {
    "generator": UnetConfig(ngf=2, norm="instance", dropout=0.0, init="kaiming"),
    "discriminator": PatchGANConfig(ndf=4, receptive_field=16, init="kaiming"),
}
Played = list[tuple[str, dict[str, Tensor]]]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(**options: Any) -> Pix2Pix:
    return Pix2Pix(Pix2PixConfig(**{**TINY, **options}), SIZE)


def batch(count: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return (
        torch.rand(count, 3, SIZE, SIZE, dtype=dtype) * 2 - 1,
        torch.rand(count, 3, SIZE, SIZE, dtype=dtype) * 2 - 1,
    )


def trained(module: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in module.parameters() if weight.requires_grad]


def play(objective: Pix2Pix, pictures: tuple[Tensor, Tensor], step: int = 0, lr: float = 0.01) -> Played:
    """One step, the trainer's way."""
    played = []
    objective.draw(len(pictures[0]))
    for player, losses in objective.turns(pictures, step):
        weights = [weight for module in objective.players()[player] for weight in trained(module)]
        optimizer = torch.optim.SGD(weights, lr)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        optimizer.step()
        played.append((player, losses))
    return played


def test_the_critic_moves_first_then_the_generator() -> None:
    assert [player for player, _ in play(tiny(), batch())] == ["D", "G"]


def test_the_terms_have_their_names() -> None:
    (_, D), (_, G) = play(tiny(), batch())
    assert list(D) == ["D/adversarial"]
    assert list(G) == ["G/adversarial", "G/l1"]


def test_generator_and_critic_have_a_player_each() -> None:
    objective = tiny()
    assert objective.players() == {"G": [objective.G], "D": [objective.D]}
    assert objective.translators() == {"AtoB": objective.G}
    assert objective.generator_config() == TINY["generator"]


def reference_step(G: nn.Module, D: nn.Module, real_a: Tensor, real_b: Tensor, lr: float) -> dict[str, Tensor]:
    """One step of Pix2Pix written down a second time, from the paper, with nothing shared."""

    def bce(pictures: Tensor, target: float) -> Tensor:
        logits = D(torch.cat((real_a, pictures), 1))
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    fake_b = G(real_a)
    terms = {"D/adversarial": 0.5 * (bce(real_b, 1.0) + bce(fake_b.detach(), 0.0))}
    descend(trained(D), terms["D/adversarial"], lr)
    terms |= {"G/adversarial": bce(fake_b, 1.0), "G/l1": 100 * (fake_b - real_b).abs().mean()}
    descend(trained(G), terms["G/adversarial"] + terms["G/l1"], lr)
    return terms


def descend(weights: list[nn.Parameter], loss: Tensor, lr: float) -> None:
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data -= lr * slope


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_three_steps_equal_those_of_an_independent_implementation(norm: str) -> None:
    critic = PatchGANConfig(ndf=4, receptive_field=16, norm=norm, init="kaiming")
    objective = tiny(discriminator=critic).double()
    G, D = copy.deepcopy(objective.G), copy.deepcopy(objective.D)
    for step in range(3):
        pictures = batch(2, torch.float64)
        expected = reference_step(G, D, *pictures, lr=1e-3)
        found = {
            name: value for _, losses in play(objective, pictures, step, lr=1e-3) for name, value in losses.items()
        }
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert value.item() == pytest.approx(expected[name].item(), abs=1e-10, rel=0), name


@pytest.mark.parametrize("loss", GAMES)
def test_a_turn_leaves_the_gradients_of_the_other_player_untouched(loss: str) -> None:
    objective = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    for player, losses in objective.turns(batch(), 0):
        mine, other = (objective.D, objective.G) if player == "D" else (objective.G, objective.D)
        objective.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=trained(mine))
        assert all(weight.grad is not None for weight in trained(mine))
        assert all(weight.grad is None for weight in other.parameters())


def test_every_term_of_the_critic_is_halved() -> None:
    objective, (real_a, real_b) = tiny(adversarial=AdversarialConfig(loss="wgan-gp", r1=1.0)), batch()
    torch.manual_seed(1)
    _, halved = next(objective.turns((real_a, real_b), 0))

    judge = Judge(objective.D, objective.augment, given=real_a)
    torch.manual_seed(1)
    whole = objective.adversarial.discriminator(judge, real_b, objective.G(real_a), 0)
    assert list(halved) == ["D/adversarial", "D/penalty", "D/r1"]
    for name, value in whole.items():
        torch.testing.assert_close(halved[f"D/{name}"], value / 2)


def test_the_critic_judges_condition_and_picture_together() -> None:
    objective, (real_a, real_b) = tiny(), batch()
    seen = []
    objective.D.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    fake_b = objective.G(real_a).detach()
    play(objective, (real_a, real_b))
    pairs = [torch.cat([real_a, judged], 1) for judged in (real_b, fake_b)]
    torch.testing.assert_close(seen, [torch.cat(pairs), pairs[1]])  # D's turn in one pass, then G's


def test_with_five_critic_steps_the_generator_moves_at_every_fifth() -> None:
    objective = tiny(adversarial=AdversarialConfig(loss="wgan", critic_steps=5))
    order = ["".join(player for player, _ in play(objective, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "DG"] * 2


def test_wgan_clips_the_critic_before_the_generator_moves() -> None:
    objective = tiny(adversarial=AdversarialConfig(loss="wgan", clip=0.02))
    turns = objective.turns(batch(), 0)
    next(turns)
    next(turns)
    assert max(float(weight.detach().abs().max()) for weight in objective.D.parameters()) == pytest.approx(0.02)


@pytest.mark.parametrize("loss", GAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_adversarial_loss_trains_a_step_with_finite_losses(loss: str, dtype: torch.dtype) -> None:
    objective = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    before = nn.utils.parameters_to_vector(objective.parameters()).detach().clone()
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        played = play(objective, batch(2))
    assert all(value.isfinite() for _, losses in played for value in losses.values())
    after = nn.utils.parameters_to_vector(objective.parameters())
    assert after.isfinite().all()
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    ("adversarial", "named"),
    [({"loss": "wgan-gp"}, "wgan-gp"), ({"loss": "hinge", "r1": 1.0}, "R1")],
)
def test_a_gradient_penalty_on_the_default_critic_is_refused_for_its_batch_norm(
    adversarial: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigError, match=rf"{named} penalises .* Add --d-norm instance"):
        merge(Pix2PixConfig(), {"adversarial": adversarial})
    merge(Pix2PixConfig(), {"adversarial": adversarial, "discriminator": {"norm": "none"}})


def test_in_bfloat16_too_the_generator_plays_against_the_critic_that_has_moved(
    paired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    settings = changes(paired, steps=1, lr=0.1, precision="bfloat16")
    trainer = launch.start("pix2pix", "paper", settings, "moved", TrainingProgress())
    judged = []
    hook = trainer.objective.D.register_forward_hook(lambda _, inputs, logits: judged.append((inputs[0], logits)))
    trainer.train()
    hook.remove()
    pictures, logits = judged[-1]  # G's turn, the last
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(trainer.objective.D(pictures), logits)


def test_a_resnet_translates_pairs_as_well() -> None:
    objective = tiny(generator=ResnetConfig(ngf=2, blocks=1))
    assert [player for player, _ in play(objective, batch())] == ["D", "G"]


def test_samples_show_input_translation_and_truth() -> None:
    objective, (real_a, real_b) = tiny(), batch(2)
    shown = objective.samples((real_a, real_b), objective.translators())
    assert list(shown) == ["input", "translation", "truth"]
    torch.testing.assert_close(shown["translation"], objective.G(real_a))
