"""Restoration of old photographs and of images that were copied many times: a mixture of all degradations."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.kernels import disc_kernel, filter2d, gaussian_kernel, motion_kernel
from i2i.restoration.noise import add_camera_noise, add_poisson_gaussian_noise
from i2i.restoration.task import Range, Task
from i2i.restoration.weather import smooth_random_field


@dataclass(frozen=True, kw_only=True)
class OldPhoto(Task):
    """Blur, resizing, noise and JPEG, twice (Wang et al. 2021, section 3.1); fading before and scratches between them.

    The second round has half the strength. All ranges are weaker than those of the paper.
    """

    task: Literal["oldphoto"] = option("oldphoto", "restoration task")
    severity: Range = option(
        (0.2, 1.0),
        "severity, 0 to 1, drawn uniformly: factor on all degradations below",
        was="damage",
        ge=0,
        le=1,
        rising=True,
    )
    max_noise: float = option(20.0, "σ of the noise at severity 1, in grey levels", was="speckle", ge=0, le=100)
    min_jpeg_quality: float = option(35.0, "JPEG quality at severity 1", was="poorest", ge=1, le=100)
    fading: float = option(0.5, "fraction of contrast and colour that is lost at severity 1", ge=0, le=0.9)
    scratches: float = option(8.0, "scratches and specks per 256×256 pixels at severity 1", ge=0, le=100)

    def strength_range(self) -> Range:
        return self.severity

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        severity = self.sample_strength(rng, strength)
        image = clean.astype(np.float32)
        if rng.random() < 0.7:
            image = add_fading(image, self.fading * severity, rng)
        image = self._degradation_round(image, severity, rng)
        if rng.random() < 0.7:
            count = rng.poisson(self.scratches * severity * clean.shape[0] * clean.shape[1] / 256**2)
            image = add_scratches(image, int(count), rng)
        return _to_uint8(self._degradation_round(image, severity / 2, rng))

    def _degradation_round(self, image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
        # Blur.
        if rng.random() < 0.8:
            size = severity * rng.uniform(0, 1)
            kernels = (gaussian_kernel(0.2 + 1.6 * size), disc_kernel(1 + 4 * size), motion_kernel(1 + 6 * size, rng))
            image = filter2d(image, kernels[rng.choice(3, p=(0.6, 0.2, 0.2))])

        # Resize.
        if rng.random() < 0.5:
            image = resize_roundtrip(image, 1 - 0.5 * severity * rng.uniform(0, 1), rng)

        # Add noise.
        if rng.random() < 0.9:
            shot = severity * rng.uniform(0, 1) * (rng.random() < 0.4)
            image = _add_grain(image, self.max_noise * severity * rng.uniform(0, 1), shot, rng)

        # Compress.
        if rng.random() < 0.7:
            quality = 95 - (95 - self.min_jpeg_quality) * severity * rng.uniform(0, 1)
            image = jpeg_compress(_to_uint8(image), round(quality))
        return image.astype(np.float32)


def _add_grain(image: np.ndarray, sigma: float, shot: float, rng: np.random.Generator) -> np.ndarray:
    """Add one of three kinds of noise: independent for each value, a camera's, or grey blurred film grain."""
    kind = rng.random()
    if kind < 0.35:
        return add_poisson_gaussian_noise(image.clip(0, 255), sigma, shot, rng)
    if kind < 0.65:
        return add_camera_noise(_to_uint8(image), sigma, rng)
    grain = filter2d(rng.standard_normal((*image.shape[:2], 1), np.float32), gaussian_kernel(rng.uniform(0.3, 1.0)))
    grain = grain.reshape(*image.shape[:2], 1)
    return image + grain * np.float32(sigma / max(1e-3, float(grain.std())))


def add_fading(image: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Reduce contrast and colour, and add a yellow or random colour cast that varies slowly over the image.

    Args:
        image: float32 (H, W, 3) in grey levels.
        fraction: largest fraction of the contrast that is lost.
        rng: for all random choices.
    """
    height, width = image.shape[:2]
    grey = image.mean(2, keepdims=True)
    image = image + (grey - image) * np.float32(fraction * rng.uniform(0, 1.6)).clip(0, 1)
    if rng.random() < 0.6:
        paper = np.array([235, 220, 185], np.float32)
    else:
        paper = rng.uniform(150, 250, 3).astype(np.float32)
    strength = np.float32(fraction * rng.uniform(0, 1))
    opacity = strength * (0.6 + 0.4 * smooth_random_field(height, width, 3, rng)[..., None])
    return image + (paper - image) * opacity


def add_scratches(image: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``count`` thin curved scratches and small specks, bright or dark, with soft edges.

    Args:
        image: float32 (H, W, 3) in grey levels.
        count: number of scratches and specks.
        rng: for all random choices.
    """
    height, width = image.shape[:2]
    opacity = np.zeros((height, width), np.float32)
    colours = np.full((height, width), 255, np.float32)  # grey level of the most opaque mark at each pixel
    for _ in range(count):
        grey = rng.uniform(0, 60) if rng.random() < 0.3 else 255.0
        shape = _random_scratch(height, width, rng) if rng.random() < 0.6 else _random_speck(height, width, rng)
        mark = shape * np.float32(rng.uniform(0.3, 1.0) / 255)
        colours = np.where(mark > opacity, np.float32(grey), colours)
        opacity = np.maximum(opacity, mark)
    return image + (colours[..., None] - image) * opacity[..., None]


def _random_scratch(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a thin curve, uint8 (height, width)."""
    import cv2

    start = rng.uniform((0, 0), (width, height))
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.15, 24))
    path = start + np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), 0) * rng.uniform(2, 12)
    points = (path * 8).round().astype(np.int32)  # in eighths of a pixel
    shape = np.zeros((height, width), np.uint8)
    cv2.polylines(shape, [points], False, 255, int(rng.integers(1, 3)), cv2.LINE_AA, 3)
    return shape


def _random_speck(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a small ellipse, uint8 (height, width)."""
    import cv2

    centre = tuple(int(8 * rng.uniform(0, length)) for length in (width, height))  # in eighths of a pixel
    radii = tuple(max(4, int(8 * radius)) for radius in rng.uniform(0.5, 4, 2))
    shape = np.zeros((height, width), np.uint8)
    cv2.ellipse(shape, centre, radii, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA, 3)
    return shape


def resize_roundtrip(image: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Resize the image by ``scale``, at most 1, and back, each time with a random interpolation."""
    import cv2

    height, width = image.shape[:2]
    interpolations = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=interpolations[rng.integers(3)])
    return cv2.resize(small, (width, height), interpolation=interpolations[rng.integers(2)])


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return image.round().clip(0, 255).astype(np.uint8)
