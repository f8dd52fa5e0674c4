"""States that are damaged or do not fit: an error in words, and never a traceback."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.log import read_log
from i2i.errors import ConfigError, RunError
from i2i.training.time_budget import parse_duration
from tests.conftest import write_unpaired
from tests.training.test_trainer import Changes, resume, start


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, changes: Changes) -> Path:
    """The folder "checkpoints" of a training of one step, shared by the tests of this file."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        trainer = start("cyclegan", changes(write_unpaired(folder / "two"), steps=1), "run")
        trainer.train()
        trainer.run.unlock()
    return folder / "checkpoints"


@pytest.fixture
def run(trained: Path, work_dir: Path) -> Path:
    """A copy of the trained run in the working directory."""
    shutil.copytree(trained, work_dir / "checkpoints")
    return work_dir / "checkpoints" / "run"


def change_state(run: Path, **values: Any) -> None:
    state = {**torch.load(run / "state.pt", weights_only=True), **values}
    torch.save({name: value for name, value in state.items() if value is not ...}, run / "state.pt")
    (run / "state.previous.pt").unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["fingerprint", "step", "rng", "method", "optimizers", "monitor", "ema", "elapsed"])
@pytest.mark.parametrize("value", ["x", [1], True, ..., torch.zeros(2), {"a": 1}])
def test_a_state_with_a_wrong_field_is_an_error_that_names_the_run(name: str, value: object, run: Path) -> None:
    if (name, value) in [("elapsed", ...), ("fingerprint", "x")]:
        pytest.skip("usable, or an error about the data")
    change_state(run, **{name: value})
    with pytest.raises(RunError, match="run"):
        resume("cyclegan", {}, "run")


@pytest.mark.parametrize("value", [-1, 2**70])
def test_a_state_with_an_impossible_step_is_an_error(value: int, run: Path) -> None:
    change_state(run, step=value)
    with pytest.raises(RunError, match="its step is"):
        resume("cyclegan", {}, "run")


def test_a_state_with_optimizer_tensors_of_other_shapes_is_an_error(run: Path) -> None:
    optimizers = torch.load(run / "state.pt", weights_only=True)["optimizers"]
    optimizers["G"]["state"][0]["exp_avg"] = torch.zeros(3, 1, 4, 1)
    change_state(run, optimizers=optimizers)
    with pytest.raises(RunError, match="exp_avg in the optimizer of G has the shape"):
        resume("cyclegan", {}, "run")


def test_changed_data_is_an_error_that_names_the_flag_and_is_recorded_with_it(
    unpaired: Path, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=1), "run")
    trainer.train()
    trainer.run.unlock()
    (unpaired / "trainA" / "000.png").unlink()
    with pytest.raises(RunError, match="--allow-changed-data"):
        resume("cyclegan", {}, "run")
    trainer = resume("cyclegan", {"training": {"steps": 2}}, "run", allow_changed_data=True)
    trainer.train()
    assert "goes on with the present images" in caplog.text
    (row,) = [row for row in read_log(trainer.run.path) if "data_changed" in row]
    assert row["step"] == 1
    trainer.run.unlock()
    assert resume("cyclegan", {}, "run").step == 2, "the present images are those of the run from now on"


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2h30", "0m", "1e3s", "2hh", "٣h", "2h 30m"])
def test_a_duration_without_a_unit_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="is no duration"):
        parse_duration(text)
