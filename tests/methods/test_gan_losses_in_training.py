"""Every GAN loss trains without an alarm of divergence, with and without R1 and spectral norm.

All 24 combinations at a larger size: ``python -m tests.benchmarks.games``.
"""

from pathlib import Path
from typing import Any

import pytest

from i2i.checkpoints.log import read_log
from i2i.data.synthetic import generate
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.benchmarks.games import REGULARISATION_VARIANTS, adversarial_settings, distance

# The training doctor begins to check so many steps before the end: enough to confirm an alarm of the samples.
CHECKED_STEPS = 20
SAMPLE_EVERY = 10


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate("shapes", tmp_path_factory.mktemp("data") / "shapes", size=16, train=200, test=8)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate("stripes", tmp_path_factory.mktemp("data") / "stripes", size=16, train=100, test=8)


def variants(combinations: list[tuple[str, float, bool]]) -> list[Any]:
    params = []
    for loss, r1, spectral in combinations:
        name = f"{loss} r1" if r1 else loss
        params.append(pytest.param(loss, r1, spectral, id=f"{name} spectral" if spectral else name))
    return params


def assert_learns(
    method: str, data: Path, loss: str, r1: float, model: dict[str, Any], *, ratio: float = 0.8, **training: Any
) -> None:
    """Train, and check that the distance to the data falls below ``ratio`` times the distance before."""
    changes = {
        "data": {"data": str(data), "size": 16, "resize_scale": 1.0},
        "model": {"adversarial": adversarial_settings(loss, r1), **model},
        "training": {"sample_every": SAMPLE_EVERY, "log_every": 5, "save_every_minutes": 99.0, "device": "cpu",
                     "precision": "float32", "ema": 0.95, **training},
    }  # fmt: skip
    trainer = launch.new_training(method, "tiny", changes, "run", TrainingProgress())
    trainer.monitor.alarms.warmup_steps = training["steps"] - CHECKED_STEPS
    before = distance(trainer)
    trainer.train()
    assert distance(trainer) < ratio * before
    alarms = {row["alarm"] for row in read_log(trainer.run.path) if "alarm" in row}
    assert alarms <= {"collapsed"}  # so early, the outputs may still be nearly the same


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "r1", "spectral"),
    variants([(loss, *REGULARISATION_VARIANTS[3 * (index % 2)]) for index, loss in enumerate(GAN_LOSSES)]),
)
def test_a_tiny_dcgan_approaches_its_data_and_does_not_diverge(
    loss: str, r1: float, spectral: bool, shapes: Path
) -> None:
    networks = {
        "generator": {"ngf": 8, "latent": 16, "norm": "batch"},
        "discriminator": {"ndf": 8, "norm": "none", "spectral_norm": spectral},
    }
    assert_learns("gan", shapes, loss, r1, {"networks": networks}, steps=80, batch_size=8, lr=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "r1", "spectral"),
    variants([(loss, *REGULARISATION_VARIANTS[index % 4]) for index, loss in enumerate(GAN_LOSSES)]),
)
def test_a_tiny_cyclegan_does_not_diverge(loss: str, r1: float, spectral: bool, stripes: Path) -> None:
    model = {
        "generator": {"network": "resnet", "ngf": 4, "blocks": 1, "norm": "instance"},
        "discriminator": {"ndf": 8, "receptive_field": 16, "spectral_norm": spectral},
    }
    # With the wrong sign of the generator's loss, the ratio of lsgan is 0.66. That the others teach, the DCGAN shows.
    steps, ratio = (75, 0.55) if loss == "lsgan" else (30, 1.1)
    assert_learns("cyclegan", stripes, loss, r1, model, ratio=ratio, steps=steps, batch_size=4, lr=5e-4)
