"""Removal of JPEG artefacts."""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from i2i.config import option
from i2i.restoration.task import Range, Task, append_channel


@dataclass(frozen=True, kw_only=True)
class Dejpeg(Task):
    """JPEG compression with colour at half resolution, as Pillow writes it."""

    task: Literal["dejpeg"] = option("dejpeg", "restoration task")
    quality: Range = option(
        (10.0, 40.0), "JPEG quality (libjpeg's scale of 1 to 100), drawn uniformly", ge=1, le=100, rising=True
    )
    quality_input: bool = option(
        False, "give the JPEG quality to the network; inference then needs --degradation-level", was="known"
    )

    @property
    def conditioning(self) -> str:  # type: ignore[override]
        return "level" if self.quality_input else "image"

    def strength_range(self) -> Range:
        return self.quality

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        quality = self.sample_strength(rng, strength)
        compressed = jpeg_compress(clean, round(quality))
        return append_channel(compressed, self.conditioning_level(quality)) if self.quality_input else compressed


def jpeg_compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Return a uint8 image (H, W, 3) after JPEG compression. ``quality``: 1 to 100."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
