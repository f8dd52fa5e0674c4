"""A full disk, or one that fails: a training goes on without each file that it cannot write."""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from i2i.checkpoints.log import read_log
from i2i.checkpoints.tensorboard import EventWriter
from i2i.errors import WriteError
from i2i.training.trainer import Trainer
from i2i.training.validator import Validator
from tests.training.test_trainer import Changes, logged_steps, resume, start, weights

KINDS = {
    "weights": "weights.safetensors", "state": "state.next.pt", "card": "card.md", "best": "best.safetensors",
    "snapshots": "run/snapshots", "samples": "run/samples/", "log": "log.jsonl", "events": "events.out.tfevents",
    "config": "config.json",
}  # fmt: skip


class Disk:
    """Refuses to write the files of a run whose path contains ``refused``: when data are written, or when a file is
    opened for writing or renamed."""

    def __init__(self) -> None:
        self.refused: str | None = None
        self.number = errno.ENOSPC
        self.refusals = 0

    def check(self, path: Any) -> None:
        if self.refused is not None and isinstance(path, str | os.PathLike) and self.refused in os.fspath(path):
            self.refusals += 1
            raise OSError(self.number, os.strerror(self.number), os.fspath(path))

    @contextmanager
    def refuse(self, text: str, number: int) -> Iterator[None]:
        self.refused, self.number = text, number
        try:
            yield
        finally:
            self.refused = None


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    open_file, mkdir = io.open, os.mkdir

    def checked_open(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if set(mode) & set("wax+"):
            disk.check(file)
        return open_file(file, mode, *args, **options)

    def checked_mkdir(path: Any, *args: Any, **options: Any) -> None:
        disk.check(path)
        mkdir(path, *args, **options)

    for name in ("__init__", "write_scalars"):  # TensorBoard writes in a thread, and raises the error at the next event
        method = getattr(EventWriter, name)

        def checked_method(self: EventWriter, *args: Any, method: Any = method) -> None:
            disk.check("events.out.tfevents")
            method(self, *args)

        monkeypatch.setattr(EventWriter, name, checked_method)
    monkeypatch.setattr(io, "open", checked_open)
    monkeypatch.setattr("builtins.open", checked_open)
    monkeypatch.setattr(os, "mkdir", checked_mkdir)
    for name in ("replace", "rename"):
        rename = getattr(os, name)
        checked = lambda source, target, rename=rename: (disk.check(target), rename(source, target))  # noqa: E731
        monkeypatch.setattr(os, name, checked)
    return disk


@pytest.fixture
def every_file(changes: Changes, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings with which a training writes every kind of file in each step, with a metric that needs no network."""

    def metrics(self: Validator, *_: Any) -> dict[str, float]:
        self._calls = getattr(self, "_calls", 0) + 1  # type: ignore[attr-defined]
        return {"kid": 1 / self._calls}  # type: ignore[attr-defined]

    monkeypatch.setattr(Validator, "_compute_metrics", metrics)
    monkeypatch.setattr(Validator, "_build_networks", lambda self, device: (None, None))
    settings = changes(
        "datasets/two", steps=4, save_every_minutes=0.0, snapshot_every=1, sample_every=1, eval_every=1,
        best_metric="kid", log_every=1,
    )  # fmt: skip
    settings["model"]["generator"]["dropout"] = 0.0
    return settings


ERRORS = {1: errno.ENOSPC, 2: errno.EIO}  # by step


def run_to_step_4(trainer: Trainer, disk: Disk, text: str) -> None:
    """Train 4 steps; in the second one and the third no file of the kind can be written."""
    run_step = trainer._run_step

    def step(batch: Any) -> None:
        trainer.checkpointer.wait()
        disk.refused, disk.number = text if trainer.step in ERRORS else None, ERRORS.get(trainer.step, 0)
        run_step(batch)

    trainer._run_step = step  # type: ignore[method-assign]
    assert trainer.train() is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "config"])
def test_a_training_goes_on_without_a_file_that_cannot_be_written(
    kind: str, unpaired: Path, every_file: dict[str, Any], disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", every_file, "run")
    run_to_step_4(trainer, disk, KINDS[kind])
    assert trainer.step == 4
    assert disk.refusals
    messages = [message for message in caplog.messages if "goes on" in message]
    assert any("No space left on device" in message for message in messages)
    assert kind in ("log", "events") or any("Input/output error" in message for message in messages)  # said once
    assert logged_steps(trainer) == [1, 2, 3, 4]
    folder = trainer.run.path
    assert (folder / "best.safetensors").is_file()
    assert {path.name for path in (folder / "samples").iterdir()} >= {"0000001.png", "0000004.png"}
    assert not list(folder.rglob("*.part"))
    trainer.run.unlock()
    assert resume("cyclegan", {}, "run").step == 4


def test_the_best_result_is_that_of_the_best_file(unpaired: Path, every_file: dict[str, Any], disk: Disk) -> None:
    trainer = start("cyclegan", {**every_file, "training": {**every_file["training"], "steps": 2}}, "run")
    run_step = trainer._run_step

    def step(batch: Any) -> None:
        disk.refused = "best.safetensors" if trainer.step == 1 else None
        run_step(batch)

    trainer._run_step = step  # type: ignore[method-assign]
    trainer.train()
    disk.refused = None
    assert trainer.validator is not None
    assert trainer.validator.best is not None
    assert trainer.validator.best.step == 1  # step 2 was better, and could not be saved


@pytest.mark.parametrize(
    ("kind", "number"), [("config", errno.ENOSPC), ("config", errno.EIO), ("log", errno.EIO), ("events", errno.ENOSPC)]
)
def test_a_resume_goes_on_without_a_file_that_cannot_be_written(
    kind: str, number: int, unpaired: Path, every_file: dict[str, Any], disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", every_file, "run")
    trainer.train()
    trainer.run.unlock()
    with (trainer.run.path / "log.jsonl").open("a") as log:
        log.write('{"step": 9, "lr": 1.0}\n')  # of a part of the training that was lost
    with disk.refuse(KINDS[kind], number):
        resumed = resume("cyclegan", {"training": {"steps": 5}}, "run")
        run_step = resumed._run_step

        def step(batch: Any) -> None:
            disk.refused = None
            run_step(batch)

        resumed._run_step = step  # type: ignore[method-assign]
        resumed.train()
    assert any(os.strerror(number) in message and "goes on" in message for message in caplog.messages)
    assert logged_steps(resumed) == [1, 2, 3, 4, 5]


def test_a_new_training_that_cannot_write_its_first_files_is_an_error(
    unpaired: Path, every_file: dict[str, Any], disk: Disk
) -> None:
    with disk.refuse("config.json", errno.ENOSPC), pytest.raises(WriteError, match="No space left"):
        start("cyclegan", every_file, "run")
    trainer = start("cyclegan", every_file, "run")
    with disk.refuse("state.next.pt", errno.EIO), pytest.raises(WriteError, match="Input/output error"):
        trainer.train()


def test_no_weight_depends_on_what_can_be_written(unpaired: Path, every_file: dict[str, Any], disk: Disk) -> None:
    whole = start("cyclegan", every_file, "whole")
    whole.train()
    refused = start("cyclegan", every_file, "refused")
    run_to_step_4(refused, disk, "refused/")
    for name, value in weights(whole).items():
        assert value.equal(weights(refused)[name]), name
    assert read_log(refused.run.path)
