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

from i2i.checkpoints.model_file import load_model_file
from i2i.config import flags, merge
from i2i.data.layout import HINT
from i2i.errors import ConfigError, DatasetError
from i2i.losses.adversarial import AdversarialConfig
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.methods.gan import GAN, NUM_SAMPLES, GANConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    MLPConfig,
    MLPDiscriminatorConfig,
    MLPGeneratorConfig,
)
from i2i.networks.latent import latents_from_seeds
from i2i.recipes import RECIPES, launch
from i2i.training import samples
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.conftest import write_random_images
from tests.methods.helpers import gradient_step, merge_losses, random_batch, run_step

SIZE = 16
DCGAN = DCGANConfig(
    generator=DCGANGeneratorConfig(latent=5, ngf=2, weight_init="kaiming"),
    discriminator=DCGANDiscriminatorConfig(ndf=2, norm="none", weight_init="kaiming"),
)
MLP = MLPConfig(
    generator=MLPGeneratorConfig(latent=5, width=8, weight_init="kaiming"),
    discriminator=MLPDiscriminatorConfig(width=4, maxout_pieces=2, weight_init="kaiming"),
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tiny(networks: DCGANConfig | MLPConfig = DCGAN, **adversarial: Any) -> GAN:
    options = {"loss": "non-saturating", **adversarial}
    return GAN(GANConfig(networks=networks, adversarial=AdversarialConfig(**options)), SIZE)


def batch(count: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    return random_batch(count, SIZE, domains=1, dtype=dtype)


def weight_vector(module: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(module.parameters()).detach().clone()


@pytest.mark.parametrize("networks", [DCGAN, MLP])
@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_with_each_loss_a_turn_moves_only_its_player(loss: str, networks: DCGANConfig | MLPConfig) -> None:
    method, order = tiny(networks, loss=loss), []
    for player, losses in method.turns(batch(), 0):
        assert all(value.isfinite() for value in losses.values())
        moving, resting = (method.D, method.G) if player == "D" else (method.G, method.D)
        moving_before, resting_before = weight_vector(moving), weight_vector(resting)
        gradient_step(list(moving.parameters()), torch.stack(list(losses.values())).sum(), 0.01)
        assert not torch.equal(weight_vector(moving), moving_before)
        assert torch.equal(weight_vector(resting), resting_before)
        order.append(player)
    assert order == ["D", "G"]


def test_the_losses_have_their_names() -> None:
    (_, D), (_, G) = run_step(tiny(loss="wgan-gp", r1=1.0), batch())
    assert list(D) == ["D/adversarial", "D/penalty", "D/r1"]
    assert list(G) == ["G/adversarial"]


def test_both_networks_have_a_player_and_the_generator_is_the_sampler() -> None:
    method = tiny()
    assert method.players() == {"G": [method.G], "D": [method.D]}
    assert method.translators() == {"sample": method.G}
    assert method.generator_config() == DCGAN.generator


def test_three_steps_equal_those_of_an_independent_implementation() -> None:
    method = tiny().double()
    G, D = copy.deepcopy(method.G), copy.deepcopy(method.D)

    def bce(images: Tensor, target: float) -> Tensor:
        logits = D(images)
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    for step in range(3):
        (real,) = images = batch(4, torch.float64)
        torch.manual_seed(step)
        losses = merge_losses(run_step(method, images, step))
        torch.manual_seed(step)
        d_loss = bce(real, 1.0) + bce(G(torch.randn(4, 5, dtype=torch.float64)).detach(), 0.0)
        gradient_step(list(D.parameters()), d_loss, 0.01)
        g_loss = bce(G(torch.randn(4, 5, dtype=torch.float64)), 1.0)
        gradient_step(list(G.parameters()), g_loss, 0.01)
        assert losses["D/adversarial"].item() == pytest.approx(d_loss.item(), abs=1e-10, rel=0)
        assert losses["G/adversarial"].item() == pytest.approx(g_loss.item(), abs=1e-10, rel=0)


def test_the_turn_of_the_generator_draws_new_latents() -> None:
    method, latents = tiny(), []
    method.G.register_forward_hook(lambda _, inputs, __: latents.append(inputs[0]))
    run_step(method, batch())
    assert [tuple(z.shape) for z in latents] == [(4, 5), (4, 5)]
    assert not torch.equal(*latents)


def test_with_d_steps_5_the_generator_moves_at_every_fifth_step() -> None:
    method = tiny(loss="wgan", d_steps=5)
    order = ["".join(player for player, _ in run_step(method, batch(), step)) for step in range(10)]
    assert order == [*["D"] * 4, "DG"] * 2
    assert [method.graph_key(step) == method.graph_key(4) for step in range(10)] == [*[False] * 4, True] * 2


def test_wgan_clips_the_discriminator_before_the_generator_moves() -> None:
    method = tiny(loss="wgan", weight_clip=0.02)
    turns = method.turns(batch(), 0)
    next(turns)
    next(turns)
    assert weight_vector(method.D).abs().max().item() == pytest.approx(0.02)


@pytest.mark.parametrize(("adversarial", "message"), [({"loss": "wgan-gp"}, "wgan-gp"), ({"r1": 1.0}, "R1")])
def test_a_gradient_penalty_with_batch_norm_is_refused(adversarial: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"{message} penalises .* Add --d-norm instance"):
        merge(GANConfig(), {"adversarial": adversarial})
    merge(GANConfig(), {"adversarial": adversarial, "networks": {"discriminator": {"norm": "none"}}})
    merge(GANConfig(), {"adversarial": adversarial, "networks": {"network": "mlp"}})


def test_the_network_option_changes_both_networks() -> None:
    config = merge(GANConfig(), {"networks": {"network": "mlp", "generator": {"width": 7}}})
    assert config.networks == MLPConfig(generator=MLPGeneratorConfig(width=7))


def test_samples_are_of_the_seeds_0_to_63_for_any_batch() -> None:
    method = tiny().eval()
    samples = method.sample_images(batch(1), method.translators())
    assert list(samples) == ["samples"]
    torch.testing.assert_close(samples["samples"], method.G(latents_from_seeds(range(NUM_SAMPLES), 5)))


def test_the_flag_network_chooses_the_networks_and_discriminator_flags_begin_with_d() -> None:
    paths = {flag.name: flag.path for flag in flags(GANConfig())}
    assert paths["network"] == ("networks", "network")
    assert paths["latent"] == ("networks", "generator", "latent")
    assert paths["d-norm"] == ("networks", "discriminator", "norm")


@pytest.mark.parametrize("name", RECIPES["gan"])
def test_every_recipe_builds_and_paper_recipes_have_the_published_settings(name: str) -> None:
    recipe = RECIPES["gan"][name]
    with torch.device("meta"):
        recipe.build()
    training, adversarial = recipe.training, recipe.model.adversarial
    settings = training.optimizer, training.lr, training.betas, training.batch_size, adversarial.d_steps
    published = {
        "paper": ("adam", 2e-4, (0.5, 0.999), 128, 1),
        "wgan": ("rmsprop", 5e-5, (0.5, 0.999), 64, 5),
        "wgan-gp": ("adam", 1e-4, (0.0, 0.9), 64, 5),
    }
    assert published.get(name, settings) == settings
    assert adversarial.weight_clip == 0.01
    assert adversarial.weight_gradient_penalty == 10


@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_the_tiny_recipe_accepts_every_loss(loss: str) -> None:
    assert RECIPES["gan"]["tiny"].with_overrides({"model": {"adversarial": {"loss": loss}}}).build()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "datasets" / "photos"
    write_random_images(root, 5, width=24, seed=3)
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
    return launch.new_training("gan", "paper", changes, name, TrainingProgress())


@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_a_training_stopped_and_resumed_is_bit_equal_to_an_uninterrupted_one(photos: Path, network: str) -> None:
    changes = settings(photos, network)
    uninterrupted = start(changes, "whole")
    uninterrupted.train()

    part = start(changes, "part")
    run_training_step = part._run_step

    def interrupted(images: Any) -> None:
        run_training_step(images)
        if part.step == 3:
            signal.raise_signal(signal.SIGTERM)

    part._run_step = interrupted  # type: ignore[method-assign]
    assert part.train() == signal.SIGTERM
    part.run.unlock()
    torch.manual_seed(99)  # the state of the global generator must not matter
    resumed = launch.resume_training("gan", None, {}, "part", TrainingProgress())
    assert resumed.step == 3
    resumed.train()
    expected, actual = load_model_file(uninterrupted.run.weights_path), load_model_file(resumed.run.weights_path)
    assert expected.tensors.keys() == actual.tensors.keys()
    assert all(torch.equal(value, actual.tensors[name]) for name, value in expected.tensors.items())


def test_a_run_writes_a_model_file_a_card_and_sample_grids_of_eight_columns(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MIN_SHOWN_SIZE", 128)
    trainer = start(settings(photos, steps=1), "run")
    trainer.train()
    info = load_model_file(trainer.run.weights_path).info
    assert info.directions == ("sample",)
    assert (info.method, info.size) == ("gan", SIZE)
    assert info.generator == {
        "network": "dcgan",
        "latent": 5,
        "ngf": 2,
        "norm": "batch",
        "weight_init": "normal",
    }
    assert "i2i sample run" in (trainer.run.path / "card.md").read_text()
    with Image.open(trainer.run.path / "samples" / "0000001.png") as grid:
        assert grid.size == (8 * 128 + 7 * 2, 8 * 128 + 7 * 2)


def test_photos_of_any_shape_are_cropped_without_distortion(tmp_path: Path) -> None:
    from i2i.data.config import SingleDomainConfig
    from i2i.data.dataset import TrainingDataset
    from i2i.data.layout import detect_layout

    root = tmp_path / "wide"
    root.mkdir()
    image = Image.new("RGB", (60, 20), "white")
    image.paste((0, 0, 0), (0, 0, 60, 10))
    image.save(root / "a.png")
    (image,) = TrainingDataset(detect_layout(root), SingleDomainConfig(size=8), seed=0)[0]
    assert image.shape == (3, 8, 8)
    assert (image[:, 0] < 20).all()
    assert (image[:, -1] > 235).all()


def test_data_of_another_kind_raises_an_error_with_a_hint(
    photos: Path, unpaired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    message = r"unpaired data .* gan needs clean data.*--data .*two/trainA, or give --layout photos"
    with pytest.raises(DatasetError, match=message) as error:
        start(settings(unpaired), "run")
    assert HINT in str(error.value)
    with pytest.raises(
        DatasetError, match=r"clean data .* cyclegan needs unpaired data.*`i2i train gan`.*trainA/ and trainB/"
    ):
        launch.new_training("cyclegan", "paper", changes(photos), "run", TrainingProgress())
