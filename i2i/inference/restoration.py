"""The degradation level that a restoration model takes as input."""

from i2i.checkpoints.model_info import ModelInfo
from i2i.config import from_json
from i2i.errors import ConfigError, ModelFileError, UsageError
from i2i.inference.options import InferenceOptions
from i2i.restoration import Task, find_task


def conditioning_level(model: str, info: ModelInfo, strength: float | None) -> float:
    """Return the degradation level for the network's level channel.

    Args:
        model: name of the model, for error messages.
        info: metadata of the model file.
        strength: strength of the degradation, in the unit of the model's task.

    Returns: in [-1, 1]; 0 for a network without a level channel.

    Raises: UsageError if the strength is missing, out of range, or given to a network without a level channel.
    """
    if not info.takes_strength:
        InferenceOptions(strength=strength).check_for(model, info)
        return 0.0
    task = task_of(model, info)
    low, high = task.strength_range() or (0.0, 0.0)
    if strength is None or not low <= strength <= high:
        actual = "none was given" if strength is None else f"found {strength:g}"
        raise UsageError(
            f"{model} takes the degradation strength as input: --degradation-level {low:g} to {high:g}; {actual} "
            "(strength in Python)."
        )
    return task.conditioning_level(strength) / 127.5 - 1


def superres_scale(info: ModelInfo) -> int:
    """Return how many times as wide and high a result is as its input: 2, 3 or 4 for super-resolution, else 1."""
    return info.scale


def default_strength(info: ModelInfo) -> float | None:
    """Return the middle of the strengths that a model takes as input, or None if it takes none."""
    return task_of("The model", info).mid_strength() if info.takes_strength else None


def task_of(model: str, info: ModelInfo) -> Task:
    """Return the task that a restoration model was trained for. Raises ModelFileError if the metadata has none."""
    task = find_task(info.task_name)
    if task is None:
        raise ModelFileError(
            f"{model}: its metadata does not describe the task it was trained for (the task {info.task_name!r} is "
            f"unknown). {info.missing_plugin_hint()}"
        )
    try:
        return from_json(task, info.task, "task")
    except ConfigError as error:
        raise ModelFileError(
            f"{model}: its metadata does not describe the task it was trained for ({error})."
        ) from error
