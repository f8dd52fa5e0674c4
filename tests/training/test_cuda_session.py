"""The session for a machine with a GPU (tests/benchmarks/cuda_session.py), in its smallest form on a CPU."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.model_file import load_model_file
from i2i.errors import ModelFileError
from tests.benchmarks import cuda_checks, cuda_pack, cuda_session, cuda_step_checks
from tests.benchmarks.cuda_session import Recorder, Stage, join_pieces, run_stage, split_pieces

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "denoise" / "weights.safetensors"
TINY = {
    "regression": ("regression", "tiny", {"model": {"generator": {"width": 4}}}),
    "broken": ("regression", "tiny", {"model": {"weight_perceptual": 1.0}}),
}


def check_arguments(**values: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"device": "cpu", "size": 32, "rehearse": True, "timed": 1, **values})


def results(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def run_code(code: str, limit: float, out: Path) -> list[dict[str, Any]]:
    run_stage(Stage("stage", ["-c", code], limit), limit, Recorder(out))
    return results((out / "results.jsonl").read_text())


def test_a_stage_records_each_json_line_and_its_exit_code(tmp_path: Path) -> None:
    code = """print('{"a": 1}'); print('words'); print('{'); print('"b": 2}'); raise SystemExit(3)"""
    *rows, last = run_code(code, 20, tmp_path)
    assert rows == [{"stage": "stage", "a": 1}, {"stage": "stage", "b": 2}]
    assert last["exit"] == 3
    assert "words" in (tmp_path / "session.log").read_text()


def test_a_stage_ends_at_its_limit_and_keeps_what_it_printed(tmp_path: Path) -> None:
    code = """import time; print('{"a": 1}', flush=True); time.sleep(60)"""
    first, last = run_code(code, 5.0, tmp_path)
    assert first["a"] == 1
    assert last["exit"] == "timeout"


def test_a_stage_without_time_left_is_recorded_as_skipped(tmp_path: Path) -> None:
    assert run_code("", 1, tmp_path) == [{"stage": "stage", "skipped": "no time left"}]


def test_a_session_goes_on_after_a_stage_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Stage("first", ["-c", "raise SystemExit(1)"], 20), Stage("second", ["-c", ""], 20)
    monkeypatch.setattr(cuda_session, "stages", lambda args: [first, second])
    cuda_session.main(["--out", str(tmp_path / "out"), "--minutes", "1"])
    rows = results((tmp_path / "out" / "results.jsonl").read_text())
    assert [(row["stage"], row["exit"]) for row in rows] == [("first", 1), ("second", 0)]


def test_every_stage_names_a_script_with_these_flags(tmp_path: Path) -> None:
    args = cuda_session.parse_arguments(["--out", str(tmp_path), "--data", "folder"])
    names = [stage.name for stage in cuda_session.stages(args)]
    assert names == [
        "environment",
        "graphs",
        "compiled",
        "resume",
        "convert",
        "memory",
        "steps",
        "loading",
        "conversion",
    ]
    args.rehearse = True
    assert "compiled" not in [stage.name for stage in cuda_session.stages(args)]


def test_the_pieces_of_a_model_file_join_to_the_same_file(tmp_path: Path) -> None:
    assert len(split_pieces(SHIPPED, tmp_path, 500_000)) > 2
    assert join_pieces(tmp_path, tmp_path / "joined.safetensors").read_bytes() == SHIPPED.read_bytes()
    load_model_file(tmp_path / "joined.safetensors")
    (tmp_path / "weights.safetensors.01").unlink()
    with pytest.raises(ModelFileError):
        join_pieces(tmp_path, tmp_path / "damaged.safetensors")


def test_the_losses_of_steps_are_compared_and_one_failure_does_not_stop_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_step_checks, "RECIPES", dict(reversed(TINY.items())))
    monkeypatch.delenv("I2I_WEIGHTS", raising=False)
    monkeypatch.setitem(sys.modules, "lpips", None)
    cuda_checks.check_graphs(check_arguments())
    broken, eager, graph = results(capsys.readouterr().out)
    assert broken["name"] == "broken"
    assert "error" in broken
    assert eager["mode"] == "eager"
    assert eager["losses"]
    assert (graph["equal"], max(graph["relative_differences"])) == (True, 0.0)


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("I2I_CHECKPOINTS", "I2I_CACHE"):
        monkeypatch.setenv(name, "")  # the check sets it; restored afterwards
    cuda_checks.check_resume(check_arguments())
    (row,) = results(capsys.readouterr().out)
    assert row["repeated_exactly"]
    assert row["resumed_exactly"]


def test_a_large_image_in_pieces_equals_one_pass(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    cuda_checks.check_memory(check_arguments())
    rows = results(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["tiles", "rows"]
    assert all(row["in_pieces"] and row["grey_levels_from_one_pass"] <= 1 for row in rows)


def test_the_environment_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    cuda_checks.check_environment(check_arguments())
    (row,) = results(capsys.readouterr().out)
    assert row["torch"] == torch.__version__


def test_a_pack_that_is_too_large_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(2**20))
    assert cuda_pack.check_size(tmp_path, 2**20) == 2**21
    with pytest.raises(SystemExit, match="does not fit"):
        cuda_pack.check_size(tmp_path, cuda_pack.MAX_BYTES)
