"""Good photos damaged as a restoration task does it."""

import hashlib

import numpy as np
from PIL import Image

from i2i.errors import PictureError, UsageError
from i2i.restoration import Task


class Degrader:
    """What a task makes of a photo: the picture that a model of the task is to be given.

    strength: in place of one drawn for each photo. The chance of a photo depends on ``seed`` and its pixels alone.
    Raises UsageError where the task has no strength, or not this one.
    """

    def __init__(self, task: Task, strength: float | None = None, seed: int = 0) -> None:
        span = task.strengths()
        if strength is not None and span is None:
            raise UsageError("This task has no one strength: it takes no --strength.")
        if strength is not None and span is not None and not span[0] <= strength <= span[1]:
            allowed = f"from {span[0]:g} to {span[1]:g}, a range that a setting of the task can change"
            raise UsageError(f"--strength is {strength:g}; it must be {allowed}.")
        self.task, self.strength, self.seed = task, strength, seed

    def __call__(self, photo: Image.Image) -> Image.Image:
        """photo: RGB. Returns RGB, or RGBA that is transparent where something is missing.

        A photo whose sides are no multiples of the task's scale loses the rest, at its right and lower edge.
        """
        pixels, scale = np.asarray(photo), self.task.scale
        height, width = (length - length % scale for length in pixels.shape[:2])
        if not height or not width:
            raise PictureError(
                f"A picture of {photo.width}x{photo.height} pixels cannot be made {scale} times smaller."
            )
        key = hashlib.sha256(pixels.tobytes()).digest()[:8]
        rng = np.random.default_rng([self.seed, int.from_bytes(key)])
        found = self.task.degrade(np.ascontiguousarray(pixels[:height, :width]), rng, self.strength)
        shown = found[..., :3].round().clip(0, 255).astype(np.uint8)
        if self.task.shows != "mask":
            return Image.fromarray(shown)
        known = np.where(found[..., 3:] > 0, 0, 255).astype(np.uint8)
        return Image.fromarray(np.concatenate([shown, known], 2))
