"""Tiny metric networks, and models trained for a few steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i2i.evaluation.evaluate import Evaluation, evaluate
from i2i.evaluation.options import EvaluationOptions
from i2i.inference.options import InferenceOptions
from i2i.metrics import inception
from i2i.training.trainer import Trainer
from tests.metrics.standin import ChannelStatistics
from tests.training.test_trainer import start

CPU = InferenceOptions("cpu", "float32")


def evaluated(*models: str, **options: Any) -> Evaluation:
    return evaluate(EvaluationOptions(models=models, inference=CPU, **options))


@pytest.fixture(autouse=True)
def quick_networks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "slow" not in request.keywords:
        monkeypatch.setattr(inception, "load_inception", ChannelStatistics)
        request.getfixturevalue("perceptual_weights")


@pytest.fixture
def trained(unpaired: Path, changes: Callable[..., dict[str, Any]]) -> Callable[..., Trainer]:
    """Return a function that trains a CycleGAN for a few steps; its arguments are training settings."""

    def train(name: str = "run", **training: Any) -> Trainer:
        trainer = start("cyclegan", changes(unpaired, **{"steps": 3, **training}), name)
        trainer.train()
        trainer.run.unlock()
        return trainer

    return train
