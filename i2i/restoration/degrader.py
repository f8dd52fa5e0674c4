"""Degradation of clean photos by a restoration task."""

import hashlib

import numpy as np
from PIL import Image

from i2i.errors import ImageError, UsageError
from i2i.restoration import Task

TRIAL_SIZE = 64  # pixels a side of an image on which the settings of a task are tried


class Degrader:
    """Degrades photos into inputs of a restoration model.

    Args:
        task: the degradation.
        strength: its main strength; None to draw one for each photo.
        seed: the random choices for a photo depend on the seed and on its pixels alone.

    Raises UsageError if the task has no such strength, or cannot degrade photos with its settings.
    """

    def __init__(self, task: Task, strength: float | None = None, seed: int = 0) -> None:
        limits = task.strength_range()
        if strength is not None and limits is None:
            raise UsageError(
                "This task has no single strength: omit --strength (--degradation-level of `i2i evaluate`)."
            )
        if strength is not None and limits is not None and not limits[0] <= strength <= limits[1]:
            raise UsageError(
                f"The strength is {strength:g}; it must be from {limits[0]:g} to {limits[1]:g}. `i2i degrade` has "
                "flags that change this range."
            )
        task.check_for(TRIAL_SIZE)
        self.task = task
        self.strength = strength
        self.seed = seed

    def __call__(self, photo: Image.Image) -> Image.Image:
        """Return the degraded photo.

        Args:
            photo: RGB. It is cropped at the bottom and right to multiples of the task's scale.

        Returns: RGB, or RGBA with transparent pixels if pixels are missing.

        Raises ImageError if the photo is too small for the task's scale.
        """
        pixels = np.asarray(photo)
        scale = self.task.scale
        height, width = (length - length % scale for length in pixels.shape[:2])
        if not height or not width:
            raise ImageError(
                f"An image of {photo.width}x{photo.height} pixels cannot be downscaled {scale} times. Use a larger one."
            )
        digest = hashlib.sha256(pixels.tobytes()).digest()[:8]
        rng = np.random.default_rng([self.seed, int.from_bytes(digest)])
        degraded = self.task.degrade(np.ascontiguousarray(pixels[:height, :width]), rng, self.strength)
        rgb = degraded[..., :3].round().clip(0, 255).astype(np.uint8)
        if self.task.conditioning != "mask":
            return Image.fromarray(rgb)
        alpha = np.where(degraded[..., 3:] > 0, 0, 255).astype(np.uint8)
        return Image.fromarray(np.concatenate([rgb, alpha], 2))
