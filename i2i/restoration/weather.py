"""What lies between a scene and the camera: rain, haze, too little light."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option, require
from i2i.restoration.blur import blurred, splat
from i2i.restoration.noise import sensor
from i2i.restoration.task import Strengths, Task


@dataclass(frozen=True, kw_only=True)
class Derain(Task):
    """Streaks of light, all falling nearly one way, added to the picture."""

    task: Literal["derain"] = option("derain", "restoration task")
    drops: Strengths = option((2.0, 12.0), "drops for each thousand pixels, drawn evenly")
    streak: Strengths = option((9.0, 31.0), "length of a streak in pixels, drawn evenly for each picture")

    def __post_init__(self) -> None:
        require(0 <= self.drops[0] <= self.drops[1] <= 200, "drops", self.drops, "two numbers, rising, from 0 to 200")
        require(2 <= self.streak[0] <= self.streak[1] <= 61, "streak", self.streak, "two lengths, rising, from 2 to 61")

    def strengths(self) -> Strengths:
        return self.drops

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        drops, length = self.drawn(rng, strength), rng.uniform(*self.streak)
        fall = np.pi / 2 + rng.uniform(-0.6, 0.6)
        falls = (rng.random(clean.shape[:2]) < drops / 1000) * rng.uniform(0.4, 1.0, clean.shape[:2])
        along = np.linspace(-length / 2, length / 2, max(2, round(4 * length)))
        reach = int(np.ceil(length / 2)) + 1
        line = splat(np.stack([np.cos(fall) * along, np.sin(fall) * along]) + reach, 2 * reach + 1)
        rain = blurred(falls.astype(np.float32)[..., None], line) * np.float32(length * rng.uniform(90, 200))
        return (clean + rain.reshape(*clean.shape[:2], 1)).round().clip(0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Dehaze(Task):
    """I = J·t + A·(1 − t) with t = exp(−β·d) (Koschmieder): airlight A over a smooth depth d made up from 0 to 1."""

    task: Literal["dehaze"] = option("dehaze", "restoration task")
    haze: Strengths = option((0.4, 2.0), "optical depth β of the most distant places, drawn evenly")
    airlight: Strengths = option((180.0, 250.0), "grey level of the haze, drawn evenly")

    def __post_init__(self) -> None:
        require(0 <= self.haze[0] <= self.haze[1] <= 10, "haze", self.haze, "two depths, rising, from 0 to 10")
        require(0 <= self.airlight[0] <= self.airlight[1] <= 255, "airlight", self.airlight, "two levels, 0 to 255")

    def strengths(self) -> Strengths:
        return self.haze

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        depth = smooth(clean.shape[0], clean.shape[1], 4, rng)
        through = np.exp(-self.drawn(rng, strength) * depth)[..., None]
        air = rng.uniform(*self.airlight) + rng.uniform(-6, 6, 3)
        return (clean * through + air * (1 - through)).round().clip(0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Lowlight(Task):
    """A shorter exposure, in linear light, with the noise of so few photons."""

    task: Literal["lowlight"] = option("lowlight", "restoration task")
    stops: Strengths = option((1.0, 4.0), "stops of exposure that are missing, drawn evenly")
    shot: Strengths = option((0.05, 0.3), "variance of the noise for each grey level of light, in grey levels")
    grain: Strengths = option((0.5, 3.0), "σ of the noise in the dark, in grey levels, drawn evenly")

    def __post_init__(self) -> None:
        require(0 <= self.stops[0] <= self.stops[1] <= 10, "stops", self.stops, "two numbers, rising, from 0 to 10")
        require(0 <= self.shot[0] <= self.shot[1] <= 50, "shot", self.shot, "two levels, rising, from 0 to 50")
        require(0 <= self.grain[0] <= self.grain[1] <= 50, "grain", self.grain, "two levels, rising, from 0 to 50")

    def strengths(self) -> Strengths:
        return self.stops

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        dark = 255 * (clean / np.float32(255)) * np.float32(2 ** (-self.drawn(rng, strength) / 2.2))
        noisy = sensor(dark, rng.uniform(*self.grain), rng.uniform(*self.shot), rng)
        return noisy.round().clip(0, 255).astype(np.uint8)


def smooth(height: int, width: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """float32 (height, width) from 0 to 1 that changes slowly: random values at ``cells``² places, interpolated."""
    import cv2

    coarse = rng.random((cells, cells), np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (field - field.min()) / max(1e-6, float(np.ptp(field)))
