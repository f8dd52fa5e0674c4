"""How strong a damage a restoration model is told to undo."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from i2i.config import from_json
from i2i.errors import BundleError, ConfigError, UsageError
from i2i.restoration import TASKS, Task

if TYPE_CHECKING:
    from i2i.networks import GeneratorConfig


def level_of(model: str, config: "GeneratorConfig", header: Mapping[str, Any], strength: float | None) -> float:
    """In [-1, 1], what the network is told of a strength; 0 where it is told nothing.

    Raises UsageError where a strength is wanted, not wanted or out of range.
    """
    from i2i.networks import RestorerConfig

    if not isinstance(config, RestorerConfig) or config.shows != "level":
        if strength is not None:
            raise UsageError(f"{model} judges by itself how strong the damage is: it takes no --task-strength.")
        return 0.0
    task = described_task(model, header)
    low, high = task.strengths() or (0.0, 0.0)
    if strength is None or not low <= strength <= high:
        found = "none was given" if strength is None else f"found {strength:g}"
        wanted = f"--task-strength {low:g} to {high:g}"
        raise UsageError(f"{model} is to be told how strong the damage is by {wanted}; {found}.")
    return task.level(strength) / 127.5 - 1


def some_strength(header: Mapping[str, Any]) -> float | None:
    """A strength that a model takes, by its header; None where it takes none."""
    generator = header.get("generator")
    wanted = isinstance(generator, dict) and generator.get("shows") == "level"
    return described_task("The model", header).middle() if wanted else None


def described_task(model: str, header: Mapping[str, Any]) -> Task:
    """The task that a restoration model was trained for. Raises BundleError where its header does not say it."""
    try:
        return from_json(TASKS[header["task"]["task"]], header["task"], "task")
    except (ConfigError, KeyError, TypeError) as error:
        raise BundleError(f"{model}: its header does not describe the task it was trained for ({error}).") from error
