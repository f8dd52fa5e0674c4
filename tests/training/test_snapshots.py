"""Snapshots of the translators during a training."""

from pathlib import Path

import pytest
import torch

import i2i
from i2i.checkpoints.model_file import find_model_file, load_model_file, model_name, provenance_of
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.run_history import checkpoints
from i2i.errors import ConfigError, UsageError
from i2i.evaluation.models import resolve_models
from i2i.training.config import TrainingConfig
from tests.training.test_trainer import Changes, resume, start


def test_snapshots_are_models_with_the_weights_of_their_steps(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=5, snapshot_every=2), "run")
    trainer.train()
    names = [path.name for path in sorted(Path("checkpoints/run/snapshots").iterdir())]
    assert names == ["0000002.safetensors", "0000004.safetensors"]
    start("cyclegan", changes(unpaired, steps=5), "other").train()
    assert not Path("checkpoints/other/snapshots").exists(), "no snapshots by default"
    early, last = load_model_file(find_model_file("run/snapshots/0000002")), load_model_file(find_model_file("run"))
    assert early.info.steps == 2
    assert any(not torch.equal(value, last.tensors[name]) for name, value in early.tensors.items())
    loaded = i2i.load("run/snapshots/0000002", device="cpu")
    assert loaded.provenance is not None
    assert loaded.provenance.model == "run/snapshots/0000002 AtoB"
    titles = [
        model.title for model in resolve_models(["run", "run/snapshots/0000002", "run/snapshots/0000004"], "both")
    ]
    assert titles == ["run (last, 5 steps)", "run/snapshots/0000002 (2 steps)", "run/snapshots/0000004 (4 steps)"]
    assert [checkpoint.name for checkpoint in checkpoints("run", trainer.run.path)] == [
        "run/snapshots/0000002", "run/snapshots/0000004", "run"]  # fmt: skip
    registry = ModelRegistry(device="cpu")
    assert "run/snapshots/0000004" not in registry.names(), "snapshots are not listed"
    assert registry.model("run/snapshots/0000004").info.steps == 4
    for invalid in ("run/snapshots/0000003", "run/snapshots/../weights", "other/snapshots/", "/snapshots/0000002"):
        with pytest.raises(UsageError, match="No model is named"):
            registry.model(invalid)


def test_a_resume_may_enable_snapshots(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired, steps=2), "run").train()
    resume("cyclegan", {"training": {"steps": 4, "snapshot_every": 3}}, "run").train()
    assert [path.stem for path in Path("checkpoints/run/snapshots").iterdir()] == ["0000003"]


def test_best_models_and_snapshots_have_their_own_names(tmp_path: Path) -> None:
    run = tmp_path / "zebra"
    (run / "snapshots").mkdir(parents=True)
    (run / "config.json").write_text("{}")
    paths = [run / "weights.safetensors", run / "best.safetensors", run / "snapshots/0000100.safetensors"]
    assert [model_name(path) for path in paths] == ["zebra", "zebra/best", "zebra/snapshots/0000100"]
    alone = tmp_path / "shared.safetensors"
    alone.write_bytes(b"x")
    assert provenance_of(alone).model == "shared"


def test_a_negative_interval_raises_config_error() -> None:
    with pytest.raises(ConfigError, match="snapshot_every is -1; it must be 0 or above"):
        TrainingConfig(snapshot_every=-1)
