"""Old photographs, and pictures that were passed around: a mixture of everything, twice over."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option, require
from i2i.restoration.blur import blurred, disc, gaussian, motion
from i2i.restoration.jpeg import jpeg
from i2i.restoration.noise import camera, sensor
from i2i.restoration.task import Strengths, Task
from i2i.restoration.weather import smooth


@dataclass(frozen=True, kw_only=True)
class OldPhoto(Task):
    """Blur, resizing, noise and JPEG, twice (Wang et al. 2021, section 3.1); between them fading, grain and scratches.

    The second round is weaker. Nothing is drawn as strong as in that paper, whose pictures are to be made larger.
    """

    task: Literal["oldphoto"] = option("oldphoto", "restoration task")
    damage: Strengths = option((0.2, 1.0), "how damaged: scales every degradation below, drawn evenly, from 0 to 1")
    speckle: float = option(20.0, "σ of the noise at full damage, in grey levels")
    poorest: float = option(35.0, "JPEG quality at full damage")
    fading: float = option(0.5, "share of contrast and colour that is lost at full damage")
    scratches: float = option(8.0, "scratches and specks in a picture of 256² pixels at full damage")

    def __post_init__(self) -> None:
        require(0 <= self.damage[0] <= self.damage[1] <= 1, "damage", self.damage, "two shares, rising, from 0 to 1")
        require(0 <= self.speckle <= 100, "speckle", self.speckle, "from 0 to 100")
        require(1 <= self.poorest <= 100, "poorest", self.poorest, "from 1 to 100")
        require(0 <= self.fading <= 0.9, "fading", self.fading, "from 0 to 0.9")
        require(0 <= self.scratches <= 100, "scratches", self.scratches, "from 0 to 100")

    def strengths(self) -> Strengths:
        return self.damage

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        damage = self.drawn(rng, strength)
        picture = clean.astype(np.float32)
        if rng.random() < 0.7:
            picture = faded(picture, self.fading * damage, rng)
        picture = self._round(picture, damage, rng)
        if rng.random() < 0.7:
            count = rng.poisson(self.scratches * damage * clean.shape[0] * clean.shape[1] / 256**2)
            picture = scratched(picture, int(count), rng)
        return _rounded(self._round(picture, damage / 2, rng))

    def _round(self, picture: np.ndarray, damage: float, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.8:
            size = damage * rng.uniform(0, 1)
            kernels = (gaussian(0.2 + 1.6 * size), disc(1 + 4 * size), motion(1 + 6 * size, rng))
            picture = blurred(picture, kernels[rng.choice(3, p=(0.6, 0.2, 0.2))])
        if rng.random() < 0.5:
            picture = resized(picture, 1 - 0.5 * damage * rng.uniform(0, 1), rng)
        if rng.random() < 0.9:
            shot = damage * rng.uniform(0, 1) * (rng.random() < 0.4)
            picture = _grainy(picture, self.speckle * damage * rng.uniform(0, 1), shot, rng)
        if rng.random() < 0.7:
            picture = jpeg(_rounded(picture), round(95 - (95 - self.poorest) * damage * rng.uniform(0, 1)))
        return picture.astype(np.float32)


def _grainy(picture: np.ndarray, sigma: float, shot: float, rng: np.random.Generator) -> np.ndarray:
    """With noise: of each colour by itself; a camera's; or film's, which is alike in all and clumps."""
    kind = rng.random()
    if kind < 0.35:
        return sensor(picture.clip(0, 255), sigma, shot, rng)
    if kind < 0.65:
        return camera(_rounded(picture), sigma, rng)
    clumps = blurred(rng.standard_normal((*picture.shape[:2], 1), np.float32), gaussian(rng.uniform(0.3, 1.0)))
    clumps = clumps.reshape(*picture.shape[:2], 1)
    return picture + clumps * np.float32(sigma / max(1e-3, float(clumps.std())))


def faded(picture: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Less contrast and colour, a cast of yellow or any other, and a light that falls unevenly."""
    grey = picture.mean(2, keepdims=True)
    picture = picture + (grey - picture) * np.float32(share * rng.uniform(0, 1.6)).clip(0, 1)
    paper = np.array([235, 220, 185], np.float32) if rng.random() < 0.6 else rng.uniform(150, 250, 3).astype(np.float32)
    veil = np.float32(share * rng.uniform(0, 1)) * (
        0.6 + 0.4 * smooth(picture.shape[0], picture.shape[1], 3, rng)[..., None]
    )
    return picture + (paper - picture) * veil


def scratched(picture: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """With ``count`` thin curved scratches and small specks, bright or dark, of soft edges."""
    import cv2

    height, width = picture.shape[:2]
    marks = np.zeros((height, width), np.float32)
    tones = np.full((height, width), 255, np.float32)
    for _ in range(count):
        one, shade = np.zeros((height, width), np.uint8), rng.uniform(0, 60) if rng.random() < 0.3 else 255.0
        if rng.random() < 0.6:
            start, turn = rng.uniform((0, 0), (width, height)), rng.uniform(0, 2 * np.pi)
            steps = turn + np.cumsum(rng.normal(0, 0.15, 24))
            path = start + np.cumsum(np.stack([np.cos(steps), np.sin(steps)], 1), 0) * rng.uniform(2, 12)
            cv2.polylines(
                one, [(path * 8).round().astype(np.int32)], False, 255, int(rng.integers(1, 3)), cv2.LINE_AA, 3
            )
        else:
            middle = tuple(int(8 * rng.uniform(0, length)) for length in (width, height))
            radii = tuple(max(4, int(8 * radius)) for radius in rng.uniform(0.5, 4, 2))
            cv2.ellipse(one, middle, radii, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA, 3)
        seen = one * np.float32(rng.uniform(0.3, 1.0) / 255)
        tones = np.where(seen > marks, np.float32(shade), tones)
        marks = np.maximum(marks, seen)
    return picture + (tones[..., None] - picture) * marks[..., None]


def resized(picture: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Made smaller by ``scale`` and as large again, each by an interpolation drawn at random."""
    import cv2

    height, width = picture.shape[:2]
    ways = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=ways[rng.integers(3)])
    return cv2.resize(small, (width, height), interpolation=ways[rng.integers(2)])


def _rounded(picture: np.ndarray) -> np.ndarray:
    return picture.round().clip(0, 255).astype(np.uint8)
