"""Copies of the translators from on the way, to choose from."""

from pathlib import Path

import pytest
import torch

import i2i
from i2i.checkpoints.run import find_bundle, load_bundle, model_name, provenance
from i2i.demo.model_registry import Models
from i2i.demo.run_history import checkpoints
from i2i.errors import ConfigError, UsageError
from i2i.evaluation.models import models_of
from i2i.training.config import TrainingConfig
from tests.training.test_trainer import Changes, resume, start


def test_snapshots_are_the_translators_of_their_steps_and_models_like_any_other(
    unpaired: Path, changes: Changes
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=5, snapshot_every=2), "run")
    trainer.train()
    names = [path.name for path in sorted(Path("checkpoints/run/snapshots").iterdir())]
    assert names == ["0000002.safetensors", "0000004.safetensors"]
    start("cyclegan", changes(unpaired, steps=5), "other").train()
    assert not Path("checkpoints/other/snapshots").exists(), "none unless asked for"
    early, last = load_bundle(find_bundle("run/snapshots/0000002")), load_bundle(find_bundle("run"))
    assert early.header["steps"] == 2
    assert any(not torch.equal(value, last.tensors[name]) for name, value in early.tensors.items())
    loaded = i2i.load("run/snapshots/0000002", device="cpu")
    assert loaded.provenance is not None
    assert loaded.provenance.model == "run/snapshots/0000002 AtoB"
    titles = [model.title for model in models_of(["run", "run/snapshots/0000002", "run/snapshots/0000004"], "both")]
    assert titles == ["run (last, 5 steps)", "run/snapshots/0000002 (2 steps)", "run/snapshots/0000004 (4 steps)"]
    assert [each.name for each in checkpoints("run", trainer.run.path)] == [
        "run/snapshots/0000002", "run/snapshots/0000004", "run"]  # fmt: skip
    offered = Models(device="cpu")
    assert "run/snapshots/0000004" not in offered.names(), "they would bury the runs in the lists"
    assert offered.model("run/snapshots/0000004").header["steps"] == 4
    for other in ("run/snapshots/0000003", "run/snapshots/../weights", "other/snapshots/", "/snapshots/0000002"):
        with pytest.raises(UsageError, match="There is no model"):
            offered.model(other)


def test_a_resume_may_ask_for_snapshots(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired, steps=2), "run").train()
    resume("cyclegan", {"training": {"steps": 4, "snapshot_every": 3}}, "run").train()
    assert [path.stem for path in Path("checkpoints/run/snapshots").iterdir()] == ["0000003"]


def test_the_best_and_the_snapshots_of_a_run_are_told_apart_in_what_they_make(tmp_path: Path) -> None:
    run = tmp_path / "zebra"
    (run / "snapshots").mkdir(parents=True)
    (run / "config.json").write_text("{}")
    places = [run / "weights.safetensors", run / "best.safetensors", run / "snapshots/0000100.safetensors"]
    assert [model_name(path) for path in places] == ["zebra", "zebra/best", "zebra/snapshots/0000100"]
    alone = tmp_path / "shared.safetensors"
    alone.write_bytes(b"x")
    assert provenance(alone).model == "shared"


def test_a_number_of_steps_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="snapshot_every is -1; it must be 0 or above"):
        TrainingConfig(snapshot_every=-1)
