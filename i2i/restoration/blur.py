"""Blur: a moving camera, or a lens out of focus."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option, require
from i2i.restoration.task import Strengths, Task

FINE = 8  # points a pixel at which a path or a disc is sampled


@dataclass(frozen=True, kw_only=True)
class Deblur(Task):
    """Convolution with the path of a shaking camera or the disc of a defocused lens, then a little noise."""

    task: Literal["deblur"] = option("deblur", "restoration task")
    blur: Literal["both", "motion", "defocus"] = option("both", "which blur is drawn; both: either, evenly")
    extent: Strengths = option((3.0, 15.0), "length of the motion, diameter of the disc, in pixels, drawn evenly")
    grain: Strengths = option((0.0, 3.0), "σ of the noise on top, in grey levels, drawn evenly")

    def __post_init__(self) -> None:
        require(1 <= self.extent[0] <= self.extent[1] <= 63, "extent", self.extent, "two lengths, rising, from 1 to 63")
        require(0 <= self.grain[0] <= self.grain[1] <= 50, "grain", self.grain, "two levels, rising, from 0 to 50")

    def strengths(self) -> Strengths:
        return self.extent

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        extent = self.drawn(rng, strength)
        moved = rng.random() < 0.5 if self.blur == "both" else self.blur == "motion"
        kernel = motion(extent, rng) if moved else disc(extent)
        return noisy(blurred(clean, kernel), rng.uniform(*self.grain), rng)


def blurred(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """float32 (H, W, 3), the border reflected."""
    import cv2

    return cv2.filter2D(picture.astype(np.float32), -1, kernel[::-1, ::-1], borderType=cv2.BORDER_REFLECT_101)


def noisy(picture: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """float32 with Gaussian noise."""
    return picture + np.float32(sigma) * rng.standard_normal(picture.shape, np.float32)


def disc(diameter: float) -> np.ndarray:
    """The point-spread function of defocus: an even disc, float32 of odd side, sum 1; its rim by area."""
    reach = int(np.ceil((diameter - 1) / 2))
    side = 2 * reach + 1
    place = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    inside = place[:, None] ** 2 + place**2 <= (diameter / 2) ** 2
    kernel = inside.reshape(side, FINE, side, FINE).sum((1, 3)).astype(np.float32)
    return kernel / kernel.sum()


def motion(length: float, rng: np.random.Generator) -> np.ndarray:
    """The point-spread function of a shaking camera: a path of ``length`` pixels whose direction drifts, sum 1."""
    steps = max(2, round(length * FINE))
    turn = np.cumsum(rng.normal(0, 0.6 / np.sqrt(steps), steps)) * rng.uniform(0, 3) + rng.uniform(0, 2 * np.pi)
    path = np.cumsum(np.stack([np.cos(turn), np.sin(turn)]), 1) * (length / steps)
    path -= (path.max(1, keepdims=True) + path.min(1, keepdims=True)) / 2
    reach = int(np.ceil(length / 2)) + 1
    return splat(path + reach, 2 * reach + 1)


def splat(points: np.ndarray, side: int) -> np.ndarray:
    """Points (2, n), x and y in pixels, as a float32 picture of weights (side, side) with sum 1, bilinear."""
    kernel = np.zeros((side, side), np.float64)
    corner = np.floor(points).astype(int)
    x, y = points - corner
    for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (x if right else 1 - x) * (y if down else 1 - y)
        np.add.at(kernel, (corner[1] + down, corner[0] + right), weight)
    return (kernel / kernel.sum()).astype(np.float32)


def gaussian(sigma: float) -> np.ndarray:
    """A Gaussian point-spread function, float32 of odd side, sum 1."""
    reach = max(1, int(np.ceil(3 * sigma)))
    line = np.exp(-np.square(np.arange(-reach, reach + 1)) / (2 * max(sigma, 1e-3) ** 2))
    kernel = (line[:, None] * line).astype(np.float32)
    return kernel / kernel.sum()
