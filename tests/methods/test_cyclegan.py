import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.errors import ConfigError
from i2i.losses.adversarial import GAMES, AdversarialConfig
from i2i.losses.discriminator_input import Judge
from i2i.methods.cyclegan import CycleGAN, CycleGANConfig, ImagePool
from i2i.networks import IdentityConfig, PatchGANConfig, ResnetConfig

SIZE = 16
TINY = {
    "generator": ResnetConfig(ngf=4, blocks=1, init="kaiming"),
    "discriminator": PatchGANConfig(ndf=4, receptive_field=16, init="kaiming"),
}
G_TERMS = ["G/adversarial_b", "G/adversarial_a", "G/cycle_a", "G/cycle_b", "G/identity_b", "G/identity_a"]
Played = list[tuple[str, dict[str, Tensor]]]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(**options: Any) -> CycleGAN:
    return CycleGAN(CycleGANConfig(**{**TINY, **options}), SIZE)


def batch(count: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return (
        torch.rand(count, 3, SIZE, SIZE, dtype=dtype) * 2 - 1,
        torch.rand(count, 3, SIZE, SIZE, dtype=dtype) * 2 - 1,
    )


def trained(module: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in module.parameters() if weight.requires_grad]


def play(objective: CycleGAN, pictures: tuple[Tensor, Tensor], step: int = 0, lr: float = 0.01) -> Played:
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


def test_the_generators_move_first_then_the_critics() -> None:
    assert [player for player, _ in play(tiny(), batch())] == ["G", "D"]


def test_the_terms_have_their_names() -> None:
    (_, G), (_, D) = play(tiny(), batch())
    assert list(G) == G_TERMS
    assert list(D) == ["D/adversarial_a", "D/adversarial_b"]


def test_identity_is_skipped_when_its_weight_is_0() -> None:
    objective = tiny(weight_identity=0.0)
    calls = []
    objective.G.register_forward_hook(lambda *_: calls.append(1))
    (_, losses), _ = play(objective, batch())
    assert list(losses) == G_TERMS[:4]
    assert len(calls) == 2


def test_both_translators_and_both_critics_have_a_player() -> None:
    objective = tiny()
    players = objective.players()
    assert players == {"G": [objective.G, objective.F], "D": [objective.D_A, objective.D_B]}
    assert objective.translators() == {"AtoB": objective.G, "BtoA": objective.F}
    assert objective.generator_config() == TINY["generator"]
    held = [id(weight) for modules in players.values() for module in modules for weight in module.parameters()]
    assert sorted(held) == sorted(id(weight) for weight in objective.parameters())


def reference_step(nets: nn.ModuleDict, real_a: Tensor, real_b: Tensor, lr: float) -> dict[str, Tensor]:
    """One step of CycleGAN written down a second time, from the paper, with nothing shared."""
    G, F_, D_A, D_B = nets["G"], nets["F"], nets["D_A"], nets["D_B"]

    def mse(logits: Tensor, target: float) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, target))

    fake_b, fake_a = G(real_a), F_(real_b)
    terms = {
        "G/adversarial_b": mse(D_B(fake_b), 1.0),
        "G/adversarial_a": mse(D_A(fake_a), 1.0),
        "G/cycle_a": 10 * (F_(fake_b) - real_a).abs().mean(),
        "G/cycle_b": 10 * (G(fake_a) - real_b).abs().mean(),
        "G/identity_b": 10 * 0.5 * (G(real_b) - real_b).abs().mean(),
        "G/identity_a": 10 * 0.5 * (F_(real_a) - real_a).abs().mean(),
    }
    descend([*trained(G), *trained(F_)], sum(terms.values()), lr)
    terms["D/adversarial_a"] = 0.5 * (mse(D_A(real_a), 1.0) + mse(D_A(fake_a.detach()), 0.0))
    terms["D/adversarial_b"] = 0.5 * (mse(D_B(real_b), 1.0) + mse(D_B(fake_b.detach()), 0.0))
    descend([*trained(D_A), *trained(D_B)], terms["D/adversarial_a"] + terms["D/adversarial_b"], lr)
    return terms


def descend(weights: list[nn.Parameter], loss: Tensor, lr: float) -> None:
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data -= lr * slope


def test_three_steps_equal_those_of_an_independent_implementation() -> None:
    objective = tiny().double()
    twin = copy.deepcopy(nn.ModuleDict({name: getattr(objective, name) for name in ("G", "F", "D_A", "D_B")}))
    for step in range(3):
        pictures = batch(2, torch.float64)
        expected = reference_step(twin, *pictures, lr=0.01)
        found = {name: value for _, losses in play(objective, pictures, step) for name, value in losses.items()}
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert value.item() == pytest.approx(expected[name].item(), abs=1e-10, rel=0), name


@pytest.mark.parametrize("loss", GAMES)
def test_a_turn_leaves_the_gradients_of_the_other_player_untouched(loss: str) -> None:
    objective = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    objective.draw(1)
    for player, losses in objective.turns(batch(), 0):
        mine, other = objective.players()[player], objective.players()["D" if player == "G" else "G"]
        objective.zero_grad(set_to_none=True)
        weights = [weight for module in mine for weight in trained(module)]
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        assert all(weight.grad is not None for weight in weights)
        assert all(weight.grad is None for module in other for weight in module.parameters())


def test_every_term_of_the_critics_is_halved() -> None:
    objective = tiny(adversarial=AdversarialConfig(loss="wgan-gp", r1=1.0), pool=0)
    pictures = batch()
    turns = objective.turns(pictures, 0)
    next(turns)
    torch.manual_seed(1)
    _, halved = next(turns)
    torch.manual_seed(1)
    for domain, critic, real, fake in [
        ("a", objective.D_A, pictures[0], objective.F(pictures[1])),
        ("b", objective.D_B, pictures[1], objective.G(pictures[0])),
    ]:
        judge = Judge(critic, objective.augment_a)
        for name, whole in objective.adversarial.discriminator(judge, real, fake, 0).items():
            torch.testing.assert_close(halved[f"D/{name}_{domain}"], whole / 2)
    assert len(halved) == 6


