"""The session for a machine with a GPU (tests/benchmarks/cuda_session.py), in its smallest form on a CPU."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.benchmarks import cuda_checks, cuda_session, cuda_step_checks
from tests.benchmarks.cuda_stages import Recorder, Stage, run_stage
from tests.docs.commands import benchmark_flags

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
    code = r"""import time; print('{"a": 1}\n{\n"b": {\n"c": 1\n}\n}', flush=True); time.sleep(60)"""
    *rows, last = run_code(code, 5.0, tmp_path)
    assert rows == [{"stage": "stage", "a": 1}, {"stage": "stage", "b": {"c": 1}}]
    assert last["exit"] == "timeout"


def test_a_stage_without_time_left_is_recorded_as_skipped(tmp_path: Path) -> None:
    assert run_code("", 1, tmp_path) == [{"stage": "stage", "skipped": "no time left"}]


def test_a_session_goes_on_after_a_stage_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Stage("first", ["-c", "raise SystemExit(1)"], 20), Stage("second", ["-c", ""], 20)
    monkeypatch.setattr(cuda_session, "check_stages", lambda args: [first])
    monkeypatch.setattr(cuda_session, "quiet_stages", lambda args, work: [second])
    cuda_session.main(["--out", str(tmp_path / "out"), "--minutes", "4", "--work", str(tmp_path / "work")])
    *rows, last = results((tmp_path / "out" / "results.jsonl").read_text())
    assert [(row["stage"], row["exit"]) for row in rows] == [("first", 1), ("second", 0)]
    assert (last["stage"], last["files"]) == ("session", 3)


def test_a_session_that_began_long_ago_starts_no_stage(tmp_path: Path) -> None:
    cuda_session.main(["--out", str(tmp_path / "out"), "--started", "1", "--work", str(tmp_path / "work")])
    *rows, last = results((tmp_path / "out" / "results.jsonl").read_text())
    assert {row["skipped"] for row in rows} == {"no time left"}
    assert "error" not in last


CHECKS = ["environment", "capture", "graphs", "compiled", "memory", "resume", "convert", "warm"]
QUIET = ["speed", "profile", "conversion", "loading", "steps", "speed compiled"]


def test_every_stage_names_a_script_with_these_flags(tmp_path: Path) -> None:
    args = cuda_session.parse_arguments(["--out", str(tmp_path), "--data", "folder"])
    checks, quiet = cuda_session.check_stages(args), cuda_session.quiet_stages(args, tmp_path)
    assert [stage.name for stage in checks] == CHECKS
    assert [stage.name for stage in quiet] == QUIET
    args.rehearse = True
    rehearsed = [*cuda_session.check_stages(args), *cuda_session.quiet_stages(args, tmp_path)]
    assert not any("compiled" in stage.command for stage in rehearsed)
    for stage in [*checks, *quiet, *rehearsed]:
        flags = {word for word in stage.command if word.startswith("--")}
        assert flags <= benchmark_flags(stage.command[1].rpartition(".")[2])


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
