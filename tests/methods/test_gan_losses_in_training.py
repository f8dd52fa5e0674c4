"""Every loss of the adversarial family, with R1 and spectral norm or without, learns in a short healthy training.

All 24 ways, at a size worth looking at: ``python -m tests.benchmarks.games``.
"""

from pathlib import Path
from typing import Any

import pytest

from i2i.data.synthetic import make
from i2i.losses.adversarial import GAMES
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.benchmarks.games import WAYS, adversarial, alarms, distance

STEPS = 240  # the doctor is silent for the first 200


def variants(ways: list[tuple[str, float, bool]]) -> list[Any]:
    return [pytest.param(*way, id=f"{way[0]}{' r1' * bool(way[1])}{' spectral' * way[2]}") for way in ways]


def assert_learns(objective: str, data: Path, game: str, r1: float, model: dict[str, Any], batch: int) -> None:
    changes = {
        "data": {"data": str(data), "size": 16, "jitter": 1.0},
        "model": {"adversarial": adversarial(game, r1), **model},
        "training": {"steps": STEPS, "batch_size": batch, "sample_every": 15, "log_every": 5, "save_minutes": 99.0,
                     "device": "cpu", "precision": "float32", "lr": 5e-4, "ema": 0.95},
    }  # fmt: skip
    trainer = launch.start(objective, "tiny", changes, "run", TrainingProgress())
    before = distance(trainer)
    trainer.train()
    assert distance(trainer) < 0.8 * before
    assert alarms(trainer) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("game", "r1", "spectral"), variants([(game, *way) for game in GAMES for way in (WAYS[0], WAYS[3])])
)
def test_a_tiny_dcgan_comes_closer_to_its_data_without_an_alarm(
    game: str, r1: float, spectral: bool, tmp_path: Path
) -> None:
    data = make("shapes", tmp_path / "shapes", size=16, train=200, test=8)
    networks = {
        "generator": {"ngf": 8, "latent": 16, "norm": "batch"},
        "discriminator": {"ndf": 8, "norm": "none", "spectral_norm": spectral},
    }
    assert_learns("gan", data, game, r1, {"networks": networks}, batch=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("game", "r1", "spectral"), variants([(game, *WAYS[place % 4]) for place, game in enumerate(GAMES)])
)
def test_a_tiny_cyclegan_comes_closer_to_its_data_without_an_alarm(
    game: str, r1: float, spectral: bool, tmp_path: Path
) -> None:
    data = make("stripes", tmp_path / "stripes", size=16, train=100, test=8)
    model = {
        "generator": {"network": "resnet", "ngf": 4, "blocks": 1, "norm": "instance"},
        "discriminator": {"ndf": 8, "receptive_field": 16, "spectral_norm": spectral},
    }
    assert_learns("cyclegan", data, game, r1, model, batch=8)
