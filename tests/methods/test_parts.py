"""The parts for few pictures and for large ones, in every objective that has a discriminator."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.config import merge
from i2i.errors import ConfigError
from i2i.losses.perceptual import Perceptual
from i2i.methods.base import Objective
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

SIZE = 32
RESNET = ResnetConfig(ngf=2, blocks=1, init="kaiming")
UNET = UnetConfig(ngf=2, norm="instance", dropout=0.0, init="kaiming")
PATCHGAN = PatchGANConfig(ndf=2, receptive_field=16, init="kaiming")
DCGAN = DCGANConfig(
    generator=DCGANGeneratorConfig(latent=5, ngf=2, init="kaiming"),
    discriminator=DCGANDiscriminatorConfig(ndf=2, norm="none", init="kaiming"),
)
MLP = MLPConfig(
    generator=MLPGeneratorConfig(latent=5, width=8, init="kaiming"),
    discriminator=MLPDiscriminatorConfig(width=4, pieces=2, init="kaiming"),
)
CONFIGS: dict[str, Any] = {
    "cyclegan": CycleGANConfig(generator=RESNET, discriminator=PATCHGAN, pool=3),
    "cut": CUTConfig(generator=RESNET, discriminator=PATCHGAN, nce_layers="0,2", nce_patches=4, nce_features=8),
    "pix2pix": Pix2PixConfig(generator=UNET, discriminator=PATCHGAN),
    "dcgan": GANConfig(networks=DCGAN),
    "mlp": GANConfig(networks=MLP),
}
PATCHY, PERCEPTIVE = ("cyclegan", "cut", "pix2pix"), ("cyclegan", "pix2pix")
PARTS: dict[str, dict[str, Any]] = {
    "diffaugment": {"adversarial": {"augment": "diffaugment"}},
    "ada": {"adversarial": {"augment": "ada", "ada_pictures": 10}},
    "features": {"adversarial": {"weight_features": 10.0}},
    "scales": {"discriminator": {"scales": 2}},
    "projected": {"discriminator": {"network": "projected", "ndf": 2, "receptive_field": 16, "head_width": 4}},
    "perceptual": {"weight_perceptual": 1.0},
    "most": {"adversarial": {"augment": "ada", "weight_features": 10.0, "r1": 1.0, "r1_every": 2},
             "discriminator": {"scales": 2}},
}  # fmt: skip
NEEDS = {"scales": PATCHY, "projected": PATCHY, "most": PATCHY, "perceptual": PERCEPTIVE}
CASES = [(name, part) for part in PARTS for name in NEEDS.get(part, tuple(CONFIGS))]
Played = list[tuple[str, dict[str, Tensor]]]


@pytest.fixture(autouse=True)
def _seed(perceptual_weights: Path) -> None:
    torch.manual_seed(0)


def made(name: str, part: str, **changes: Any) -> Objective:
    return merge(merge(CONFIGS[name], PARTS[part]), changes).build(SIZE)


def batch(name: str, count: int = 2) -> tuple[Tensor, ...]:
    domains = 1 if name in ("dcgan", "mlp") else 2
    return tuple(torch.rand(count, 3, SIZE, SIZE) * 2 - 1 for _ in range(domains))


def trained(modules: list[nn.Module]) -> list[nn.Parameter]:
    return [weight for module in modules for weight in module.parameters() if weight.requires_grad]


def play(objective: Objective, pictures: tuple[Tensor, ...], step: int = 0, lr: float = 1e-3) -> Played:
    """One step, the trainer's way."""
    played = []
    objective.draw(len(pictures[0]))
    for player, losses in objective.turns(pictures, step):
        weights = trained(objective.players()[player])
        objective.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        torch.optim.SGD(weights, lr).step()
        played.append((player, losses))
    return played


@pytest.mark.parametrize(("name", "part"), CASES)
def test_a_turn_has_finite_losses_and_moves_its_own_player_and_no_other(name: str, part: str) -> None:
    objective = made(name, part)
    objective.draw(2)
    turns = 0
    for player, losses in objective.turns(batch(name), 0):
        assert all(value.isfinite() for value in losses.values())
        before = copy.deepcopy(dict(objective.named_parameters()))
        weights = trained(objective.players()[player])
        torch.stack(list(losses.values())).sum().backward(inputs=weights)
        torch.optim.SGD(weights, 1e-3).step()
        moved = {id(weight) for key, weight in objective.named_parameters() if not torch.equal(weight, before[key])}
        assert moved
        assert moved <= {id(weight) for weight in weights}
        objective.zero_grad(set_to_none=True)
        turns += 1
    assert turns == 2


@pytest.mark.parametrize(("name", "part"), CASES)
def test_a_step_in_bfloat16_keeps_every_weight_finite(name: str, part: str) -> None:
    objective = made(name, part)
    with torch.autocast("cpu", torch.bfloat16):
        played = play(objective, batch(name))
    assert all(value.isfinite() for _, losses in played for value in losses.values())
    assert all(weight.isfinite().all() for weight in objective.parameters())


