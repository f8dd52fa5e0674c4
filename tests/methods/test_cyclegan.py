import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.errors import ConfigError
from i2i.losses.adversarial import AdversarialConfig
from i2i.losses.discriminator_input import AugmentedDiscriminator
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.networks import IdentityConfig, PatchGANConfig, ResnetConfig
from tests.methods.helpers import gradient_step, merge_losses, random_batch, run_step, trainable

SIZE = 16
TINY = {
    "generator": ResnetConfig(ngf=4, blocks=1, weight_init="kaiming"),
    "discriminator": PatchGANConfig(ndf=4, receptive_field=16, weight_init="kaiming"),
}
G_TERMS = ["G/adversarial_b", "G/adversarial_a", "G/cycle_a", "G/cycle_b", "G/identity_b", "G/identity_a"]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(**options: Any) -> CycleGAN:
    return CycleGAN(CycleGANConfig(**{**TINY, **options}), SIZE)


def batch(count: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    return random_batch(count, SIZE, dtype=dtype)


def test_the_generators_move_first_then_the_discriminators() -> None:
    assert [player for player, _ in run_step(tiny(), batch())] == ["G", "D"]


def test_the_losses_have_their_names() -> None:
    (_, G), (_, D) = run_step(tiny(), batch())
    assert list(G) == G_TERMS
    assert list(D) == ["D/adversarial_a", "D/adversarial_b"]


def test_identity_is_not_computed_if_its_weight_is_0() -> None:
    method = tiny(weight_identity=0.0)
    calls = []
    method.G.register_forward_hook(lambda *_: calls.append(1))
    (_, losses), _ = run_step(method, batch())
    assert list(losses) == G_TERMS[:4]
    assert len(calls) == 2


def test_both_translators_and_both_discriminators_have_a_player() -> None:
    method = tiny()
    players = method.players()
    assert players == {"G": [method.G, method.F], "D": [method.D_A, method.D_B]}
    assert method.translators() == {"AtoB": method.G, "BtoA": method.F}
    assert method.generator_config() == TINY["generator"]
    weights = [id(weight) for modules in players.values() for module in modules for weight in module.parameters()]
    assert sorted(weights) == sorted(id(weight) for weight in method.parameters())


def reference_step(nets: nn.ModuleDict, real_a: Tensor, real_b: Tensor, lr: float) -> dict[str, Tensor]:
    """One step of CycleGAN, implemented independently from the paper."""
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
    gradient_step(trainable(G, F_), sum(terms.values()), lr)
    terms["D/adversarial_a"] = 0.5 * (mse(D_A(real_a), 1.0) + mse(D_A(fake_a.detach()), 0.0))
    terms["D/adversarial_b"] = 0.5 * (mse(D_B(real_b), 1.0) + mse(D_B(fake_b.detach()), 0.0))
    gradient_step(trainable(D_A, D_B), terms["D/adversarial_a"] + terms["D/adversarial_b"], lr)
    return terms


def test_three_steps_equal_those_of_an_independent_implementation() -> None:
    method = tiny().double()
    reference = copy.deepcopy(nn.ModuleDict({name: getattr(method, name) for name in ("G", "F", "D_A", "D_B")}))
    for step in range(3):
        images = batch(2, torch.float64)
        expected = reference_step(reference, *images, lr=0.01)
        losses = merge_losses(run_step(method, images, step))
        assert losses.keys() == expected.keys()
        for name, value in losses.items():
            assert value.item() == pytest.approx(expected[name].item(), abs=1e-10, rel=0), name


@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_a_turn_gives_no_gradient_to_the_other_player(loss: str) -> None:
    method = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    method.prepare_step(1)
    for player, losses in method.turns(batch(), 0):
        moving, resting = method.players()[player], method.players()["D" if player == "G" else "G"]
        method.zero_grad(set_to_none=True)
        weights = trainable(*moving)
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        assert all(weight.grad is not None for weight in weights)
        assert all(weight.grad is None for module in resting for weight in module.parameters())


def test_every_term_of_the_discriminators_is_halved() -> None:
    method = tiny(adversarial=AdversarialConfig(loss="wgan-gp", r1=1.0), pool_size=0)
    images = batch()
    turns = method.turns(images, 0)
    next(turns)
    torch.manual_seed(1)
    _, halved = next(turns)
    torch.manual_seed(1)
    for domain, network, real, fake in [
        ("a", method.D_A, images[0], method.F(images[1])),
        ("b", method.D_B, images[1], method.G(images[0])),
    ]:
        discriminator = AugmentedDiscriminator(network, method.augment_a)
        for name, term in method.adversarial.discriminator(discriminator, real, fake, 0).items():
            torch.testing.assert_close(halved[f"D/{name}_{domain}"], term / 2)
    assert len(halved) == 6


def test_with_d_steps_5_the_generators_move_at_every_fifth_step() -> None:
    method = tiny(adversarial=AdversarialConfig(loss="wgan", d_steps=5))
    order = ["".join(player for player, _ in run_step(method, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "GD"] * 2


def test_wgan_clips_both_discriminators() -> None:
    method = tiny(adversarial=AdversarialConfig(loss="wgan", weight_clip=0.02))
    run_step(method, batch())
    for discriminator in (method.D_A, method.D_B):
        assert max(float(weight.detach().abs().max()) for weight in discriminator.parameters()) == pytest.approx(0.02)


@pytest.mark.parametrize("loss", GAN_LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_adversarial_loss_trains_a_step_with_finite_losses(loss: str, dtype: torch.dtype) -> None:
    method = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    before = nn.utils.parameters_to_vector(method.parameters()).detach().clone()
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        turns = run_step(method, batch(2))
    assert all(value.isfinite() for _, losses in turns for value in losses.values())
    after = nn.utils.parameters_to_vector(method.parameters())
    assert after.isfinite().all()
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    ("adversarial", "message"),
    [(AdversarialConfig(loss="wgan-gp"), "wgan-gp"), (AdversarialConfig(loss="hinge", r1=1.0), "R1")],
)
def test_a_gradient_penalty_with_batch_norm_is_refused(adversarial: AdversarialConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"{message} penalises .* Add --d-norm instance"):
        CycleGANConfig(discriminator=PatchGANConfig(norm="batch"), adversarial=adversarial)
    CycleGANConfig(discriminator=PatchGANConfig(norm="batch"), adversarial=AdversarialConfig(loss="wgan"))


def test_images_too_small_for_the_discriminator_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs images of at least 24 px; size is 16"):
        CycleGAN(CycleGANConfig(generator=TINY["generator"]), SIZE)


def test_a_cyclegan_of_identities_reconstructs_its_input() -> None:
    method, (real_a, real_b) = tiny(generator=IdentityConfig()), batch()
    _, losses = next(method.turns((real_a, real_b), 0))
    assert losses["G/cycle_a"] == losses["G/identity_b"] == 0


def test_samples_are_both_directions_and_their_reconstructions() -> None:
    method, (real_a, real_b) = tiny(), batch(2)
    samples = method.sample_images((real_a, real_b), method.translators())
    assert list(samples) == ["A", "A to B", "back to A", "B", "B to A", "back to B"]
    assert all(images.shape == (2, 3, SIZE, SIZE) for images in samples.values())
    torch.testing.assert_close(samples["back to A"], method.F(method.G(real_a)))


def test_the_pools_are_in_the_state_of_the_method() -> None:
    method = tiny(pool_size=3)
    run_step(method, batch())
    state = method.state_dict()
    assert int(state["pool_a._extra_state"]) == int(state["pool_b._extra_state"]) == 1
    assert state["pool_a.pictures"].shape == (3, 3, SIZE, SIZE)


def test_the_discriminators_get_stored_fakes() -> None:
    method = tiny(pool_size=1)
    method.pool_a.prepare_step(1)
    method.pool_a.query(torch.zeros(1, 3, SIZE, SIZE))
    last_is_zero = []
    method.D_A.register_forward_hook(lambda _, inputs, __: last_is_zero.append(bool((inputs[0][-1] == 0).all())))
    for step in range(8):
        method.pool_a.pictures.zero_()
        run_step(method, batch(), step, lr=0.0)
    d_turns = last_is_zero[1::2]  # in each step first the turn of G, then that of D, with the fake as its last image
    assert True in d_turns
    assert False in d_turns
