"""Restoration tasks: what is to be undone, each a row with its strengths."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option
from i2i.data.tasks.base import Task
from i2i.data.tasks.noise import Denoise

__all__ = ["TASKS", "Denoise", "NoTask", "Task", "TaskConfig"]


@dataclass(frozen=True, kw_only=True)
class NoTask(Task):
    """Nothing is degraded: the data holds both pictures of a pair."""

    task: Literal["none"] = option("none", "restoration task")

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return clean


TaskConfig = NoTask | Denoise
TASKS: dict[str, type[TaskConfig]] = {"none": NoTask, "denoise": Denoise}
