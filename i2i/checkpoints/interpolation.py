"""Interpolate the weights of two models of one network, as ESRGAN does (Wang et al. 2018, section 3.4)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2i.checkpoints.model_file import ModelFile, load_model_file, model_name
from i2i.checkpoints.model_header import is_foreign
from i2i.errors import UsageError

# What two models must have in common, and its name in messages.
_SHARED = {
    "directions": "directions", "task": "task", "generator": "generator", "formats": "channels and types",
    "value_ranges": "value ranges",
}  # fmt: skip


def interpolate(first: Path, second: Path, weight: float) -> ModelFile:
    """Return a model whose weights are (1 − ``weight``) of the first model's and ``weight`` of the second's.

    The second model is usually one that was finetuned from the first with another loss: weights of trainings that
    started apart have no useful mean. The metadata are those of the second, with a note.

    Args:
        first: model file.
        second: model file.
        weight: from 0 to 1.

    Raises:
        UsageError: the models differ in their networks, directions, task or images, or ``weight`` is outside of 0 to 1.
        ModelFileError: a file cannot be read.
    """
    if not 0 <= weight <= 1:
        raise UsageError(f"--weight is {weight:g}; it must be from 0, the first model, to 1, the second.")
    for path in (first, second):
        if is_foreign(path):
            raise UsageError(f"{path} is a file of another program: import it first, with `i2i models import`.")
    one, other = load_model_file(first), load_model_file(second)
    for field, name in _SHARED.items():
        left, right = getattr(one.info, field), getattr(other.info, field)
        if left != right:
            raise UsageError(
                f"{model_name(first)} and {model_name(second)} differ in their {name} ({_difference(left, right)}). "
                "Only models of the same network and task can be interpolated."
            )
    if {key: x.shape for key, x in one.tensors.items()} != {key: x.shape for key, x in other.tensors.items()}:
        raise UsageError(f"{model_name(first)} and {model_name(second)} have weights of different names or shapes.")
    tensors = {
        key: (x.float() * (1 - weight) + other.tensors[key].float() * weight).to(x.dtype)
        if x.is_floating_point()
        else other.tensors[key]
        for key, x in one.tensors.items()
    }
    note = f"Its weights are {1 - weight:g} of {model_name(first)}'s and {weight:g} of {model_name(second)}'s."
    return ModelFile(replace(other.info, source_notes=(*other.info.source_notes, note)), tensors)


def _difference(left: Any, right: Any) -> str:
    """Return two values, or of two mappings the first entry that differs; of a missing and a given task, its name."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys = sorted(left.keys() | right.keys(), key=lambda key: (key not in ("task", "network"), key))
        key = next(key for key in keys if left.get(key) != right.get(key))
        return f"{key} {left.get(key)} and {right.get(key)}"
    names = [value["task"] if isinstance(value, Mapping) and "task" in value else value for value in (left, right)]
    return " and ".join("none" if name is None else str(name) for name in names)
