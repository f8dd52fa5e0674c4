"""A few rounds of each kind of attack. ``python -m tests.faults --rounds N`` runs more."""

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import forked_process
from tests.faults.comparison import first_difference
from tests.faults.damage import damage
from tests.faults.suite import QUICK_ROUNDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The rows of the table by kind, and the text of all failures."""
    out = tmp_path_factory.mktemp("faults")
    arguments = ["--seed", "1", "--out", str(out), "--only", *QUICK_ROUNDS]
    done = forked_process.run("-m", "tests.faults", *arguments, cwd=ROOT, timeout=900)
    assert (out / "table.json").exists(), done.stderr
    rows = json.loads((out / "table.json").read_text())["rows"]
    failures = out / "failures.jsonl"
    return {row["kind"]: row for row in rows}, failures.read_text() if failures.exists() else ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the suite forks processes, and reads /proc")
@pytest.mark.parametrize("kind", QUICK_ROUNDS)
def test_nothing_is_lost_or_wrong(kind: str, report: Any) -> None:
    rows, failures = report
    row = rows[kind]
    assert (row["held"], row["lost"], row["wrong"]) == (QUICK_ROUNDS[kind], 0, 0), failures


def test_a_comparison_finds_one_bit() -> None:
    one = {"a": [torch.zeros(3)], "b": {"c": 1.5}}
    assert first_difference(one, {"a": [torch.zeros(3)], "b": {"c": 1.5}}) == ""
    other = torch.zeros(3)
    other.view(torch.int32)[1] ^= 1
    assert first_difference(one, {"a": [other], "b": {"c": 1.5}}) == "/a/0 differs"
    assert first_difference(one, {"a": [torch.zeros(3)], "b": {}}) == "/b/c is in one of them only"


def test_the_same_seed_makes_the_same_damage() -> None:
    data = bytes(range(256))
    changes = [damage(data, random.Random(seed)) for seed in range(50)]
    assert changes == [damage(data, random.Random(seed)) for seed in range(50)]
    assert {damaged == data for damaged, _ in changes} == {False}
