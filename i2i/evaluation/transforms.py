"""What is done to each image of an evaluation: resizing, and degradation for restoration models."""

from dataclasses import dataclass

from PIL import Image

from i2i.config import to_json
from i2i.data.resize import ResizeMode, resize
from i2i.restoration import Task
from i2i.restoration.degrader import Degrader


@dataclass(frozen=True)
class ResizePolicy:
    """Resizes each image to a square before all else.

    Args:
        size: side of the square in pixels; 0 keeps the images as they are.
        mode: "stretch" to the square, or "cover" for its centre crop after resizing the shorter side.
    """

    size: int = 0
    mode: ResizeMode = "stretch"

    def __call__(self, image: Image.Image) -> Image.Image:
        if not self.size or image.size == (self.size, self.size):
            return image
        resized = resize(image, self.size, self.mode)
        left, top = ((length - self.size) // 2 for length in resized.size)
        return resized.crop((left, top, left + self.size, top + self.size))

    def describe(self) -> str:
        """Return the policy in words. The protocol's fingerprint depends on them."""
        if not self.size:
            return "as they are"
        mode = "stretched" if self.mode == "stretch" else "by the shorter side, middle square"
        return f"{self.size}×{self.size} px, {mode}, bicubic"


@dataclass(frozen=True)
class Degradation:
    """Degrades clean photos for a restoration model.

    Args:
        task: the restoration task.
        strength: of the degradation, in the task's unit; None for a task without a strength.
    """

    task: Task
    strength: float | None

    def __call__(self, image: Image.Image) -> Image.Image:
        return Degrader(self.task, self.strength)(image)

    def describe(self) -> str:
        """Return the degradation in words, such as "denoise, strength 25, in 8 bits".

        The protocol's fingerprint depends on the words.
        """
        name = to_json(self.task)["task"]
        parts = [f"{name} ×{self.task.scale}" if self.task.scale > 1 else name]
        if self.strength is not None:
            parts.append(f"strength {self.strength:g}")
        return ", ".join([*parts, "in 8 bits"])