def test_with_five_critic_steps_the_generators_move_at_every_fifth() -> None:
    objective = tiny(adversarial=AdversarialConfig(loss="wgan", critic_steps=5))
    order = ["".join(player for player, _ in play(objective, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "GD"] * 2


def test_wgan_leaves_both_critics_within_its_limit() -> None:
    objective = tiny(adversarial=AdversarialConfig(loss="wgan", clip=0.02))
    play(objective, batch())
    for critic in (objective.D_A, objective.D_B):
        assert max(float(weight.detach().abs().max()) for weight in critic.parameters()) == pytest.approx(0.02)


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
    [(AdversarialConfig(loss="wgan-gp"), "wgan-gp"), (AdversarialConfig(loss="hinge", r1=1.0), "R1")],
)
def test_a_gradient_penalty_on_a_critic_with_batch_norm_is_refused(adversarial: AdversarialConfig, named: str) -> None:
    with pytest.raises(ConfigError, match=rf"{named} penalises .* Add --d-norm instance"):
        CycleGANConfig(discriminator=PatchGANConfig(norm="batch"), adversarial=adversarial)
    CycleGANConfig(discriminator=PatchGANConfig(norm="batch"), adversarial=AdversarialConfig(loss="wgan"))


def test_pictures_too_small_for_the_critic_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs images of at least 24 px; size is 16"):
        CycleGAN(CycleGANConfig(generator=TINY["generator"]), SIZE)


def test_a_cyclegan_of_identities_gives_the_input_back() -> None:
    objective, (real_a, real_b) = tiny(generator=IdentityConfig()), batch()
    _, losses = next(objective.turns((real_a, real_b), 0))
    assert losses["G/cycle_a"] == losses["G/identity_b"] == 0


def test_samples_show_both_directions_and_the_way_back() -> None:
    objective, (real_a, real_b) = tiny(), batch(2)
    shown = objective.samples((real_a, real_b), objective.translators())
    assert list(shown) == ["A", "A to B", "back to A", "B", "B to A", "back to B"]
    assert all(pictures.shape == (2, 3, SIZE, SIZE) for pictures in shown.values())
    torch.testing.assert_close(shown["back to A"], objective.F(objective.G(real_a)))


def numbered(first: int, count: int) -> Tensor:
    """``count`` pictures of one pixel, each of its own value."""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 1, 1)


def exchange(pool: ImagePool, fakes: Tensor) -> Tensor:
    pool.draw(len(fakes))
    return pool.exchange(fakes)


def test_the_pool_returns_each_fake_itself_while_it_fills() -> None:
    pool = ImagePool(50, 1)
    assert torch.equal(exchange(pool, numbered(0, 50)), numbered(0, 50))
    assert torch.equal(pool.pictures, numbered(0, 50))
    assert pool.filled == 50


def test_a_full_pool_shows_an_older_fake_half_of_the_time() -> None:
    pool = ImagePool(50, 1)
    exchange(pool, numbered(0, 50))
    shown = exchange(pool, numbered(50, 2000))
    assert (shown != numbered(50, 2000))[:, 0, 0, 0].float().mean().item() == pytest.approx(0.5, abs=0.04)


def test_the_pool_neither_loses_nor_doubles_a_fake() -> None:
    pool = ImagePool(5, 1)
    shown = [exchange(pool, numbered(4 * turn, 4)) for turn in range(25)]
    first = torch.cat(shown)[5:, 0, 0, 0].tolist()  # the first five are shown and kept
    assert sorted(first + pool.pictures[:, 0, 0, 0].tolist()) == list(range(100))


def test_the_pool_picks_every_slot() -> None:
    pool = ImagePool(5, 1)
    exchange(pool, numbered(0, 5))
    exchange(pool, numbered(5, 200))
    assert (pool.pictures >= 5).all()


def test_a_pool_of_0_returns_the_fakes() -> None:
    fakes = numbered(0, 3)
    assert ImagePool(0, 1).exchange(fakes) is fakes


def test_a_pool_goes_on_exactly_from_its_saved_buffers() -> None:
    pool, resumed = ImagePool(5, 1), ImagePool(5, 1)
    exchange(pool, numbered(0, 20))
    resumed.load_state_dict(pool.state_dict())
    answers = []
    for each in (pool, resumed):
        torch.manual_seed(3)
        answers.append(exchange(each, numbered(20, 20)))
    assert torch.equal(*answers)
    assert torch.equal(pool.pictures, resumed.pictures)


def test_the_pools_are_part_of_the_objectives_state() -> None:
    objective = tiny(pool=3)
    play(objective, batch())
    state = objective.state_dict()
    assert int(state["pool_a._extra_state"]) == int(state["pool_b._extra_state"]) == 1
    assert state["pool_a.pictures"].shape == (3, 3, SIZE, SIZE)


def test_the_critics_see_the_pools_fakes() -> None:
    objective = tiny(pool=1)
    exchange(objective.pool_a, torch.zeros(1, 3, SIZE, SIZE))
    seen = []
    objective.D_A.register_forward_hook(lambda _, inputs, __: seen.append(bool((inputs[0][-1] == 0).all())))
    for step in range(8):
        objective.pool_a.pictures.zero_()
        play(objective, batch(), step, lr=0.0)
    judged = seen[1::2]  # G's turn, then D's on the real picture and, last, on the pool's
    assert True in judged
    assert False in judged
