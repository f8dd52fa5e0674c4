import copy
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.checkpoints.run import load_bundle
from i2i.config import flags, merge
from i2i.data.layout import HINT
from i2i.errors import ConfigError, DatasetError
from i2i.losses.adversarial import GAMES, AdversarialConfig
from i2i.methods.gan import GAN, SHOWN, GANConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    MLPConfig,
    MLPDiscriminatorConfig,
    MLPGeneratorConfig,
)
from i2i.networks.latent import noise_of
from i2i.recipes import RECIPES, launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.conftest import write_pictures

SIZE = 16
CONVOLUTIONS = DCGANConfig(
    generator=DCGANGeneratorConfig(latent=5, ngf=2, init="kaiming"),
    discriminator=DCGANDiscriminatorConfig(ndf=2, norm="none", init="kaiming"),
)
LAYERS = MLPConfig(
    generator=MLPGeneratorConfig(latent=5, width=8, init="kaiming"),
    discriminator=MLPDiscriminatorConfig(width=4, pieces=2, init="kaiming"),
)
Played = list[tuple[str, dict[str, Tensor]]]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(networks: DCGANConfig | MLPConfig = CONVOLUTIONS, **adversarial: Any) -> GAN:
    options = {"loss": "non-saturating", **adversarial}
    return GAN(GANConfig(networks=networks, adversarial=AdversarialConfig(**options)), SIZE)


def batch(count: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor]:
    return (torch.rand(count, 3, SIZE, SIZE, dtype=dtype) * 2 - 1,)


def play(objective: GAN, pictures: tuple[Tensor], step: int = 0, lr: float = 0.01) -> Played:
    """One step, the trainer's way."""
    played = []
    for player, losses in objective.turns(pictures, step):
        weights = [weight for module in objective.players()[player] for weight in module.parameters()]
        descend(weights, torch.stack(list(losses.values())).sum(), lr)
        played.append((player, losses))
    return played


def descend(weights: list[nn.Parameter], loss: Tensor, lr: float) -> None:
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data -= lr * slope


