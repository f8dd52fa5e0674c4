"""Arguments of the public functions are checked against their annotations."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import i2i
from i2i.arguments import PathLike, check_types, to_device_name
from i2i.errors import ArgumentTypeError


@pytest.mark.parametrize(
    ("hint", "good", "bad", "words"),
    [
        (int, [3, np.int64(3)], ["3", 3.0, True, None], "a whole number"),
        (float | None, [3, 0.5, np.float32(1), None], ["3", True, [1.0]], "a number or None"),
        (bool, [True, False], [1, "yes", None], "True or False"),
        (PathLike | None, ["a", Path("a"), None], [3, b"a"], "a path or None"),
        (PathLike | Sequence[PathLike], ["a", ["a"], iter(["a"])], [3, {"a": 1}], "a path or a list"),
        (Literal["keep", "strip"], ["keep"], ["Keep", 3, ["keep"]], "one of keep, strip"),
        (tuple[float, float], [(0, 1.5), [0, 4095]], [3, (1,), ("a", 1), "ab"], r"a tuple \(a number, a number\)"),
        (Mapping[str, float], [{"psnr": 3}], [3, ["psnr"]], "a dict"),
        (Callable[[int], None], [print], [3, None], "a function"),
    ],
)
def test_a_value_of_another_type_is_refused(hint: Any, good: list[Any], bad: list[Any], words: str) -> None:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = hint
    for value in good:
        check_types(function, {"value": value})
    for value in bad:
        with pytest.raises(ArgumentTypeError, match=f"value is .*; it must be {words}"):
            check_types(function, {"value": value})


def test_a_device_is_a_name_or_an_object_of_torch() -> None:
    assert to_device_name("cuda:1") == "cuda:1"
    assert to_device_name(torch.device("cuda", 1)) == "cuda:1"
    with pytest.raises(ArgumentTypeError, match="device is None"):
        to_device_name(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": None}, "model is None; it must be a path"), ({"model": b"x"}, "model is b'x'"),
        ({"device": None}, "device is None"), ({"strength": "3"}, "strength is '3'; it must be a number or None"),
        ({"mask": 3}, "mask is 3"), ({"mask_fill": "grey"}, "one of white, black, paint"),
        ({"value_range": 3}, "value_range is 3"), ({"direction": 3}, "direction is 3"),
    ],
)  # fmt: skip
def test_options_of_another_type_are_refused_when_a_model_is_loaded(options: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        i2i.load(**{"model": "identity", **options})
    with pytest.raises(TypeError, match="model is 3"):
        i2i.load_sampler(3)  # type: ignore[arg-type]


def test_a_device_of_torch_can_be_given() -> None:
    assert i2i.load("identity", device=torch.device("cpu")).device == torch.device("cpu")
