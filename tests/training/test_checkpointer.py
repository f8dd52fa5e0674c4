"""Checkpoints in the background: equal files, and a disk that is full for a while."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.log import read_log
from i2i.checkpoints.run import Run
from i2i.errors import I2IError
from i2i.training.checkpointer import CopyBuffers
from tests.training.test_trainer import Changes, assert_equal_states, resume, start


def test_the_saved_state_is_that_of_the_step_although_training_goes_on(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=1), "run")
    trainer.train()
    trainer.step = 2
    before = {name: value.clone() for name, value in trainer.method.state_dict().items()}
    write, go = trainer.checkpointer._write, threading.Event()

    def write_later(checkpoint: Any) -> None:
        assert go.wait(60)
        write(checkpoint)

    trainer.checkpointer._write = write_later  # type: ignore[method-assign]
    trainer.save_in_background()
    with torch.no_grad():
        for weight in trainer.method.parameters():
            weight.zero_()
    go.set()
    assert trainer.checkpointer.wait()
    state = trainer.run.load_state()
    assert state is not None
    assert all(torch.equal(state["method"][name], value) for name, value in before.items() if torch.is_tensor(value))


def test_a_disk_that_is_full_for_a_while_does_not_stop_the_training(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=6, save_every_minutes=0.0), "run")
    save_state = Run.save_state

    def full_at_3_and_4(run: Run, state: dict[str, Any]) -> None:
        if state["step"] in (3, 4):
            raise I2IError("state.next.pt could not be written: No space left on device.")
        save_state(run, state)

    monkeypatch.setattr(Run, "save_state", full_at_3_and_4)
    trainer.train()
    assert len([message for message in caplog.messages if "the training goes on" in message]) == 2
    trainer.run.unlock()
    assert resume("cyclegan", {}, "run").step == 6


def test_a_disk_that_is_full_at_the_end_is_an_error(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=4, save_every_minutes=0.0), "run")
    save_state = Run.save_state

    def full_from_3(run: Run, state: dict[str, Any]) -> None:
        if state["step"] >= 3:
            raise I2IError("No space left on device.")
        save_state(run, state)

    monkeypatch.setattr(Run, "save_state", full_from_3)
    with pytest.raises(I2IError, match="No space left"):
        trainer.train()
    trainer.run.unlock()
    monkeypatch.setattr(Run, "save_state", save_state)
    assert resume("cyclegan", {}, "run").step == 2


def test_the_first_row_of_the_log_after_a_resume_equals_that_of_an_uninterrupted_training(
    unpaired: Path, changes: Changes
) -> None:
    settings = changes(unpaired, steps=8, log_every=4, schedule="constant")
    whole = start("cyclegan", settings, "whole")
    whole.train()
    part = start("cyclegan", settings, "part")
    run_step = part._run_step

    def interrupted(batch: Any) -> None:
        run_step(batch)
        if part.step == 2:
            signal.raise_signal(signal.SIGTERM)

    part._run_step = interrupted  # type: ignore[method-assign]
    part.train()
    part.run.unlock()
    resumed = resume("cyclegan", {}, "part")
    resumed.train()
    rows = [
        [{name: value for name, value in row.items() if name != "time"} for row in _loss_rows(trainer.run.path)]
        for trainer in (whole, resumed)
    ]
    assert rows[0][0]["step"] == 4
    assert rows[0] == rows[1]
    assert_equal_states(whole, resumed)


def _loss_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for row in read_log(folder) if "lr" in row]


def test_copies_are_equal_use_the_same_memory_again_and_share_what_the_originals_share() -> None:
    weight = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    value = {"a": weight, "b": [weight.detach(), weight[0], 3, None, "x"], "c": (torch.zeros(0), torch.tensor(2))}
    buffers = CopyBuffers()
    first = buffers.copy(value)
    assert first["a"].stride() == weight.stride()
    assert first["a"].data_ptr() == first["b"][0].data_ptr() != weight.data_ptr()
    assert first["b"][2:] == [3, None, "x"]
    assert (first["c"][0].shape, first["c"][1]) == ((0,), 2)
    weight.mul_(2)
    assert torch.equal(first["a"], weight / 2)
    second = buffers.copy(value)
    assert second["a"].data_ptr() == first["a"].data_ptr()
    assert torch.equal(second["a"], weight)
    assert torch.equal(second["b"][1], weight[0])
    third = buffers.copy({"a": weight[:, :1]})
    assert torch.equal(third["a"], weight[:, :1])
    assert next(iter(buffers._buffers.values())) is third["a"]
