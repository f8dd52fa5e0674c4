"""Colorization."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from i2i.config import option
from i2i.restoration.srgb import linear_to_srgb, srgb_to_linear
from i2i.restoration.task import Task


@dataclass(frozen=True, kw_only=True)
class Colorize(Task):
    """Removal of colour. The lightness (CIE L*) stays, and the result keeps it."""

    task: Literal["colorize"] = option("colorize", "restoration task")
    prediction: ClassVar[str] = "chroma"
    takes_any_image: ClassVar[bool] = False
    train_on_crops: ClassVar[bool] = False  # colour depends on what the whole image shows
    network_defaults: ClassVar[Mapping[str, Any]] = {"levels": 4}

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return to_grayscale(clean)


def to_grayscale(image: np.ndarray) -> np.ndarray:
    """Return a uint8 image (H, W, 3) with three equal channels and the luminance of each pixel in linear light."""
    luminance = np.dot(srgb_to_linear(image), np.array([0.2126, 0.7152, 0.0722], np.float32))
    return np.repeat(linear_to_srgb(luminance).round().astype(np.uint8)[..., None], 3, 2)
