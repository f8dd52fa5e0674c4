"""A run that was trained on the images of the fixture ``unpaired``."""

from pathlib import Path

import pytest

from i2i.demo.model_registry import ModelRegistry
from tests.demo.conftest import write_model


@pytest.fixture
def run(registry: ModelRegistry, unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the run "run". The datasets of the shipped models are not here."""
    monkeypatch.delenv("I2I_DATASETS", raising=False)
    return write_model(Path("checkpoints/run"), data={"name": "two"}, steps=40, total_steps=40).parent
