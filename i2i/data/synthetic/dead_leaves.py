"""Dead leaves: discs of all sizes that hide one another, which have the statistics of photos.

Lee, Mumford & Huang, "Occlusion models for natural images" (IJCV 2001): radii with a density of r⁻³ make
the picture look alike at every scale, and its power spectrum fall as about 1/f². Each leaf has a gradient
and a texture of its own, as in later work on denoising (Achddou, Gousseau & Ladjal 2021).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.data.synthetic.drawing import Picture, Plane, noise

SMALLEST, LARGEST = 0.010, 0.5  # radii in picture widths
LAYERS = 5.0  # leaves over each point, on average
SUPERSAMPLING = 2


def _radii(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Radii in picture widths, by inverting the distribution of the density r⁻³ between the two ends."""
    low, high = SMALLEST**-2, LARGEST**-2
    return np.asarray((low - rng.random(count) * (low - high)) ** -0.5)


def _floor(rng: np.random.Generator, pixels: int) -> tuple[NDArray[np.int32], int]:
    """Which leaf is on top at each of (pixels, pixels), and how many leaves there are."""
    # ∫ πr² p(r) dr with p(r) = 2 r⁻³ / (low - high)
    mean_area = 2 * np.pi * np.log(LARGEST / SMALLEST) / (SMALLEST**-2 - LARGEST**-2)
    side = 1 + 2 * LARGEST  # leaves that begin outside reach into the picture as well
    count = int(LAYERS * side**2 / mean_area)
    radii = _radii(rng, count)
    centres = rng.uniform(-LARGEST, 1 + LARGEST, (count, 2))
    seen = np.all((centres > -radii[:, None]) & (centres < 1 + radii[:, None]), axis=1)
    bits = 4  # of a pixel's fractions, in OpenCV's fixed-point coordinates
    unit = pixels * (1 << bits)
    circles = np.rint(np.column_stack([centres, radii])[seen] * unit).astype(int).tolist()
    # The few places that no leaf covers show the first one, as if it were endless.
    top = np.zeros((pixels, pixels), np.int32)
    for index, (x, y, radius) in enumerate(circles):
        cv2.circle(top, (x, y), radius, index, cv2.FILLED, cv2.LINE_8, bits)
    return top, len(circles)


def _textures(rng: np.random.Generator, pixels: int) -> list[Plane]:
    """Fields that leaves choose from: none, fine, coarse, and streaks either way."""
    fine, streak = max(pixels // 3, 4), max(pixels // 24, 2)
    return [
        np.zeros((pixels, pixels), np.float32),
        noise(rng, pixels, [(fine, fine)]),
        noise(rng, pixels, [(fine // 4, fine // 4), (fine // 2, fine // 2), (fine, fine)]),
        noise(rng, pixels, [(fine, streak)]),
        noise(rng, pixels, [(streak, fine)]),
    ]


def _colours(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """(count, 3) in grey levels: lightness over the whole range, hues around a few of the picture's own."""
    lightness = rng.beta(1.2, 1.2, (count, 1)) * 215 + 20
    palette = rng.normal(0, 16, (4, 3)) + rng.uniform(-8, 24) * np.array([1.0, 0.2, -1.2])
    tint = palette[rng.integers(0, 4, count)] + rng.normal(0, 6, (count, 3))
    tint -= tint.mean(axis=1, keepdims=True)
    return (lightness + tint * np.minimum(lightness, 255 - lightness) / 80).astype(np.float32)


def draw(seed: np.random.SeedSequence, split: str, domain: str, size: int) -> dict[str, Picture]:
    """One picture by its folder."""
    rng = np.random.default_rng(seed)
    pixels = size * SUPERSAMPLING
    top, count = _floor(rng, pixels)
    colour = _colours(rng, count)
    slope = rng.normal(0, 30, (count, 2)).astype(np.float32)  # grey levels per picture width
    contrast = np.abs(rng.normal(0, 9, count)).astype(np.float32)
    textures = np.stack(_textures(rng, pixels))
    kind = rng.integers(0, len(textures), count)

    x = np.linspace(-0.5, 0.5, pixels, dtype=np.float32)
    shade = slope[top, 0] * x[None, :] + slope[top, 1] * x[:, None]
    shade += contrast[top] * np.take_along_axis(textures, kind[top][None], axis=0)[0]
    picture = cv2.resize(colour[top] + shade[..., None], (size, size), interpolation=cv2.INTER_AREA)
    return {split: np.clip(np.rint(picture), 0, 255).astype(np.uint8)}
