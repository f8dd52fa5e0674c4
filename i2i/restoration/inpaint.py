"""What is not there at all: parts of a picture, or its colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from i2i.config import option, require
from i2i.images.pull_push import filled
from i2i.restoration.srgb import encoded, linear
from i2i.restoration.task import Strengths, Task, with_channel


@dataclass(frozen=True, kw_only=True)
class Inpaint(Task):
    """Strokes of a brush and boxes are taken out. What is known comes back untouched."""

    task: Literal["inpaint"] = option("inpaint", "restoration task")
    holes: Strengths = option((0.05, 0.4), "share of the picture that is missing, drawn evenly, reached at least")
    stroke: Strengths = option((2.0, 16.0), "thickness of the strokes, in pixels, drawn evenly")
    box: Strengths = option((8.0, 48.0), "width and height of the boxes, in pixels, drawn evenly")
    shows: ClassVar[str] = "mask"
    answers: ClassVar[str] = "patch"
    suits: ClassVar[Mapping[str, Any]] = {"levels": 4}  # to see across a hole

    def __post_init__(self) -> None:
        require(0 < self.holes[0] <= self.holes[1] <= 0.9, "holes", self.holes, "two shares, rising, above 0 to 0.9")
        for name, lengths in (("stroke", self.stroke), ("box", self.box)):
            require(1 <= lengths[0] <= lengths[1] <= 1024, name, lengths, "two lengths, rising, from 1 to 1024")

    def strengths(self) -> Strengths:
        return self.holes

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        share = self.drawn(rng, strength)
        return masked(clean, holes(clean.shape[0], clean.shape[1], share, rng, self.stroke, self.box))


def masked(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """float32 (H, W, 4): the picture, ``filled`` where the mask ``hole`` (H, W, bool) is; and the mask, 0 or 255."""
    return with_channel(filled(picture, hole), np.where(hole, 255, 0))


def holes(
    height: int, width: int, share: float, rng: np.random.Generator, stroke: Strengths, box: Strengths
) -> np.ndarray:
    """A mask, bool (height, width), of strokes and boxes that cover at least ``share`` of it, and little more.

    stroke: the thinnest and the thickest, box: the smallest and the largest side, in pixels; but of a picture's shorter
    side a box has 3/8 at most, and a stroke 1/8. A stroke has two to six parts, each of up to a quarter of that side.
    """
    import cv2

    mask, side, covered = np.zeros((height, width), np.uint8), min(height, width), 0
    while covered < share * height * width:
        if rng.random() < 0.5:
            w, h = (min(max(1, 3 * side // 8), round(length)) for length in rng.uniform(*box, 2))
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            path, thick = np.array([(x, y), (x + w - 1, y + h - 1)]), 0
        else:
            thick, points = min(max(1, side // 8), round(rng.uniform(*stroke))), int(rng.integers(2, 7))
            turns = np.cumsum(rng.normal(0, 0.9, points)) + rng.uniform(0, 2 * np.pi)
            steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(0.05, 0.25, (points, 1)) * side
            start = rng.uniform((0, 0), (width, height))
            path = np.cumsum(np.concatenate([start[None], steps]), 0).round().astype(np.int32)
        (left, top), (right, bottom) = (path.min(0) - thick).clip(0), path.max(0) + thick + 1
        touched = mask[top:bottom, left:right]  # a large picture takes many of them: each is counted by itself
        covered -= int(touched.sum())
        if thick:
            cv2.polylines(mask, [path], False, 1, thick)
        else:
            touched[...] = 1
        covered += int(touched.sum())
    return mask.astype(bool)


@dataclass(frozen=True, kw_only=True)
class Colorize(Task):
    """A grey photo of the same lightness (CIE L*), which the result keeps."""

    task: Literal["colorize"] = option("colorize", "restoration task")
    answers: ClassVar[str] = "chroma"
    crops: ClassVar[bool] = False  # what it is that has the colour shows in the whole
    suits: ClassVar[Mapping[str, Any]] = {"levels": 4}

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return grey(clean)


def grey(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3), the three channels alike, with the luminance of each pixel in linear light."""
    light = np.dot(linear(picture), np.array([0.2126, 0.7152, 0.0722], np.float32))
    return np.repeat(encoded(light).round().astype(np.uint8)[..., None], 3, 2)
