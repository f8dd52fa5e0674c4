"""Variation of the clean crops that a restoration task degrades: drawings, other colours, grey images."""

from dataclasses import dataclass

import cv2
import numpy as np

from i2i.config import Config, option
from i2i.data.drawn_crops import draw_crop
from i2i.restoration.colorize import to_grayscale


@dataclass(frozen=True, kw_only=True)
class CleanCropConfig(Config):
    """Which crops a restoration task sees beside those of the photos. All zero: the photos alone."""

    drawn_fraction: float = option(
        0.0, "share of the training crops of a --task that are drawn: text, lines, saturated shapes, flat fields",
        ge=0, le=1,
    )  # fmt: skip
    grey_fraction: float = option(0.0, "share of the training crops of a --task that are made grey", ge=0, le=1)
    colour_jitter: float = option(
        0.0, "share of the training crops of a --task whose hue, saturation, contrast and brightness are changed",
        ge=0, le=1,
    )  # fmt: skip
    enlarged_fraction: float = option(
        0.0, "share of the training crops of a --task that are enlarged up to 2 times: as soft as photos at a camera's "
        "full resolution", ge=0, le=1,
    )  # fmt: skip

    def vary(self, crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the crop, a changed one, or a drawing in its place.

        Args:
            crop: uint8 (size, size, 3).
            rng: for all random choices.
        """
        if self.drawn_fraction and rng.random() < self.drawn_fraction:
            crop = draw_crop(crop.shape[0], rng)
        elif self.colour_jitter and rng.random() < self.colour_jitter:
            crop = jitter_colours(crop, rng)
        if self.enlarged_fraction and rng.random() < self.enlarged_fraction:
            crop = enlarge(crop, rng)
        if self.grey_fraction and rng.random() < self.grey_fraction:
            crop = to_grayscale(crop)
        return crop


def enlarge(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random part of a uint8 image (H, W, 3), enlarged 1 to 2 times by cubic interpolation to (H, W, 3)."""
    height, width = image.shape[:2]
    factor = rng.uniform(1, 2)
    part_height, part_width = max(1, round(height / factor)), max(1, round(width / factor))
    top, left = rng.integers(height - part_height + 1), rng.integers(width - part_width + 1)
    part = image[top : top + part_height, left : left + part_width]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def jitter_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a uint8 image (H, W, 3) of another hue, saturation, contrast and brightness.

    Saturation is multiplied by 0.5 to 2.5 and contrast by 0.7 to 1.5, so that colours and tones reach the ends of their
    range, as they do in edited photos.
    """
    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)  # hue in degrees, the others in 0 to 1
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-180, 180)) % 360
    hsv[..., 1] = (hsv[..., 1] * np.exp(rng.uniform(np.log(0.5), np.log(2.5)))).clip(0, 1)
    levels = 255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    contrast, brightness = np.exp(rng.uniform(np.log(0.7), np.log(1.5))), rng.uniform(-30, 30)
    return ((levels - 127.5) * contrast + 127.5 + brightness).round().clip(0, 255).astype(np.uint8)
