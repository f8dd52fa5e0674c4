"""The trainings and the folder of results of tests/benchmarks/cuda_session.py."""

import argparse
import json
import os
import shutil
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from i2i.checkpoints.model_file import load_model_file
from i2i.errors import ModelFileError
from tests.benchmarks import cuda_trainings
from tests.benchmarks.cuda_results import check_limits, choose_evenly, join_pieces, pack_details, store_model
from tests.benchmarks.cuda_stages import Recorder
from tests.benchmarks.cuda_trainings import Training, TrainingSpec, finish_trainings, parse_spec

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "denoise" / "weights.safetensors"
SAVES_THEN_WAITS = """
import pathlib, shutil, signal, sys, time
run, handler = pathlib.Path(sys.argv[1]), sys.argv[3]
signal.signal(signal.SIGTERM, signal.SIG_IGN if handler == "ignore" else lambda *_: sys.exit(0))
run.mkdir(parents=True)
(run / "log.jsonl").write_text('{"step": 7, "epoch": 1}\\n{"step": 7}\\n')
shutil.copyfile(sys.argv[2], run / "new"); (run / "new").rename(run / "weights.safetensors")
print("saved", flush=True)
if handler == "raise":
    raise SystemExit(1)
time.sleep(60)
"""


class FakeTraining(Training):
    """Runs SAVES_THEN_WAITS; the flag says how it reacts to SIGTERM."""

    def command(self, seconds: float, device: str, rehearse: bool) -> list[str]:
        return ["-c", SAVES_THEN_WAITS, str(self.run), str(SHIPPED), *self.spec.words]


def start(handler: str, folder: Path) -> FakeTraining:
    """Start a training called run, and wait until its model file is stored."""
    training = FakeTraining(TrainingSpec("run", [handler]), folder / "out", folder / "work", Recorder(folder / "out"))
    training.start(60, "cpu", True, os.environ)
    give_up = time.monotonic() + 30
    while not (folder / "out" / "details.tar").exists() and time.monotonic() < give_up:
        time.sleep(0.02)
    return training


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]


def test_a_training_is_stored_while_it_runs_and_asked_to_stop_at_the_deadline(tmp_path: Path) -> None:
    training = start("save", tmp_path)
    assert training.is_running()
    assert (tmp_path / "out" / "run.safetensors").read_bytes() == SHIPPED.read_bytes()
    finish_trainings([training], time.monotonic())
    stored, *_, ended = results(tmp_path)
    assert stored == {"stage": "stored", "name": "run", "files": ["run.safetensors"], "float16": False}
    assert (ended["stage"], ended["exit"], ended["last"]) == ("training", 0, {"step": 7, "epoch": 1})
    with tarfile.open(tmp_path / "out" / "details.tar") as archive:
        assert archive.getnames() == ["logs/run.log", "runs/run/log.jsonl"]


def test_a_training_that_does_not_stop_is_killed_and_stays_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_trainings, "STOP_SECONDS", 0.1)
    training = start("ignore", tmp_path)
    finish_trainings([training], time.monotonic())
    assert results(tmp_path)[-1]["exit"] == -signal.SIGKILL
    load_model_file(tmp_path / "out" / "run.safetensors")


def test_a_training_that_fails_is_recorded_and_not_waited_for(tmp_path: Path) -> None:
    training = start("raise", tmp_path)
    begin = time.monotonic()
    finish_trainings([training], begin + 1000)
    assert time.monotonic() < begin + 500
    assert results(tmp_path)[-1]["exit"] == 1


def test_snapshots_at_equal_distances_are_stored(tmp_path: Path) -> None:
    training = Training(TrainingSpec("run", ["cut"]), tmp_path / "out", tmp_path / "work", Recorder(tmp_path / "out"))
    training.store_snapshots(2)
    assert not (tmp_path / "out" / "results.jsonl").read_text()
    folder = training.run / "snapshots"
    folder.mkdir(parents=True)
    for step in (2000, 4000, 6000, 8000):
        shutil.copyfile(SHIPPED, folder / f"{step:07}.safetensors")
    training.store_snapshots(2)
    names = ["run-0004000.safetensors", "run-0008000.safetensors"]
    assert results(tmp_path) == [{"stage": "snapshots", "name": "run", "files": names}]
    for name in names:
        load_model_file(tmp_path / "out" / name)