@pytest.mark.parametrize(("name", "part"), CASES)
def test_a_copy_that_takes_over_the_state_goes_on_exactly(name: str, part: str) -> None:
    one, other = made(name, part).double(), made(name, part).double()
    fed = [tuple(x.double() for x in batch(name)) for _ in range(6)]
    for step in range(5):  # past an adjustment of ADA
        play(one, fed[step], step)
    other.load_state_dict(one.state_dict())
    ends = []
    for objective in (one, other):
        torch.manual_seed(4)
        if isinstance(getattr(objective, "pool_a", None), nn.Module):
            objective.pool_a.capacity = objective.pool_b.capacity = 0  # it draws from the host's own generator
        ends.append([losses for _, losses in play(objective, fed[5], 5)])
    for ours, theirs in zip(*ends, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", CONFIGS)
def test_no_part_leaves_a_trace_where_it_is_not_asked_for(name: str) -> None:
    plain = CONFIGS[name].build(SIZE)
    assert not any(word in key for key in plain.state_dict() for word in ("augment", "perceptual", "critics"))
    assert made(name, "diffaugment").state_dict().keys() == plain.state_dict().keys()
    assert made(name, "features").state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("name", PERCEPTIVE)
def test_the_perceptual_network_is_in_no_state_and_has_no_player(name: str) -> None:
    objective = made(name, "perceptual")
    assert isinstance(objective.perceptual, Perceptual)
    assert objective.state_dict().keys() == CONFIGS[name].build(SIZE).state_dict().keys()
    held = {id(value) for value in objective.perceptual.buffers()}
    assert held
    played = [*objective.players().values(), list(objective.translators().values())]
    assert not held & {id(value) for modules in played for module in modules for value in module.buffers()}


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
def test_the_terms_have_their_names(name: str, part: str, terms: list[str]) -> None:
    losses = dict(play(made(name, part), batch(name)))["G"]
    assert list(losses)[: len(terms)] == terms


@pytest.mark.parametrize("name", PERCEPTIVE)
def test_the_perceptual_distance_is_to_the_truth_or_of_the_way_back_and_weighted(name: str) -> None:
    objective, pictures = made(name, "perceptual", weight_perceptual=3.0).double(), batch(name)
    real_a, real_b = (x.double() for x in pictures)
    fake_b = objective.G(real_a)
    found, key = (
        ((objective.F(fake_b), real_a), "G/perceptual_a") if name == "cyclegan" else ((fake_b, real_b), "G/perceptual")
    )
    objective.draw(2)
    terms = {key: value for _, losses in objective.turns((real_a, real_b), 0) for key, value in losses.items()}
    torch.testing.assert_close(terms[key], 3 * objective.perceptual(*found))


@pytest.mark.parametrize("name", PERCEPTIVE)
def test_the_perceptual_loss_refuses_pictures_that_are_too_small(name: str) -> None:
    with pytest.raises(ConfigError, match="at least 31 px; size is 16"):
        merge(CONFIGS[name], PARTS["perceptual"]).build(16)


@pytest.mark.parametrize("name", CONFIGS)
def test_neither_cycles_nor_distances_nor_samples_are_augmented(name: str) -> None:
    objective, pictures = made(name, "diffaugment"), batch(name)
    plain = CONFIGS[name].build(SIZE)
    plain.load_state_dict(objective.state_dict())
    kept = {"cyclegan": ["G/cycle_a", "G/identity_b"], "pix2pix": ["G/l1"]}.get(name, [])
    seen = []
    for each in (objective, plain):
        each.draw(2)
        losses = {key: value for _, losses in each.turns(pictures, 0) for key, value in losses.items()}
        torch.manual_seed(1)
        shown = each.samples(pictures, each.translators()) if name != "mlp" else {}
        seen.append([losses[key] for key in kept] + list(shown.values()))
    if name != "dcgan":  # whose noise is drawn after the augmentation
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(*seen, strict=True))


def test_each_critic_of_a_cyclegan_has_an_augmentation_of_its_own() -> None:
    objective = made("cyclegan", "ada")
    with torch.no_grad():  # D_A takes everything for real, D_B for fake
        for critic, bias in ((objective.D_A, 9.0), (objective.D_B, -9.0)):
            critic.to_logits.weight.zero_()
            critic.to_logits.bias.fill_(bias)
    for step in range(4):
        play(objective, batch("cyclegan"), step, lr=0)
    assert objective.augment_a.p.item() == pytest.approx(2 * 4 / 10)
    assert objective.augment_b.p == 0


@pytest.mark.parametrize("name", PATCHY)
def test_wgan_clips_the_weights_of_every_scale(name: str) -> None:
    objective = made(name, "scales", adversarial={"loss": "wgan", "clip": 0.02})
    play(objective, batch(name))
    critics = objective.players()["D"]
    assert max(float(weight.detach().abs().max()) for weight in trained(critics)) == pytest.approx(0.02)


def test_a_pair_is_augmented_as_one() -> None:
    objective, (real_a, real_b) = made("pix2pix", "diffaugment"), batch("pix2pix")
    seen = []
    objective.D.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    objective.G.register_forward_hook(lambda _, inputs, __: inputs[0])  # G gives its input back
    play(objective, (real_a, real_b), lr=0)
    real, fake = seen[0].split(2)
    assert torch.equal(fake[:, :3], fake[:, 3:])
    assert not torch.equal(real[:, :3], real[:, 3:])
    assert not torch.equal(real[:, :3], real_a)
    assert not torch.equal(real[:, :3], fake[:, :3])  # each of the pass has draws of its own
