"""``i2i.evaluate`` has the arguments of ``i2i evaluate``."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import i2i
from i2i.cli.evaluate import evaluate as command
from i2i.errors import I2IError, UsageError
from i2i.training.trainer import Trainer
from tests.evaluation.conftest import quick_networks, trained  # noqa: F401 (fixtures)


def test_the_arguments_are_the_flags_of_the_command() -> None:
    flags = set(inspect.signature(command).parameters) - {"json"}
    assert set(inspect.signature(i2i.evaluate).parameters) - {"progress", "unknown"} == flags


def test_an_unknown_argument_is_an_error_that_proposes_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"evaluate\(\) has no argument 'max_image'. Did you mean max_images"):
        i2i.evaluate("identity", max_image=3)
    with pytest.raises(TypeError, match="Did you mean degradation_level"):
        i2i.evaluate("identity", strength=3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"models": 7}, "models is 7; it must be a path or a list"),
        ({"data": 3}, "data is 3; it must be a path or None"),
        ({"max_images": "3"}, "max_images is '3'; it must be a whole number or None"), ({"device": 3}, "device is 3"),
        ({"pairs": ("a",)}, r"pairs is \('a',\); it must be a tuple \(a path, a path\)"),
        ({"fail_under": 3}, "fail_under is 3; it must be a dict or a list"),
        ({"checkpoint": "z"}, "must be one of last, best, both"), ({"seed": True}, "seed is True"),
    ],
)  # fmt: skip
def test_an_argument_of_another_type_is_a_type_error_in_words(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        i2i.evaluate(**{"models": "identity", **arguments})


def test_an_evaluation_returns_rows_and_prints_as_its_tables(
    trained: Callable[..., Trainer],  # noqa: F811
    tmp_path: Path,
) -> None:
    run = trained().run
    result = i2i.evaluate(run, device="cpu", precision="float32", report=tmp_path / "report.html", cycle=False)
    (model, *_) = [row for row in result.rows if row["kind"] == "model"]
    assert model["name"] == run.path.name
    assert model["direction"] == "AtoB"
    assert model["kid"] == result.to_json()["metrics"]["kid"]
    assert run.path.name in repr(result)
    assert (tmp_path / "report.html").is_file()
    with pytest.raises(I2IError, match="FID is"):
        i2i.evaluate(run, device="cpu", precision="float32", fail_over={"fid": 0.0}, cycle=False)
    with pytest.raises(UsageError, match="is no threshold"):
        i2i.evaluate(run, fail_under={"quality": 1})
