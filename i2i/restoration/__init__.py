"""Restoration tasks: the degradations that a network learns to remove."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from i2i.config import discriminator_values, extend_unions, option
from i2i.plugins import PluginGroup
from i2i.restoration.blur import Deblur
from i2i.restoration.colorize import Colorize
from i2i.restoration.inpaint import Inpaint
from i2i.restoration.jpeg import Dejpeg
from i2i.restoration.library import (
    AlbumentationsTask,
    Deflare,
    Deglass,
    Depixelate,
    Deposterize,
    Dering,
    Deshadow,
    Despatter,
    Dewebp,
    Dezoom,
)
from i2i.restoration.noise import Denoise
from i2i.restoration.old_photo import OldPhoto
from i2i.restoration.superres import Superres
from i2i.restoration.task import Task
from i2i.restoration.weather import Dehaze, Derain, Lowlight

__all__ = ["TASKS", "TASK_PLUGINS", "NoTask", "Task", "TaskConfig", "find_task"]


@dataclass(frozen=True, kw_only=True)
class NoTask(Task):
    """No degradation: the dataset holds input and target images."""

    task: Literal["none"] = option("none", "restoration task")

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return clean


TaskConfig = (
    NoTask | Denoise | Dejpeg | Deblur | Superres | Inpaint | Colorize | Derain | Dehaze | Lowlight | OldPhoto | Dewebp
    | Deglass | Dezoom | Deshadow | Deflare | Dering | Depixelate | Deposterize | Despatter | AlbumentationsTask
)  # fmt: skip
TASKS: dict[str, type[TaskConfig]] = {
    "none": NoTask,
    "denoise": Denoise,
    "dejpeg": Dejpeg,
    "deblur": Deblur,
    "superres": Superres,
    "inpaint": Inpaint,
    "colorize": Colorize,
    "derain": Derain,
    "dehaze": Dehaze,
    "lowlight": Lowlight,
    "oldphoto": OldPhoto,
    "dewebp": Dewebp,
    "deglass": Deglass,
    "dezoom": Dezoom,
    "deshadow": Deshadow,
    "deflare": Deflare,
    "dering": Dering,
    "depixelate": Depixelate,
    "deposterize": Deposterize,
    "despatter": Despatter,
    "albumentations": AlbumentationsTask,
}


def _check_plugin(name: str, task: Any) -> type[Task]:
    """Return the class of a task of another package."""
    if not (isinstance(task, type) and issubclass(task, Task)):
        raise TypeError(f"{task!r} is no subclass of i2i.restoration.Task")
    if discriminator_values(task) != (name,):
        raise TypeError(f"{task.__qualname__} has no field task: Literal[{name!r}]")
    task()  # every field needs a default, and its bounds must hold
    return task


TASK_PLUGINS = PluginGroup("i2i.tasks", "task", lambda: TASKS, _check_plugin)
extend_unions(NoTask, lambda: TASK_PLUGINS.load_all().values())


def find_task(name: str) -> type[Task] | None:
    """Return the class of a task of i2i or of a plugin; None if there is none. Raises PluginError if it is broken."""
    return TASKS.get(name) or TASK_PLUGINS.find(name)
