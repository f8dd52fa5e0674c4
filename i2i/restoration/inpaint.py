"""Inpainting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from i2i.config import option
from i2i.images.pull_push import pull_push_fill
from i2i.restoration.task import Range, Task, append_channel


@dataclass(frozen=True, kw_only=True)
class Inpaint(Task):
    """Removal of brush strokes and boxes from the image. The result keeps the other pixels unchanged."""

    task: Literal["inpaint"] = option("inpaint", "restoration task")
    mask_fraction: Range = option(
        (0.05, 0.4),
        "smallest fraction of the image that is masked, drawn uniformly",
        was="holes",
        gt=0,
        le=0.9,
        rising=True,
    )
    mask_stroke: Range = option(
        (2.0, 16.0),
        "width of the masked strokes, in pixels, drawn uniformly",
        was="stroke",
        ge=1,
        le=1024,
        rising=True,
    )
    mask_box: Range = option(
        (8.0, 48.0),
        "width and height of the masked boxes, in pixels, drawn uniformly",
        was="box",
        ge=1,
        le=1024,
        rising=True,
    )
    conditioning: ClassVar[str] = "mask"
    prediction: ClassVar[str] = "masked_residual"
    network_defaults: ClassVar[Mapping[str, Any]] = {"levels": 4}  # the receptive field must cover a masked region

    def strength_range(self) -> Range:
        return self.mask_fraction

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        fraction = self.sample_strength(rng, strength)
        height, width = clean.shape[:2]
        return masked_input(clean, random_mask(height, width, fraction, rng, self.mask_stroke, self.mask_box))


def masked_input(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the network's input: the image with the masked pixels filled from around them, and the mask.

    Args:
        image: uint8 (H, W, 3).
        mask: bool (H, W), true for missing pixels.

    Returns: float32 (H, W, 4); the mask is 0 or 255.
    """
    return append_channel(pull_push_fill(image, mask), np.where(mask, 255, 0))


def random_mask(
    height: int, width: int, fraction: float, rng: np.random.Generator, stroke: Range, box: Range
) -> np.ndarray:
    """Return a mask of random strokes and boxes, bool (height, width).

    Args:
        height: in pixels.
        width: in pixels.
        fraction: the mask covers at least this fraction, and little more.
        rng: for all random choices.
        stroke: smallest and largest width of a stroke, in pixels; at most 1/8 of the image's shorter side.
        box: smallest and largest side of a box, in pixels; at most 3/8 of the image's shorter side.
    """
    import cv2

    mask = np.zeros((height, width), np.uint8)
    covered = 0
    while covered < fraction * height * width:
        if rng.random() < 0.5:
            thickness = 0
            path = _random_box(height, width, rng, box)
        else:
            thickness, path = _random_stroke(height, width, rng, stroke)
        left, top = (path.min(0) - thickness).clip(0)
        right, bottom = path.max(0) + thickness + 1
        region = mask[top:bottom, left:right]  # count within the region only: a large image takes many shapes
        covered -= int(region.sum())
        if thickness:
            cv2.polylines(mask, [path], False, 1, thickness)
        else:
            region[...] = 1
        covered += int(region.sum())
    return mask.astype(bool)


def _random_box(height: int, width: int, rng: np.random.Generator, box: Range) -> np.ndarray:
    """Return the corners of a box (2, 2), x and y in pixels."""
    longest = max(1, 3 * min(height, width) // 8)
    box_width, box_height = (min(longest, round(length)) for length in rng.uniform(*box, 2))
    x = int(rng.integers(width - box_width + 1))
    y = int(rng.integers(height - box_height + 1))
    return np.array([(x, y), (x + box_width - 1, y + box_height - 1)])


def _random_stroke(height: int, width: int, rng: np.random.Generator, stroke: Range) -> tuple[int, np.ndarray]:
    """Return the width of a stroke and its path (N, 2), x and y in pixels.

    A stroke has two to six segments, each of up to a quarter of the image's shorter side.
    """
    side = min(height, width)
    thickness = min(max(1, side // 8), round(rng.uniform(*stroke)))
    segments = int(rng.integers(2, 7))
    angles = np.cumsum(rng.normal(0, 0.9, segments)) + rng.uniform(0, 2 * np.pi)
    steps = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.05, 0.25, (segments, 1)) * side
    start = rng.uniform((0, 0), (width, height))
    return thickness, np.cumsum(np.concatenate([start[None], steps]), 0).round().astype(np.int32)
