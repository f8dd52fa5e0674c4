"""Restoration tasks: the degradations that a network learns to remove."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option
from i2i.restoration.blur import Deblur
from i2i.restoration.colorize import Colorize
from i2i.restoration.inpaint import Inpaint
from i2i.restoration.jpeg import Dejpeg
from i2i.restoration.noise import Denoise
from i2i.restoration.old_photo import OldPhoto
from i2i.restoration.superres import Superres
from i2i.restoration.task import Task
from i2i.restoration.weather import Dehaze, Derain, Lowlight

__all__ = ["TASKS", "NoTask", "Task", "TaskConfig"]


@dataclass(frozen=True, kw_only=True)
class NoTask(Task):
    """No degradation: the dataset holds input and target images."""

    task: Literal["none"] = option("none", "restoration task")

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return clean


TaskConfig = NoTask | Denoise | Dejpeg | Deblur | Superres | Inpaint | Colorize | Derain | Dehaze | Lowlight | OldPhoto
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
}