def weights_of(module: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(module.parameters()).detach().clone()


@pytest.mark.parametrize("networks", [CONVOLUTIONS, LAYERS])
@pytest.mark.parametrize("loss", GAMES)
def test_in_each_game_a_turn_moves_its_own_player_and_no_other(loss: str, networks: DCGANConfig | MLPConfig) -> None:
    objective, order = tiny(networks, loss=loss), []
    for player, losses in objective.turns(batch(), 0):
        assert all(value.isfinite() for value in losses.values())
        mover, other = (objective.D, objective.G) if player == "D" else (objective.G, objective.D)
        before, apart = weights_of(mover), weights_of(other)
        descend(list(mover.parameters()), torch.stack(list(losses.values())).sum(), 0.01)
        assert not torch.equal(weights_of(mover), before)
        assert torch.equal(weights_of(other), apart)
        order.append(player)
    assert order == ["D", "G"]


def test_the_terms_have_their_names() -> None:
    (_, D), (_, G) = play(tiny(loss="wgan-gp", r1=1.0), batch())
    assert list(D) == ["D/adversarial", "D/penalty", "D/r1"]
    assert list(G) == ["G/adversarial"]


def test_generator_and_critic_have_a_player_each_and_what_ships_is_the_sampler() -> None:
    objective = tiny()
    assert objective.players() == {"G": [objective.G], "D": [objective.D]}
    assert objective.translators() == {"sample": objective.G}
    assert objective.generator_config() == CONVOLUTIONS.generator


def test_three_steps_equal_those_of_an_independent_implementation() -> None:
    objective = tiny().double()
    G, D = copy.deepcopy(objective.G), copy.deepcopy(objective.D)

    def bce(pictures: Tensor, target: float) -> Tensor:
        logits = D(pictures)
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    for step in range(3):
        (real,) = pictures = batch(4, torch.float64)
        torch.manual_seed(step)
        found = {name: value for _, losses in play(objective, pictures, step) for name, value in losses.items()}
        torch.manual_seed(step)
        against = bce(real, 1.0) + bce(G(torch.randn(4, 5, dtype=torch.float64)).detach(), 0.0)
        descend(list(D.parameters()), against, 0.01)
        towards = bce(G(torch.randn(4, 5, dtype=torch.float64)), 1.0)
        descend(list(G.parameters()), towards, 0.01)
        assert found["D/adversarial"].item() == pytest.approx(against.item(), abs=1e-10, rel=0)
        assert found["G/adversarial"].item() == pytest.approx(towards.item(), abs=1e-10, rel=0)


def test_the_generators_turn_begins_with_fresh_noise() -> None:
    objective, seen = tiny(), []
    objective.G.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    play(objective, batch())
    assert [tuple(noise.shape) for noise in seen] == [(4, 5), (4, 5)]
    assert not torch.equal(*seen)


def test_with_five_critic_steps_the_generator_moves_at_every_fifth() -> None:
    objective = tiny(loss="wgan", critic_steps=5)
    order = ["".join(player for player, _ in play(objective, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "DG"] * 2
    assert [objective.phase(step) == objective.phase(4) for step in range(10)] == [*[False] * 4, True] * 2


def test_wgan_clips_the_critic_before_the_generator_moves() -> None:
    objective = tiny(loss="wgan", clip=0.02)
    turns = objective.turns(batch(), 0)
    next(turns)
    next(turns)
    assert weights_of(objective.D).abs().max().item() == pytest.approx(0.02)


@pytest.mark.parametrize(("adversarial", "named"), [({"loss": "wgan-gp"}, "wgan-gp"), ({"r1": 1.0}, "R1")])
def test_a_gradient_penalty_on_a_critic_with_batch_norm_is_refused(adversarial: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=rf"{named} penalises .* Add --d-norm instance"):
        merge(GANConfig(), {"adversarial": adversarial})
    merge(GANConfig(), {"adversarial": adversarial, "networks": {"discriminator": {"norm": "none"}}})
    merge(GANConfig(), {"adversarial": adversarial, "networks": {"network": "mlp"}})


def test_one_setting_exchanges_both_networks() -> None:
    config = merge(GANConfig(), {"networks": {"network": "mlp", "generator": {"width": 7}}})
    assert config.networks == MLPConfig(generator=MLPGeneratorConfig(width=7))


def test_samples_are_of_the_seeds_0_to_63_whatever_the_batch() -> None:
    objective = tiny().eval()
    shown = objective.samples(batch(1), objective.translators())
    assert list(shown) == ["samples"]
    torch.testing.assert_close(shown["samples"], objective.G(noise_of(range(SHOWN), 5)))


def test_the_networks_are_chosen_by_the_flag_network_and_the_critics_settings_begin_with_d() -> None:
    found = {flag.name: flag.path for flag in flags(GANConfig())}
    assert found["network"] == ("networks", "network")
    assert found["latent"] == ("networks", "generator", "latent")
    assert found["d-norm"] == ("networks", "discriminator", "norm")


@pytest.mark.parametrize("name", RECIPES["gan"])
def test_every_recipe_builds_and_the_published_ones_have_their_published_settings(name: str) -> None:
    plan = RECIPES["gan"][name]
    with torch.device("meta"):
        plan.build()
    training, adversarial = plan.training, plan.model.adversarial
    found = training.optimizer, training.lr, training.betas, training.batch_size, adversarial.critic_steps
    published = {
        "paper": ("adam", 2e-4, (0.5, 0.999), 128, 1),
        "wgan": ("rmsprop", 5e-5, (0.5, 0.999), 64, 5),
        "wgan-gp": ("adam", 1e-4, (0.0, 0.9), 64, 5),
    }
    assert published.get(name, found) == found
    assert adversarial.clip == 0.01
    assert adversarial.weight_gp == 10


@pytest.mark.parametrize("loss", GAMES)
def test_the_tiny_recipe_takes_every_one_of_the_losses(loss: str) -> None:
    assert RECIPES["gan"]["tiny"].merged({"model": {"adversarial": {"loss": loss}}}).build()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "datasets" / "photos"
    write_pictures(root, 5, width=24, seed=3)
    return root


def settings(photos: Path, network: str = "dcgan", **training: Any) -> dict[str, Any]:
    networks: dict[str, Any] = {"network": network, "generator": {"latent": 5}, "discriminator": {}}
    if network == "dcgan":
        networks["generator"]["ngf"] = networks["discriminator"]["ndf"] = 2
    else:
        networks["generator"]["width"] = networks["discriminator"]["width"] = 4
    return {
        "data": {"data": str(photos), "size": SIZE},
        "model": {"networks": networks},
        "training": {"steps": 6, "ema": 0.9, "batch_size": 2, "precision": "float32", "sample_every": 100,
                     "log_every": 2, "device": "cpu", **training},
    }  # fmt: skip


def start(changes: dict[str, Any], name: str) -> Trainer:
    return launch.start("gan", "paper", changes, name, TrainingProgress())


@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_a_training_stopped_and_resumed_is_bit_equal_to_an_uninterrupted_one(photos: Path, network: str) -> None:
    changes = settings(photos, network)
    whole = start(changes, "whole")
    whole.train()

    part = start(changes, "part")
    train_step = part._train_step

    def interrupted(pictures: Any) -> None:
        train_step(pictures)
        if part.step == 3:
            signal.raise_signal(signal.SIGTERM)

    part._train_step = interrupted  # type: ignore[method-assign]
    assert part.train() == signal.SIGTERM
    part.run.unlock()
    torch.manual_seed(99)  # whatever the ambient generator was left at
    resumed = launch.resume("gan", None, {}, "part", TrainingProgress())
    assert resumed.step == 3
    resumed.train()
    expected, found = load_bundle(whole.run.bundle_path), load_bundle(resumed.run.bundle_path)
    assert expected.tensors.keys() == found.tensors.keys()
    assert all(torch.equal(value, found.tensors[name]) for name, value in expected.tensors.items())


def test_a_run_leaves_a_bundle_of_a_sampler_a_card_and_grids_of_eight_in_a_row(photos: Path) -> None:
    trainer = start(settings(photos, steps=1), "run")
    trainer.train()
    header = load_bundle(trainer.run.bundle_path).header
    assert header["directions"] == ["sample"]
    assert (header["objective"], header["size"]) == ("gan", SIZE)
    assert header["generator"] == {"network": "dcgan", "latent": 5, "ngf": 2, "norm": "batch", "init": "normal"}
    assert "i2i sample run" in (trainer.run.path / "card.md").read_text()
    with Image.open(trainer.run.path / "samples" / "0000001.png") as grid:
        assert grid.size == (8 * 128 + 7 * 2, 8 * 128 + 7 * 2)


def test_photos_of_any_shape_fill_the_square_undistorted(tmp_path: Path) -> None:
    from i2i.data.dataset import PhotosConfig, TrainingPictures
    from i2i.data.layout import layout

    root = tmp_path / "wide"
    root.mkdir()
    image = Image.new("RGB", (60, 20), "white")
    image.paste((0, 0, 0), (0, 0, 60, 10))
    image.save(root / "a.png")
    (picture,) = TrainingPictures(layout(root), PhotosConfig(size=8), seed=0)[0]
    assert picture.shape == (3, 8, 8)
    assert (picture[:, 0] < 20).all()
    assert (picture[:, -1] > 235).all()


def test_data_of_another_kind_is_answered_with_what_to_do(
    photos: Path, unpaired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    wanted = r"unpaired data .* gan learns from clean data.*--data .*two/trainA\."
    with pytest.raises(DatasetError, match=wanted) as told:
        start(settings(unpaired), "run")
    assert HINT in str(told.value)
    with pytest.raises(DatasetError, match=r"clean data .* cyclegan learns .*`i2i train gan`.*trainA/ and trainB/"):
        launch.start("cyclegan", "paper", changes(photos), "run", TrainingProgress())
