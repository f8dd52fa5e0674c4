"""What is not there at all: parts of a picture, or its colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from i2i.config import check, option
from i2i.data.tasks.base import Strengths, Task, with_channel

BLANK = 127.5  # grey level in the place of what is missing


@dataclass(frozen=True, kw_only=True)
class Inpaint(Task):
    """Strokes of a brush and boxes are taken out. What is known comes back untouched."""

    task: Literal["inpaint"] = option("inpaint", "restoration task")
    holes: Strengths = option((0.05, 0.4), "share of the picture that is missing, drawn evenly, reached at least")
    shows: ClassVar[str] = "mask"
    answers: ClassVar[str] = "hole"
    suits: ClassVar[Mapping[str, Any]] = {"levels": 4}  # to see across a hole

    def __post_init__(self) -> None:
        check(0 < self.holes[0] <= self.holes[1] <= 0.9, "holes", self.holes, "two shares, rising, above 0 to 0.9")

    def strengths(self) -> Strengths:
        return self.holes

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return masked(clean, holes(clean.shape[0], clean.shape[1], self.drawn(rng, strength), rng))


def masked(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """float32 (H, W, 4): the picture, blank where the mask ``hole`` (H, W, bool) is; and the mask, 0 or 255."""
    return with_channel(np.where(hole[..., None], np.float32(BLANK), picture), np.where(hole, 255, 0))


def holes(height: int, width: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """A mask, bool (height, width), of strokes and boxes that cover at least ``share`` of it, and little more."""
    import cv2

    mask, side = np.zeros((height, width), np.uint8), min(height, width)
    while mask.mean() < share:
        if rng.random() < 0.5:
            w, h = (max(1, int(side * length)) for length in rng.uniform(0.05, 0.3, 2))
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            mask[y : y + h, x : x + w] = 1
            continue
        thick, points = max(1, int(side * rng.uniform(0.02, 0.1))), int(rng.integers(2, 7))
        turns = np.cumsum(rng.normal(0, 0.9, points)) + rng.uniform(0, 2 * np.pi)
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(0.05, 0.25, (points, 1)) * side
        path = np.cumsum(np.concatenate([rng.uniform((0, 0), (width, height))[None], steps]), 0)
        cv2.polylines(mask, [path.round().astype(np.int32)], False, 1, thick)
    return mask.astype(bool)


@dataclass(frozen=True, kw_only=True)
class Colorize(Task):
    """A grey photo of the same lightness (CIE L*), which the result keeps."""

    task: Literal["colorize"] = option("colorize", "restoration task")
    answers: ClassVar[str] = "chroma"
    suits: ClassVar[Mapping[str, Any]] = {"levels": 4}  # to see what it is that has the colour

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return grey(clean)


def grey(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3), the three channels alike, with the luminance of each pixel in linear light."""
    light = np.dot(_LINEAR[picture], np.array([0.2126, 0.7152, 0.0722], np.float32))
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return np.repeat((255 * encoded).round().clip(0, 255).astype(np.uint8)[..., None], 3, 2)


_VALUES = np.arange(256) / 255
_LINEAR = np.where(_VALUES <= 0.04045, _VALUES / 12.92, ((_VALUES + 0.055) / 1.055) ** 2.4).astype(np.float32)  # sRGB
