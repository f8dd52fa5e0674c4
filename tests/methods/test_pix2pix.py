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
from i2i.losses.adversarial import AdversarialConfig
from i2i.losses.discriminator_input import AugmentedDiscriminator
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.methods.pix2pix import Pix2Pix, Pix2PixConfig
from i2i.networks import PatchGANConfig, ResnetConfig, UnetConfig
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.methods.helpers import gradient_step, merge_losses, random_batch, run_step, trainable

SIZE = 32
TINY = {
    "generator": UnetConfig(ngf=2, norm="instance", dropout=0.0, weight_init="kaiming"),
    "discriminator": PatchGANConfig(ndf=4, receptive_field=16, weight_init="kaiming"),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(**options: Any) -> Pix2Pix:
    return Pix2Pix(Pix2PixConfig(**{**TINY, **options}), SIZE)


def batch(count: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    return random_batch(count, SIZE, dtype=dtype)


def test_the_discriminator_moves_first_then_the_generator() -> None:
    assert [player for player, _ in run_step(tiny(), batch())] == ["D", "G"]


def test_the_losses_have_their_names() -> None:
    (_, D), (_, G) = run_step(tiny(), batch())
    assert list(D) == ["D/adversarial"]
    assert list(G) == ["G/adversarial", "G/l1"]


def test_generator_and_discriminator_have_a_player_each() -> None:
    method = tiny()
    assert method.players() == {"G": [method.G], "D": [method.D]}
    assert method.translators() == {"AtoB": method.G}
    assert method.generator_config() == TINY["generator"]


def reference_step(G: nn.Module, D: nn.Module, real_a: Tensor, real_b: Tensor, lr: float) -> dict[str, Tensor]:
    """One step of Pix2Pix, implemented independently from the paper."""

    def bce(images: Tensor, target: float) -> Tensor:
        logits = D(torch.cat((real_a, images), 1))
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    fake_b = G(real_a)
    terms = {"D/adversarial": 0.5 * (bce(real_b, 1.0) + bce(fake_b.detach(), 0.0))}
    gradient_step(trainable(D), terms["D/adversarial"], lr)
    terms |= {"G/adversarial": bce(fake_b, 1.0), "G/l1": 100 * (fake_b - real_b).abs().mean()}
    gradient_step(trainable(G), terms["G/adversarial"] + terms["G/l1"], lr)
    return terms


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_three_steps_equal_those_of_an_independent_implementation(norm: str) -> None:
    discriminator = PatchGANConfig(ndf=4, receptive_field=16, norm=norm, weight_init="kaiming")
    method = tiny(discriminator=discriminator).double()
    G, D = copy.deepcopy(method.G), copy.deepcopy(method.D)
    for step in range(3):
        images = batch(2, torch.float64)
        expected = reference_step(G, D, *images, lr=1e-3)
        losses = merge_losses(run_step(method, images, step, lr=1e-3))
        assert losses.keys() == expected.keys()
        for name, value in losses.items():
            assert value.item() == pytest.approx(expected[name].item(), abs=1e-10, rel=0), name


@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_a_turn_gives_no_gradient_to_the_other_player(loss: str) -> None:
    method = tiny(adversarial=AdversarialConfig(loss=loss, r1=1.0))
    for player, losses in method.turns(batch(), 0):
        moving, resting = (method.D, method.G) if player == "D" else (method.G, method.D)
        method.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=trainable(moving))
        assert all(weight.grad is not None for weight in trainable(moving))
        assert all(weight.grad is None for weight in resting.parameters())


def test_every_term_of_the_discriminator_is_halved() -> None:
    method, (real_a, real_b) = tiny(adversarial=AdversarialConfig(loss="wgan-gp", r1=1.0)), batch()
    torch.manual_seed(1)
    _, halved = next(method.turns((real_a, real_b), 0))

    discriminator = AugmentedDiscriminator(method.D, method.augment, condition=real_a)
    torch.manual_seed(1)
    terms = method.adversarial.discriminator(discriminator, real_b, method.G(real_a), 0)
    assert list(halved) == ["D/adversarial", "D/penalty", "D/r1"]
    for name, value in terms.items():
        torch.testing.assert_close(halved[f"D/{name}"], value / 2)


def test_the_discriminator_gets_condition_and_image_concatenated() -> None:
    method, (real_a, real_b) = tiny(), batch()
    inputs = []
    method.D.register_forward_hook(lambda _, args, __: inputs.append(args[0].detach()))
    fake_b = method.G(real_a).detach()
    run_step(method, (real_a, real_b))
    pairs = [torch.cat([real_a, image], 1) for image in (real_b, fake_b)]
    torch.testing.assert_close(inputs, [torch.cat(pairs), pairs[1]])  # one pass in the turn of D, one in that of G


def test_with_d_steps_5_the_generator_moves_at_every_fifth_step() -> None:
    method = tiny(adversarial=AdversarialConfig(loss="wgan", d_steps=5))
    order = ["".join(player for player, _ in run_step(method, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "DG"] * 2


def test_wgan_clips_the_discriminator_before_the_generator_moves() -> None:
    method = tiny(adversarial=AdversarialConfig(loss="wgan", weight_clip=0.02))
    turns = method.turns(batch(), 0)
    next(turns)
    next(turns)
    assert max(float(weight.detach().abs().max()) for weight in method.D.parameters()) == pytest.approx(0.02)


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
    [({"loss": "wgan-gp"}, "wgan-gp"), ({"loss": "hinge", "r1": 1.0}, "R1")],
)
def test_a_gradient_penalty_with_the_default_batch_norm_is_refused(adversarial: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"{message} penalises .* Add --d-norm instance"):
        merge(Pix2PixConfig(), {"adversarial": adversarial})
    merge(Pix2PixConfig(), {"adversarial": adversarial, "discriminator": {"norm": "none"}})


def test_in_bfloat16_the_generator_uses_the_updated_discriminator(
    paired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    settings = changes(paired, steps=1, lr=0.1, precision="bfloat16")
    trainer = launch.new_training("pix2pix", "paper", settings, "bfloat16", TrainingProgress())
    calls = []
    hook = trainer.method.D.register_forward_hook(lambda _, inputs, logits: calls.append((inputs[0], logits)))
    trainer.train()
    hook.remove()
    images, logits = calls[-1]  # in the turn of G
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(trainer.method.D(images), logits)


def test_a_resnet_generator_trains() -> None:
    method = tiny(generator=ResnetConfig(ngf=2, blocks=1))
    assert [player for player, _ in run_step(method, batch())] == ["D", "G"]


def test_samples_are_input_translation_and_target() -> None:
    method, (real_a, real_b) = tiny(), batch(2)
    samples = method.sample_images((real_a, real_b), method.translators())
    assert list(samples) == ["input", "translation", "target"]
    torch.testing.assert_close(samples["translation"], method.G(real_a))
