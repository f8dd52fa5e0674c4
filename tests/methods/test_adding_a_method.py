"""Follow `i2i/docs/extending.md` and add its example method."""

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import i2i
from i2i import recipes
from i2i.recipes import launch, table
from i2i.training.progress import TrainingProgress

TEXT = (Path(i2i.__file__).parent / "docs" / "extending.md").read_text()
FILE, ROW = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def gcgan(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("i2i.methods.gcgan")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(FILE, "gcgan.py", "exec"), module.__dict__)
    row = eval(f"{{{ROW}}}", {**vars(table), "GcGANConfig": module.GcGANConfig})
    monkeypatch.setattr(recipes, "RECIPES", {**recipes.RECIPES, **row})


def test_the_example_is_one_file_of_at_most_60_lines_and_one_row() -> None:
    assert len([line for line in FILE.splitlines() if line]) <= 60
    assert ROW.count("Recipe(") == 1


def test_the_example_trains_resumes_and_translates(
    gcgan: None, unpaired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    trainer = launch.new_training("gcgan", "paper", changes(unpaired, steps=2), None, TrainingProgress())
    assert trainer.train() is None
    trainer.run.unlock()
    resumed = launch.resume_training(
        "gcgan", None, {"training": {"steps": 3}}, trainer.run.path.name, TrainingProgress()
    )
    assert resumed.train() is None
    assert resumed.step == 3
    assert i2i.load(trainer.run.path.name)(Image.new("RGB", (20, 24))).size == (20, 24)


def test_the_example_has_a_command_with_its_own_flags(
    gcgan: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from i2i.cli import main

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["i2i", "train", "gcgan", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    output = capsys.readouterr().out
    assert "--weight-geometry" in output
    assert "anchored by geometry" in output
