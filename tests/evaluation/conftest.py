"""Networks that take no time, and models that were hardly trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i2i.metrics import inception
from i2i.training.trainer import Trainer
from tests.metrics.standin import Means
from tests.training.test_trainer import start


@pytest.fixture(autouse=True)
def quick_networks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "slow" not in request.keywords:
        monkeypatch.setattr(inception, "_network", Means)
        request.getfixturevalue("perceptual_weights")


@pytest.fixture
def trained(unpaired: Path, changes: Callable[..., dict[str, Any]]) -> Callable[..., Trainer]:
    """A CycleGAN run of a few steps; further training settings as arguments."""

    def make(name: str = "run", **training: Any) -> Trainer:
        trainer = start("cyclegan", changes(unpaired, **{"steps": 3, **training}), name)
        trainer.train()
        trainer.run.unlock()
        return trainer

    return make
