"""Pictures that are too small."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from i2i.config import option, require
from i2i.restoration.blur import blurred, gaussian, noisy
from i2i.restoration.jpeg import jpeg
from i2i.restoration.task import Strengths, Task


@dataclass(frozen=True, kw_only=True)
class Superres(Task):
    """Made smaller by antialiased bicubic; "realistic": after a lens's blur, and then with noise and JPEG."""

    task: Literal["superres"] = option("superres", "restoration task")
    scale: int = option(2, "how many times as wide and high the result is: 2, 3 or 4")
    shrink: Literal["bicubic", "realistic"] = option("bicubic", "how pictures are made small")
    lens: Strengths = option((0.2, 1.2), "σ of the realistic blur, in pixels of the small picture, drawn evenly")
    grain: Strengths = option((0.0, 8.0), "σ of the realistic noise, in grey levels, drawn evenly")
    quality: Strengths = option((60.0, 95.0), "JPEG quality of the realistic small picture, drawn evenly")

    suits: ClassVar[Mapping[str, Any]] = {"fold": 1}  # no pixel of so few is given away

    def __post_init__(self) -> None:
        require(self.scale in (2, 3, 4), "scale", self.scale, "2, 3 or 4")
        require(0 < self.lens[0] <= self.lens[1] <= 5, "lens", self.lens, "two lengths, rising, above 0 to 5")
        require(0 <= self.grain[0] <= self.grain[1] <= 50, "grain", self.grain, "two levels, rising, from 0 to 50")
        require(1 <= self.quality[0] <= self.quality[1] <= 100, "quality", self.quality, "two numbers, rising, 1-100")

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        if self.shrink == "bicubic":
            return smaller(clean, self.scale)
        soft = blurred(clean, gaussian(rng.uniform(*self.lens) * self.scale)).round().clip(0, 255).astype(np.uint8)
        grainy = noisy(smaller(soft, self.scale).astype(np.float32), rng.uniform(*self.grain), rng)
        return jpeg(grainy.round().clip(0, 255).astype(np.uint8), round(rng.uniform(*self.quality)))


def smaller(picture: np.ndarray, scale: int) -> np.ndarray:
    """uint8 (H, W, 3) at 1/``scale`` of its sides, by PIL's bicubic, which is antialiased as MATLAB's is."""
    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((width // scale, height // scale), Image.Resampling.BICUBIC)
    return np.asarray(small)
