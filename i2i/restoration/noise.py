"""Noise, as papers have it and as cameras do."""

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import ClassVar, Literal

import numpy as np

from i2i.config import option, require
from i2i.restoration.blur import blurred, gaussian
from i2i.restoration.jpeg import jpeg
from i2i.restoration.srgb import encoded, linear
from i2i.restoration.task import Strengths, Task, with_channel

MIDDLE = 0.18  # light of the grey on which a camera's noise has its σ


@dataclass(frozen=True, kw_only=True)
class Denoise(Task):
    """Gaussian noise on every value, or Poisson–Gaussian noise: its variance is σ² + shot · value; or a camera's."""

    task: Literal["denoise"] = option("denoise", "restoration task")
    noise: Literal["gaussian", "camera", "both"] = option(
        "gaussian", "which noise is drawn: on every value by itself, a camera's as its JPEG has it, or either, evenly"
    )
    sigma: Strengths = option(
        (0.0, 50.0), "σ of the noise (a camera's: of green on middle grey), drawn evenly, in grey levels of 255"
    )
    shot: Strengths = option((0.0, 0.0), "variance of the Gaussian noise for each grey level of light, in grey levels")
    known: bool = option(False, "the network is told σ, which is then to be given in use (--task-strength)")
    saved: Strengths = option((60.0, 98.0), "JPEG quality at which a camera's noisy picture is saved, drawn evenly")
    quantised: bool = option(False, "Gaussian noise is clipped and rounded to 8 bit, as a file is")

    answers: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        require(0 <= self.sigma[0] <= self.sigma[1] <= 255, "sigma", self.sigma, "two levels, rising, from 0 to 255")
        require(0 <= self.shot[0] <= self.shot[1] <= 50, "shot", self.shot, "two levels, rising, from 0 to 50")
        require(1 <= self.saved[0] <= self.saved[1] <= 100, "saved", self.saved, "two numbers, rising, 1 to 100")

    @property
    def shows(self) -> str:  # type: ignore[override]
        return "level" if self.known else "picture"

    def strengths(self) -> Strengths:
        return self.sigma

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        sigma = self.drawn(rng, strength)
        if self.noise == "camera" or (self.noise == "both" and rng.random() < 0.5):
            quality = round(rng.uniform(*self.saved))
            noisy = jpeg(camera(clean, sigma, rng).round().astype(np.uint8), quality)
        else:
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


def camera(picture: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """float32 (H, W, 3), clipped to 0…255: the uint8 picture with noise as it comes out of a camera.

    After Brooks et al. 2019, section 3: Poisson–Gaussian noise on the light that reaches a Bayer mosaic, white balance,
    demosaicing (bilinear), then often some smoothing, and sRGB. Only the noise goes through the mosaic, so that
    the picture keeps its sharpness. sigma: of green, on middle grey, in grey levels.
    """
    light, gains = linear(picture), np.array([rng.uniform(1, 2.2), 1, rng.uniform(1, 2.2)], np.float32)
    shot, smoothing = np.float32(rng.uniform(0.5, 1)), rng.uniform(0, 0.9) * (rng.random() < 0.6)
    variance = _spread(sigma) ** 2 * (shot * gains * light / MIDDLE + (1 - shot) * gains**2)
    noise = rng.standard_normal(picture.shape, np.float32) * np.sqrt(variance)
    down, right = rng.integers(2, size=2)
    places = np.zeros(picture.shape, np.float32)  # of the mosaic: one colour a pixel, green on every other
    places[down::2, right::2, 0] = places[1 - down :: 2, 1 - right :: 2, 2] = 1
    places[down::2, 1 - right :: 2, 1] = places[1 - down :: 2, right::2, 1] = 1
    noise *= places
    kernels = [_demosaicing(green, smoothing) for green in (False, True, False)]
    kept = np.sqrt(np.square(kernels[1]).sum() / 2)  # of the σ of green, which every other pixel knew
    field = np.stack([blurred(noise[..., i], kernel) for i, kernel in enumerate(kernels)], -1) / kept
    return encoded(light + field)


def _demosaicing(green: bool, smoothing: float) -> np.ndarray:
    """What bilinear interpolation, and then smoothing by a Gaussian, make of one pixel of a mosaic: float32."""
    line = np.array([0.5, 1, 0.5], np.float32)
    near = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]], np.float32) if green else line[:, None] * line
    if not smoothing:
        return near
    kernel = gaussian(smoothing)
    return blurred(np.pad(near, kernel.shape[0]), kernel)


def _spread(sigma: float) -> np.float32:
    """The σ of light that on middle grey gives one of ``sigma`` grey levels, tone curve and clipping included."""
    spreads, sigmas = _spreads()
    return np.float32(np.interp(sigma, sigmas, spreads))


@cache
def _spreads() -> tuple[np.ndarray, np.ndarray]:
    """Values of σ of the light, and what they give in grey levels."""
    spreads = np.concatenate([[0.0], np.geomspace(1e-4, 8, 200)])
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / 2000) for i in range(2000)])
    return spreads, encoded(MIDDLE + spreads[:, None] * quantiles).std(1)
