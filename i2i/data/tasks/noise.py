"""Noise, as sensors and papers have it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from i2i.config import check, option
from i2i.data.tasks.base import Strengths, Task, with_channel


@dataclass(frozen=True, kw_only=True)
class Denoise(Task):
    """Gaussian noise on every value, or Poisson–Gaussian noise: its variance is σ² + shot · value."""

    task: Literal["denoise"] = option("denoise", "restoration task")
    sigma: Strengths = option((0.0, 50.0), "σ of the noise, drawn evenly from this range, in grey levels of 255")
    shot: Strengths = option((0.0, 0.0), "variance of the noise for each grey level of light, in grey levels")
    known: bool = option(False, "the network is told σ, which is then to be given in use (--task-strength)")
    quantised: bool = option(False, "the noisy picture is clipped and rounded to 8 bit, as a file is")

    answers: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        check(0 <= self.sigma[0] <= self.sigma[1] <= 255, "sigma", self.sigma, "two levels, rising, from 0 to 255")
        check(0 <= self.shot[0] <= self.shot[1] <= 50, "shot", self.shot, "two levels, rising, from 0 to 50")

    @property
    def shows(self) -> str:  # type: ignore[override]
        return "level" if self.known else "picture"

    def strengths(self) -> Strengths:
        return self.sigma

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        sigma = self.drawn(rng, strength)
        noisy = sensor(clean, sigma, rng.uniform(*self.shot) if self.shot[1] else 0.0, rng)
        if self.quantised:
            noisy = noisy.round().clip(0, 255).astype(np.uint8)
        return with_channel(noisy, self.level(sigma)) if self.known else noisy


def sensor(picture: np.ndarray, sigma: float, shot: float, rng: np.random.Generator) -> np.ndarray:
    """float32 (H, W, 3): the picture with Gaussian noise of variance σ² + shot · value, in grey levels."""
    noise = rng.standard_normal(picture.shape, np.float32)
    if shot:
        noise *= np.sqrt(np.float32(sigma**2) + np.float32(shot) * picture)
    else:
        noise *= np.float32(sigma)
    noise += picture
    return noise
