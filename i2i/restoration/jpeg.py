"""What saving as JPEG leaves: blocks, rings, lost colour."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option, require
from i2i.restoration.task import Strengths, Task, with_channel


@dataclass(frozen=True, kw_only=True)
class Dejpeg(Task):
    """JPEG at a quality of libjpeg's scale, colour at half resolution, as Pillow writes it."""

    task: Literal["dejpeg"] = option("dejpeg", "restoration task")
    quality: Strengths = option((10.0, 40.0), "JPEG quality (libjpeg's scale of 1 to 100), drawn evenly")
    known: bool = option(False, "the network is told the quality, which is then to be given in use (--task-strength)")

    def __post_init__(self) -> None:
        require(1 <= self.quality[0] <= self.quality[1] <= 100, "quality", self.quality, "two numbers, rising, 1-100")

    @property
    def shows(self) -> str:  # type: ignore[override]
        return "level" if self.known else "picture"

    def strengths(self) -> Strengths:
        return self.quality

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        quality = self.drawn(rng, strength)
        saved = jpeg(clean, round(quality))
        return with_channel(saved, self.level(quality)) if self.known else saved


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """uint8 (H, W, 3) after being saved as JPEG and opened again."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
