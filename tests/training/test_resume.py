import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.model_file import load_model_info
from i2i.errors import ConfigError, RunError
from tests.training.test_trainer import Changes, assert_equal_states, logged_steps, resume, start


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_by_bit(
    method: str, unpaired: Path, paired: Path, changes: Changes
) -> None:
    settings = changes(unpaired if method == "cyclegan" else paired, steps=9)
    if method == "cyclegan":
        settings["model"]["pool_size"] = 3
    whole = start(method, settings, "whole")
    whole.train()

    part = start(method, settings, "part")
    run_step = part._run_step

    def interrupted(batch: Any) -> None:
        run_step(batch)
        if part.step == 4:
            signal.raise_signal(signal.SIGTERM)

    part._run_step = interrupted  # type: ignore[method-assign]
    assert part.train() == signal.SIGTERM
    assert part.step == 4
    part.run.unlock()
    torch.manual_seed(99)  # the state of the global generator must not matter
    resumed = resume(method, {}, "part")
    assert resumed.step == 4
    resumed.train()

    assert_equal_states(whole, resumed)
    assert logged_steps(resumed) == [2, 4, 6, 8, 9]


def test_after_a_crash_the_log_is_truncated_to_the_state(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=4), "run")
    trainer.train()
    with (trainer.run.path / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "lr": 0.1}\n{"step": 8, "l')
    trainer.run.unlock()
    resume("cyclegan", {"training": {"steps": 6}}, "run").train()
    assert logged_steps(trainer) == [2, 4, 6]


def test_a_damaged_newest_state_falls_back_to_the_one_before(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=3, save_every_minutes=0.0), "run")
    monkeypatch.setattr(trainer.run, "drop_previous_state", lambda: None)  # as in a training that goes on
    trainer.train()
    trainer.run.unlock()
    (trainer.run.path / "state.pt").write_bytes(b"cut off")
    assert resume("cyclegan", {}, "run").step == 2


def test_a_run_without_a_state_restarts_at_step_0(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired), "run").run.unlock()
    assert resume("cyclegan", {}, "run").step == 0


def test_two_processes_cannot_train_one_run(unpaired: Path, changes: Changes) -> None:
    holder = start("cyclegan", changes(unpaired), "run")
    with pytest.raises(RunError, match="another process"):
        resume("cyclegan", {}, "run")
    holder.run.unlock()
    resume("cyclegan", {}, "run")


def test_a_resume_that_changes_the_method_raises_config_error_with_both_values(
    unpaired: Path, changes: Changes
) -> None:
    start("cyclegan", changes(unpaired), "run").run.unlock()
    with pytest.raises(ConfigError, match=r"model\.weight_cycle = 10\.0, not 5\.0"):
        resume("cyclegan", {"model": {"weight_cycle": 5.0}}, "run")


def test_a_resume_with_other_images_raises_run_error(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=1), "run")
    trainer.train()
    trainer.run.unlock()
    (unpaired / "trainA" / "000.png").unlink()
    with pytest.raises(RunError, match="files were added, removed"):
        resume("cyclegan", {}, "run")


def test_a_resume_repeats_a_save_that_was_interrupted_before_the_state(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2), "run")
    with monkeypatch.context() as patch:
        patch.setattr(trainer.run, "save_state", lambda state: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    trainer.run.unlock()
    resumed = resume("cyclegan", {}, "run")
    resumed.train()
    assert load_model_info(resumed.run.weights_path).steps == resumed.step == 2


def test_saving_a_step_twice_keeps_the_previous_state(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2, save_every_minutes=0.0), "run")
    monkeypatch.setattr(trainer.run, "drop_previous_state", lambda: None)
    trainer.train()
    trainer.save()
    (trainer.run.path / "state.pt").unlink()
    state = trainer.run.load_state()
    assert state is not None
    assert state["step"] == 1


def test_a_finished_run_keeps_one_state_and_can_be_continued(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2, save_every_minutes=0.0), "run")
    trainer.train()
    trainer.run.unlock()
    assert [path.name for path in trainer.run.path.glob("state*")] == ["state.pt"]
    resumed = resume("cyclegan", {"training": {"steps": 3}}, "run")
    assert resumed.step == 2
    resumed.train()
    assert resumed.step == 3


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_finished_run_keeps_one_state_if_its_last_save_was_killed(
    unpaired: Path, changes: Changes, is_whole: bool
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=2, save_every_minutes=0.0), "run")
    trainer.train()
    trainer.run.unlock()
    state, new, previous = (trainer.run.path / f"state{part}.pt" for part in ("", ".next", ".previous"))
    content = state.read_bytes()
    previous.write_bytes(content)
    if is_whole:  # killed between the two renames of the last save
        state.rename(new)
    else:
        new.write_bytes(content[:-1])
    resumed = resume("cyclegan", {}, "run")
    resumed.train()
    assert [path.name for path in trainer.run.path.glob("state*")] == ["state.pt"]
    assert state.read_bytes() == content


def test_a_trained_run_without_a_state_does_not_start_again(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=1), "run")
    trainer.train()
    trainer.run.unlock()
    (trainer.run.path / "state.pt").unlink()
    before = trainer.run.weights_path.read_bytes()
    with pytest.raises(RunError, match=r"has no training state.*--init-from run --name run-2"):
        resume("cyclegan", {"training": {"steps": 3}}, "run")
    assert trainer.run.weights_path.read_bytes() == before
