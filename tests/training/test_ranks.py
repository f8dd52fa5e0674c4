"""Whole trainings by several processes: their runs, their loss of a process, and resumes by other numbers of them."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_file import load_model_file
from i2i.checkpoints.run import Run
from i2i.errors import ConfigError
from i2i.recipes import launch
from i2i.recipes.ranks import with_ranks, with_resumed_ranks
from i2i.training.config import TrainingConfig
from i2i.training.progress import TrainingProgress
from tests.conftest import write_random_images
from tests.forked_process import start
from tests.training.test_distributed import free_port

pytestmark = pytest.mark.slow

TRAIN = [
    "train", "cut", "--data", "data", "--recipe", "tiny", "--size", "16", "--d-receptive-field", "16", "--ngf", "2",
    "--d-ndf", "2", "--blocks", "1", "--nce-layers", "0,4", "--precision", "float32", "--log-every", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    for domain in ("trainA", "trainB"):
        write_random_images(folder / "data" / domain, 5)
    return folder


def run_command(folder: Path, *words: str, count: int, dying: int | None = None) -> list[tuple[int, str]]:
    """Run the command in ``count`` processes. Return the exit code and the output of each.

    Args:
        folder: the working directory.
        words: of the command.
        count: number of processes.
        dying: the process, if any, that ends without notice in its third step.
    """
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())} if count > 1 else {}
    processes = []
    for rank in range(count):
        own = {"WORLD_SIZE": str(count), "RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count)}
        environment = {**os.environ, **(own if count > 1 else {}), **address}
        die = ["--die-at", "2"] if rank == dying else []
        command = ["-m", "tests.training.rank_command", *die, *TRAIN, *words]
        processes.append(start(*command, cwd=folder, env=environment))
    outputs = ["".join(process.communicate(timeout=300)) for process in processes]
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]


def test_two_processes_train_like_one_and_one_goes_on_with_their_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    two = run_command(folder, "--name", "two", "--batch-size", "1", "--steps", "2", count=2)
    assert [code for code, _ in two] == [0, 0], two
    assert "in 2 processes" in two[0][1]
    assert two[1][1] == "", "one process speaks for all"
    monkeypatch.chdir(folder)
    settings = Run(Path("checkpoints/two")).load_config()
    settings["training"] |= {"batch_size": 2, "ranks": 1}
    overrides = {section: settings[section] for section in ("data", "model", "training")}
    launch.new_training("cut", "tiny", overrides, "one", TrainingProgress(Console(quiet=True))).train()
    one, both = (load_model_file(Path("checkpoints", name, "weights.safetensors")).tensors for name in ("one", "two"))
    for name, weight in one.items():
        assert (both[name] - weight).abs().mean() < 1e-6, name
    for row, row_of_both in zip(*(read_log(Path("checkpoints", name)) for name in ("one", "two")), strict=True):
        assert row.keys() == row_of_both.keys()
        assert all(row_of_both[key] == pytest.approx(row[key], rel=1e-3, abs=1e-4) for key in row.keys() - {"time"})

    longer = {"training": {"steps": 3}}
    trainer = launch.resume_training("cut", None, longer, "two", TrainingProgress(Console(quiet=True)))
    assert "trained by 2 processes before and goes on with 1" in caplog.text
    trainer.train()
    assert (trainer.step, trainer.config.images_per_step) == (3, 2)


def test_a_lost_process_ends_the_others_with_the_last_good_state_saved(folder: Path) -> None:
    (code, output), (other, _) = run_command(folder, "--name", "lost", "--steps", "9", count=2, dying=1)
    assert (code, other) == (1, 9), output
    assert "Another process of this training has ended" in " ".join(output.split())
    state = Run(folder / "checkpoints" / "lost").load_state()
    assert state is not None
    assert state["step"] == 1, "the copy in memory, which is younger than the file of the start"


def test_ranks_that_torchrun_did_not_start_are_refused() -> None:
    with pytest.raises(ConfigError, match="ranks is 3, and this training has 1: torchrun sets"):
        with_ranks({"training": {"ranks": 3}})


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [(1, (3, 4)), (2, (3, 2)), (3, (2, 2)), (6, (2, 1)), (12, (1, 1))],
)
def test_a_resume_by_other_processes_keeps_the_images_of_a_step(
    ranks: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(ranks))
    overrides = with_resumed_ranks(TrainingConfig(batch_size=3, accumulate=1, ranks=4), {})["training"]
    assert (overrides["batch_size"], overrides["accumulate"]) == expected
    assert ranks * expected[0] * expected[1] == 12


def test_processes_that_cannot_share_a_step_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(ConfigError, match=r"12 images, which 5 processes cannot share equally\. Start one of: 1, 2, 3"):
        with_resumed_ranks(TrainingConfig(batch_size=3, ranks=4), {})
