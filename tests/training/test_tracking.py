"""Trainings with --track: the tracked run of a resumed training goes on, and no failure stops a training."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from i2i.errors import UsageError
from tests.checkpoints.test_tracking import StubRun, stub  # noqa: F401
from tests.training.test_trainer import Changes, logged_steps, resume, start

Stub = tuple[str, list[Any]]


def rows(calls: list[Any]) -> list[dict[str, Any]]:
    return [{"step": call[1], **call[2]} for call in calls if call[0] == "log"]


def test_a_training_and_its_resume_are_one_tracked_run(
    stub: Stub,  # noqa: F811
    unpaired: Path,
    changes: Changes,
) -> None:
    name, calls = stub
    trainer = start("cyclegan", changes(unpaired, steps=4, track=name), "run")
    trainer.train()
    trainer.run.unlock()
    resume("cyclegan", {"training": {"steps": 6}}, "run").train()
    starts = [call[1] for call in calls if call[0] == "init"]
    assert len(starts) == 2
    assert len({start.get("id") or start["name"] for start in starts}) == 1
    assert starts[0]["config"]["training"]["track"] == name
    tracked = [row["step"] for row in rows(calls) if "schedule/lr" in row]
    assert tracked == logged_steps(trainer) == [2, 4, 6]
    assert any("samples/grid" in row for row in rows(calls))
    assert [call[0] for call in calls].count("finish") == 2
    assert list(json.loads((trainer.run.path / "tracking.json").read_text())) == [name]


def test_a_tracker_that_fails_does_not_stop_a_training(
    stub: Stub,  # noqa: F811
    unpaired: Path,
    changes: Changes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(StubRun, "log", fail)
    trainer = start("cyclegan", changes(unpaired, steps=4, track=stub[0]), "run")
    trainer.train()
    assert logged_steps(trainer) == [2, 4]
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in warnings] == ["i2i.checkpoints.tracking"]


def test_a_missing_package_is_noticed_before_the_training(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"uv pip install -e \".\[wandb\]\""):
        start("cyclegan", changes(unpaired, steps=4, track="wandb"), "run")
    assert not Path("checkpoints/run/config.json").exists()
