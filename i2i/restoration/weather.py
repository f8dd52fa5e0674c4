"""Removal of rain and haze, and brightening of underexposed photos."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option
from i2i.restoration.kernels import filter2d, splat_bilinear
from i2i.restoration.noise import add_poisson_gaussian_noise
from i2i.restoration.task import Range, Task


@dataclass(frozen=True, kw_only=True)
class Derain(Task):
    """Bright rain streaks of nearly the same direction, added to the image."""

    task: Literal["derain"] = option("derain", "restoration task")
    rain_density: Range = option(
        (2.0, 12.0), "rain streaks per thousand pixels, drawn uniformly", was="drops", ge=0, le=200, rising=True
    )
    rain_length: Range = option(
        (9.0, 31.0),
        "length of the rain streaks in pixels, drawn uniformly for each image",
        was="streak",
        ge=2,
        le=61,
        rising=True,
    )

    def strength_range(self) -> Range:
        return self.rain_density

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        density = self.sample_strength(rng, strength)
        length = rng.uniform(*self.rain_length)
        angle = np.pi / 2 + rng.uniform(-0.6, 0.6)
        drops = (rng.random(clean.shape[:2]) < density / 1000) * rng.uniform(0.4, 1.0, clean.shape[:2])
        kernel = _streak_kernel(length, angle)
        rain = filter2d(drops.astype(np.float32)[..., None], kernel) * np.float32(length * rng.uniform(90, 200))
        return (clean + rain.reshape(*clean.shape[:2], 1)).round().clip(0, 255).astype(np.uint8)


def _streak_kernel(length: float, angle: float) -> np.ndarray:
    """Return the kernel of a straight line of ``length`` pixels at ``angle`` radians."""
    distances = np.linspace(-length / 2, length / 2, max(2, round(4 * length)))
    radius = int(np.ceil(length / 2)) + 1
    points = np.stack([np.cos(angle) * distances, np.sin(angle) * distances]) + radius
    return splat_bilinear(points, 2 * radius + 1)


@dataclass(frozen=True, kw_only=True)
class Dehaze(Task):
    """I = J·t + A·(1 − t) with t = exp(−β·d) (Koschmieder): airlight A over a smooth random depth d from 0 to 1."""

    task: Literal["dehaze"] = option("dehaze", "restoration task")
    haze_density: Range = option(
        (0.4, 2.0),
        "optical depth β of the haze at the most distant pixels, drawn uniformly",
        was="haze",
        ge=0,
        le=10,
        rising=True,
    )
    airlight: Range = option((180.0, 250.0), "grey level of the haze, drawn uniformly", ge=0, le=255, rising=True)

    def strength_range(self) -> Range:
        return self.haze_density

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        depth = smooth_random_field(clean.shape[0], clean.shape[1], 4, rng)
        transmission = np.exp(-self.sample_strength(rng, strength) * depth)[..., None]
        airlight = rng.uniform(*self.airlight) + rng.uniform(-6, 6, 3)
        return (clean * transmission + airlight * (1 - transmission)).round().clip(0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Lowlight(Task):
    """A shorter exposure, in linear light, with the photon noise that it causes."""

    task: Literal["lowlight"] = option("lowlight", "restoration task")
    underexposure_stops: Range = option(
        (1.0, 4.0), "stops of underexposure, drawn uniformly", was="stops", ge=0, le=10, rising=True
    )
    shot_noise: Range = option(
        (0.05, 0.3),
        "variance of the noise per grey level of the dark image, in grey levels, drawn uniformly",
        was="shot",
        ge=0,
        le=50,
        rising=True,
    )
    noise_sigma: Range = option(
        (0.5, 3.0),
        "σ of the noise in black, in grey levels, drawn uniformly",
        was="grain",
        ge=0,
        le=50,
        rising=True,
    )

    def strength_range(self) -> Range:
        return self.underexposure_stops

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        exposure = np.float32(2 ** (-self.sample_strength(rng, strength) / 2.2))
        dark = 255 * (clean / np.float32(255)) * exposure
        noisy = add_poisson_gaussian_noise(dark, rng.uniform(*self.noise_sigma), rng.uniform(*self.shot_noise), rng)
        return noisy.round().clip(0, 255).astype(np.uint8)


def smooth_random_field(height: int, width: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Return a slowly varying random field, float32 (height, width) from 0 to 1.

    It is interpolated from ``cells`` × ``cells`` random values.
    """
    import cv2

    coarse = rng.random((cells, cells), np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (field - field.min()) / max(1e-6, float(np.ptp(field)))
