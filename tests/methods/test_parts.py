"""Augmentation, feature matching, scales, projection and perceptual loss in every method with a discriminator."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.config import merge
from i2i.errors import ConfigError
from i2i.losses.perceptual import LPIPSLoss
from i2i.methods.base import Method
from i2i.methods.cut import CUTConfig
from i2i.methods.cyclegan import CycleGANConfig
from i2i.methods.gan import GANConfig
from i2i.methods.pix2pix import Pix2PixConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    MLPConfig,
    MLPDiscriminatorConfig,
    MLPGeneratorConfig,
    PatchGANConfig,
    ResnetConfig,
    UnetConfig,
)
from tests.methods.helpers import merge_losses, random_batch, run_step, trainable

SIZE = 32
RESNET = ResnetConfig(ngf=2, blocks=1, weight_init="kaiming")
UNET = UnetConfig(ngf=2, norm="instance", dropout=0.0, weight_init="kaiming")
PATCHGAN = PatchGANConfig(ndf=2, receptive_field=16, weight_init="kaiming")
DCGAN = DCGANConfig(
    generator=DCGANGeneratorConfig(latent=5, ngf=2, weight_init="kaiming"),
    discriminator=DCGANDiscriminatorConfig(ndf=2, norm="none", weight_init="kaiming"),
)
MLP = MLPConfig(
    generator=MLPGeneratorConfig(latent=5, width=8, weight_init="kaiming"),
    discriminator=MLPDiscriminatorConfig(width=4, maxout_pieces=2, weight_init="kaiming"),
)
CONFIGS: dict[str, Any] = {
    "cyclegan": CycleGANConfig(generator=RESNET, discriminator=PATCHGAN, pool_size=3),
    "cut": CUTConfig(generator=RESNET, discriminator=PATCHGAN, nce_layers="0,2", nce_num_patches=4, nce_dim=8),
    "pix2pix": Pix2PixConfig(generator=UNET, discriminator=PATCHGAN),
    "dcgan": GANConfig(networks=DCGAN),
    "mlp": GANConfig(networks=MLP),
}
WITH_PATCHGAN = ("cyclegan", "cut", "pix2pix")
WITH_PERCEPTUAL = ("cyclegan", "pix2pix")
PARTS: dict[str, dict[str, Any]] = {
    "diffaugment": {"adversarial": {"augment": "diffaugment"}},
    "ada": {"adversarial": {"augment": "ada", "ada_images": 10}},
    "features": {"adversarial": {"weight_feature_matching": 10.0}},
    "scales": {"discriminator": {"scales": 2}},
    "projected": {"discriminator": {"network": "projected", "ndf": 2, "receptive_field": 16, "head_width": 4}},
    "perceptual": {"weight_perceptual": 1.0},
    "combined": {"adversarial": {"augment": "ada", "weight_feature_matching": 10.0, "r1": 1.0, "r1_every": 2},
             "discriminator": {"scales": 2}},
}  # fmt: skip
METHODS_WITH = {
    "scales": WITH_PATCHGAN,
    "projected": WITH_PATCHGAN,
    "combined": WITH_PATCHGAN,
    "perceptual": WITH_PERCEPTUAL,
}
CASES = [(name, part) for part in PARTS for name in METHODS_WITH.get(part, tuple(CONFIGS))]


@pytest.fixture(autouse=True)
def _seed(perceptual_weights: Path) -> None:
    torch.manual_seed(0)


def build_method(name: str, part: str, **changes: Any) -> Method:
    return merge(merge(CONFIGS[name], PARTS[part]), changes).build(SIZE)


def batch(name: str, count: int = 2) -> tuple[Tensor, ...]:
    return random_batch(count, SIZE, domains=1 if name in ("dcgan", "mlp") else 2)


@pytest.mark.parametrize(("name", "part"), CASES)
def test_a_turn_has_finite_losses_and_moves_only_its_player(name: str, part: str) -> None:
    method = build_method(name, part)
    method.prepare_step(2)
    turns = 0
    for player, losses in method.turns(batch(name), 0):
        assert all(value.isfinite() for value in losses.values())
        before = copy.deepcopy(dict(method.named_parameters()))
        weights = trainable(*method.players()[player])
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        torch.optim.SGD(weights, 1e-3).step()
        changed = {id(weight) for key, weight in method.named_parameters() if not torch.equal(weight, before[key])}
        assert changed
        assert changed <= {id(weight) for weight in weights}
        method.zero_grad(set_to_none=True)
        turns += 1
    assert turns == 2


@pytest.mark.parametrize(("name", "part"), CASES)
def test_a_step_in_bfloat16_keeps_every_weight_finite(name: str, part: str) -> None:
    method = build_method(name, part)
    with torch.autocast("cpu", torch.bfloat16):
        turns = run_step(method, batch(name))
    assert all(value.isfinite() for _, losses in turns for value in losses.values())
    assert all(weight.isfinite().all() for weight in method.parameters())


@pytest.mark.parametrize(("name", "part"), CASES)
def test_a_method_resumes_exactly_from_its_state(name: str, part: str) -> None:
    original, resumed = build_method(name, part).double(), build_method(name, part).double()
    steps = 5 if part in ("ada", "combined") else 2  # past an adjustment of ADA; with a full pool
    batches = [tuple(x.double() for x in batch(name)) for _ in range(steps + 1)]
    for step in range(steps):
        run_step(original, batches[step], step)
    resumed.load_state_dict(original.state_dict())
    losses = []
    for method in (original, resumed):
        torch.manual_seed(4)
        if isinstance(getattr(method, "pool_a", None), nn.Module):
            method.pool_a.capacity = method.pool_b.capacity = 0  # the pool draws from the generator of the host
        losses.append(merge_losses(run_step(method, batches[steps], steps)))
    expected, actual = losses
    assert expected.keys() == actual.keys()
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())


@pytest.mark.parametrize("name", CONFIGS)
def test_a_disabled_part_has_no_key_in_the_state(name: str) -> None:
    plain = CONFIGS[name].build(SIZE)
    assert not any(word in key for key in plain.state_dict() for word in ("augment", "perceptual", "critics"))
    assert build_method(name, "diffaugment").state_dict().keys() == plain.state_dict().keys()
    assert build_method(name, "features").state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("name", WITH_PERCEPTUAL)
def test_the_perceptual_network_is_in_no_state_and_has_no_player(name: str) -> None:
    method = build_method(name, "perceptual")
    assert isinstance(method.perceptual, LPIPSLoss)
    assert method.state_dict().keys() == CONFIGS[name].build(SIZE).state_dict().keys()
    buffers = {id(value) for value in method.perceptual.buffers()}
    assert buffers
    trained = [*method.players().values(), list(method.translators().values())]
    assert not buffers & {id(value) for modules in trained for module in modules for value in module.buffers()}


@pytest.mark.parametrize(
    ("name", "part", "terms"),
    [
        ("pix2pix", "features", ["G/adversarial", "G/features", "G/l1"]),
        ("pix2pix", "perceptual", ["G/adversarial", "G/l1", "G/perceptual"]),
        ("cyclegan", "features", ["G/adversarial_b", "G/features_b", "G/adversarial_a", "G/features_a", "G/cycle_a"]),
        ("cyclegan", "perceptual", [*(f"G/adversarial_{d}" for d in "ba"), "G/cycle_a", "G/perceptual_a", "G/cycle_b",
                                    "G/perceptual_b"]),
        ("cut", "features", ["G/adversarial", "G/features", "G/nce"]),
        ("dcgan", "features", ["G/adversarial", "G/features"]),
    ],
)  # fmt: skip
def test_the_losses_have_their_names(name: str, part: str, terms: list[str]) -> None:
    losses = dict(run_step(build_method(name, part), batch(name)))["G"]
    assert list(losses)[: len(terms)] == terms


@pytest.mark.parametrize("name", WITH_PERCEPTUAL)
def test_the_perceptual_loss_is_the_weighted_distance_to_the_target_or_of_the_reconstruction(name: str) -> None:
    method, images = build_method(name, "perceptual", weight_perceptual=3.0).double(), batch(name)
    method.perceptual.stride = 1  # compare whole images
    real_a, real_b = (x.double() for x in images)
    fake_b = method.G(real_a)
    if name == "cyclegan":
        pair, key = (method.F(fake_b), real_a), "G/perceptual_a"
    else:
        pair, key = (fake_b, real_b), "G/perceptual"
    method.prepare_step(2)
    losses = merge_losses(method.turns((real_a, real_b), 0))
    torch.testing.assert_close(losses[key], 3 * method.perceptual(*pair))


@pytest.mark.parametrize("name", WITH_PERCEPTUAL)
def test_the_perceptual_loss_refuses_images_that_are_too_small(name: str) -> None:
    with pytest.raises(ConfigError, match="at least 31 px; size is 16"):
        merge(CONFIGS[name], PARTS["perceptual"]).build(16)


@pytest.mark.parametrize("name", CONFIGS)
def test_reconstructions_distances_and_samples_are_not_augmented(name: str) -> None:
    method, images = build_method(name, "diffaugment"), batch(name)
    plain = CONFIGS[name].build(SIZE)
    plain.load_state_dict(method.state_dict())
    loss_names = {"cyclegan": ["G/cycle_a", "G/identity_b"], "pix2pix": ["G/l1"]}.get(name, [])
    results = []
    for item in (method, plain):
        item.prepare_step(2)
        losses = merge_losses(item.turns(images, 0))
        torch.manual_seed(1)
        samples = item.sample_images(images, item.translators()) if name != "mlp" else {}
        results.append([losses[key] for key in loss_names] + list(samples.values()))
    if name != "dcgan":  # its latents are drawn after the parameters of the augmentation
        assert all(torch.equal(augmented, expected) for augmented, expected in zip(*results, strict=True))


def test_each_discriminator_of_a_cyclegan_has_its_own_augmentation() -> None:
    method = build_method("cyclegan", "ada")
    with torch.no_grad():  # D_A classifies every image as real, D_B as fake
        for discriminator, bias in ((method.D_A, 9.0), (method.D_B, -9.0)):
            discriminator.to_logits.weight.zero_()
            discriminator.to_logits.bias.fill_(bias)
    for step in range(4):
        run_step(method, batch("cyclegan"), step, lr=0)
    assert method.augment_a.p.item() == pytest.approx(2 * 4 / 10)
    assert method.augment_b.p == 0


@pytest.mark.parametrize("name", WITH_PATCHGAN)
def test_wgan_clips_the_weights_of_every_scale(name: str) -> None:
    method = build_method(name, "scales", adversarial={"loss": "wgan", "weight_clip": 0.02})
    run_step(method, batch(name))
    weights = trainable(*method.players()["D"])
    assert max(float(weight.detach().abs().max()) for weight in weights) == pytest.approx(0.02)


def test_both_images_of_a_pair_get_the_same_augmentation() -> None:
    method, (real_a, real_b) = build_method("pix2pix", "diffaugment"), batch("pix2pix")
    inputs = []
    method.D.register_forward_hook(lambda _, args, __: inputs.append(args[0].detach()))
    method.G.register_forward_hook(lambda _, args, __: args[0])  # G returns its input
    run_step(method, (real_a, real_b), lr=0)
    real, fake = inputs[0].split(2)
    assert torch.equal(fake[:, :3], fake[:, 3:])
    assert not torch.equal(real[:, :3], real[:, 3:])
    assert not torch.equal(real[:, :3], real_a)
    assert not torch.equal(real[:, :3], fake[:, :3])  # every item of a batch has its own parameters


@pytest.mark.parametrize(("part", "outputs"), [("diffaugment", 1), ("scales", 2), ("projected", 4)])
@pytest.mark.parametrize("name", WITH_PATCHGAN)
def test_the_number_of_logit_maps_is_what_the_discriminator_returns(name: str, part: str, outputs: int) -> None:
    method = build_method(name, part)
    logits = method.D_B(torch.zeros(1, 3, SIZE, SIZE)) if name != "pix2pix" else method.D(torch.zeros(1, 6, SIZE, SIZE))
    assert method.discriminator_outputs == outputs
    assert (1 if isinstance(logits, Tensor) else len(logits)) == outputs
