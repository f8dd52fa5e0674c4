"""Every GAN loss trains without an alarm, with and without R1 and spectral norm.

All 24 combinations at a larger size: ``python -m tests.benchmarks.games``.
"""

from pathlib import Path
from typing import Any

import pytest

from i2i.data.synthetic import generate
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.benchmarks.games import REGULARISATION_VARIANTS, adversarial_settings, alarms, distance

STEPS = 215  # the training doctor raises no alarm in the first 200


def variants(combinations: list[tuple[str, float, bool]]) -> list[Any]:
    params = []
    for loss, r1, spectral in combinations:
        name = f"{loss} r1" if r1 else loss
        params.append(pytest.param(loss, r1, spectral, id=f"{name} spectral" if spectral else name))
    return params


def assert_learns(method: str, data: Path, loss: str, r1: float, model: dict[str, Any], batch: int) -> None:
    changes = {
        "data": {"data": str(data), "size": 16, "resize_scale": 1.0},
        "model": {"adversarial": adversarial_settings(loss, r1), **model},
        "training": {"steps": STEPS, "batch_size": batch, "sample_every": 15, "log_every": 5,
                     "save_every_minutes": 99.0, "device": "cpu", "precision": "float32", "lr": 5e-4, "ema": 0.95},
    }  # fmt: skip
    trainer = launch.new_training(method, "tiny", changes, "run", TrainingProgress())
    before = distance(trainer)
    trainer.train()
    assert distance(trainer) < 0.8 * before
    assert alarms(trainer) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "r1", "spectral"),
    variants([(loss, *way) for loss in GAN_LOSSES for way in (REGULARISATION_VARIANTS[0], REGULARISATION_VARIANTS[3])]),
)
def test_a_tiny_dcgan_approaches_its_data_without_an_alarm(
    loss: str, r1: float, spectral: bool, tmp_path: Path
) -> None:
    data = generate("shapes", tmp_path / "shapes", size=16, train=200, test=8)
    networks = {
        "generator": {"ngf": 8, "latent": 16, "norm": "batch"},
        "discriminator": {"ndf": 8, "norm": "none", "spectral_norm": spectral},
    }
    assert_learns("gan", data, loss, r1, {"networks": networks}, batch=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "r1", "spectral"),
    variants([(loss, *REGULARISATION_VARIANTS[index % 4]) for index, loss in enumerate(GAN_LOSSES)]),
)
def test_a_tiny_cyclegan_approaches_its_data_without_an_alarm(
    loss: str, r1: float, spectral: bool, tmp_path: Path
) -> None:
    data = generate("stripes", tmp_path / "stripes", size=16, train=100, test=8)
    model = {
        "generator": {"network": "resnet", "ngf": 4, "blocks": 1, "norm": "instance"},
        "discriminator": {"ndf": 8, "receptive_field": 16, "spectral_norm": spectral},
    }
    assert_learns("cyclegan", data, loss, r1, model, batch=4)
