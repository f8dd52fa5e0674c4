"""The speed of training steps and their profile (tests/benchmarks/cuda_speed.py), in the smallest form on a CPU."""

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks import cuda_speed

TINY = ("regression", "tiny", {"model": {"generator": {"width": 4}}, "data": {"size": 16}})
BROKEN = ("regression", "no recipe", {})


def test_each_recipe_is_timed_in_each_mode_and_one_failure_does_not_stop_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_speed, "ROWS", (BROKEN, TINY))
    cuda_speed.measure_speed(["eager", "graph"], torch.device("cpu"), timed=1, rehearse=False)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["mode"], "ms" in row) for row in rows] == [
        ("eager", False), ("eager", True), ("graph", False), ("graph", True),
    ]  # fmt: skip
    assert rows[1]["name"] == "regression:tiny"
    assert rows[1]["ms"] > 0


def test_a_profile_lists_operations_with_the_shapes_of_their_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_speed, "PROFILED", (TINY,))
    cuda_speed.profile_steps(tmp_path, torch.device("cpu"), rehearse=False)
    assert json.loads(capsys.readouterr().out) == {"name": "regression-tiny", "profile": "regression-tiny.txt"}
    text = (tmp_path / "regression-tiny.txt").read_text()
    assert "aten::" in text
    assert "Input Shapes" in text