def test_paths_are_chosen_at_equal_distances_with_the_last_one() -> None:
    paths = [Path(str(number)) for number in range(1, 8)]
    chosen = {count: [int(path.name) for path in choose_evenly(paths, count)] for count in (0, 1, 2, 3, 9)}
    assert chosen == {0: [], 1: [7], 2: [4, 7], 3: [2, 5, 7], 9: [1, 2, 3, 4, 5, 6, 7]}


def test_the_flags_of_a_training_override_those_of_the_session(tmp_path: Path) -> None:
    spec = parse_spec("a-1=cut --recipe fast --title 'two words' --sample-every 9")
    assert spec == ("a-1", ["cut", "--recipe", "fast", "--title", "two words", "--sample-every", "9"])
    command = Training(spec, tmp_path, tmp_path, Recorder(tmp_path)).command(385, "cuda", False)
    assert command[:8] == ["-m", "i2i", "train", "cut", "--name", "a-1", "--max-hours", "0.100000"]
    assert command[-2:] == ["--sample-every", "9"]


@pytest.mark.parametrize("length", ["--steps 3000", "--steps=3000", "--epochs 4"])
def test_a_training_of_a_given_length_has_no_limit_in_hours(length: str, tmp_path: Path) -> None:
    training = Training(parse_spec(f"a=cut {length}"), tmp_path, tmp_path, Recorder(tmp_path))
    assert "--max-hours" not in training.command(385, "cuda", False)


@pytest.mark.parametrize("text", ["cut", "=cut", "a b=cut", "a=", "a=--recipe fast"])
def test_a_training_without_a_name_or_a_method_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="NAME=METHOD FLAGS"):
        parse_spec(text)


def test_a_large_model_file_is_stored_in_half_precision_and_in_pieces_that_join(tmp_path: Path) -> None:
    size = SHIPPED.stat().st_size
    assert store_model("a", SHIPPED, tmp_path, tmp_path / "half", size) == {
        "files": ["a.safetensors"],
        "float16": False,
    }
    stored = store_model("b", SHIPPED, tmp_path, tmp_path / "half", size // 3)
    assert stored["float16"]
    assert len(stored["files"]) == 4
    joined = join_pieces(tmp_path, "b", tmp_path / "joined.safetensors")
    assert joined.read_bytes() == (tmp_path / "half" / "b.half.safetensors").read_bytes()
    (tmp_path / "b.safetensors.01").unlink()
    with pytest.raises(ModelFileError):
        join_pieces(tmp_path, "b", tmp_path / "damaged.safetensors")


def test_the_details_leave_out_what_is_too_large_and_hold_first_and_last_samples(tmp_path: Path) -> None:
    samples = tmp_path / "runs" / "a" / "samples"
    samples.mkdir(parents=True)
    for step in range(9):
        (samples / f"{step}.png").write_bytes(bytes(10_000 if step != 7 else 300_000))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("words")
    pack_details(tmp_path, tmp_path, max_bytes=100_000)
    with tarfile.open(tmp_path / "details.tar") as archive:
        assert archive.getnames() == ["logs/a.log", *(f"runs/a/samples/{step}.png" for step in (8, 0, 6))]
    assert (tmp_path / "details.tar").stat().st_size <= 100_000


def test_too_many_results_are_reported(tmp_path: Path) -> None:
    for index in range(8):
        (tmp_path / f"{index}").write_bytes(b"")
    assert check_limits(tmp_path) == {"files": 8, "mib": 0.0}
    (tmp_path / "8").write_bytes(b"")
    assert "error" in check_limits(tmp_path)
