"""Dead leaves: overlapping discs of all sizes, with the statistics of photos.

Lee, Mumford & Huang, "Occlusion models for natural images" (IJCV 2001): radii with a density of r⁻³ make the image
look alike at every scale, and its power spectrum fall as about 1/f². Each leaf has its own gradient and texture, as in
later work on denoising (Achddou, Gousseau & Ladjal 2021).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.data.synthetic.drawing import ImageArray, Plane, smooth_noise

MIN_RADIUS, MAX_RADIUS = 0.010, 0.5  # in image widths
LEAVES_PER_POINT = 5.0  # average number of leaves that cover a point
SUPERSAMPLING = 2


def _sample_radii(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Sample radii in image widths with a density of r⁻³, by inverting the distribution function."""
    low, high = MIN_RADIUS**-2, MAX_RADIUS**-2
    return np.asarray((low - rng.random(count) * (low - high)) ** -0.5)


def _leaf_indices(rng: np.random.Generator, pixels: int) -> tuple[NDArray[np.int32], int]:
    """Return the index of the top leaf at each of (pixels, pixels), and the number of leaves."""
    # ∫ πr² p(r) dr with p(r) = 2 r⁻³ / (low - high)
    mean_area = 2 * np.pi * np.log(MAX_RADIUS / MIN_RADIUS) / (MIN_RADIUS**-2 - MAX_RADIUS**-2)
    side = 1 + 2 * MAX_RADIUS  # leaves with a centre outside the image may reach into it
    count = int(LEAVES_PER_POINT * side**2 / mean_area)
    radii = _sample_radii(rng, count)
    centres = rng.uniform(-MAX_RADIUS, 1 + MAX_RADIUS, (count, 2))
    visible = np.all((centres > -radii[:, None]) & (centres < 1 + radii[:, None]), axis=1)
    fraction_bits = 4  # of OpenCV's fixed-point coordinates
    unit = pixels * (1 << fraction_bits)
    circles = np.rint(np.column_stack([centres, radii])[visible] * unit).astype(int).tolist()
    # The few points that no leaf covers belong to leaf 0, as if it were infinite.
    top_leaf = np.zeros((pixels, pixels), np.int32)
    for index, (x, y, radius) in enumerate(circles):
        cv2.circle(top_leaf, (x, y), radius, index, cv2.FILLED, cv2.LINE_8, fraction_bits)
    return top_leaf, len(circles)


def _textures(rng: np.random.Generator, pixels: int) -> list[Plane]:
    """Return the textures of leaves: none, fine, coarse, vertical and horizontal streaks."""
    fine = max(pixels // 3, 4)
    streak = max(pixels // 24, 2)
    return [
        np.zeros((pixels, pixels), np.float32),
        smooth_noise(rng, pixels, [(fine, fine)]),
        smooth_noise(rng, pixels, [(fine // 4, fine // 4), (fine // 2, fine // 2), (fine, fine)]),
        smooth_noise(rng, pixels, [(fine, streak)]),
        smooth_noise(rng, pixels, [(streak, fine)]),
    ]


def _sample_colours(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Sample colours (count, 3) in grey levels: lightness over the whole range, hues from a palette of the image."""
    lightness = rng.beta(1.2, 1.2, (count, 1)) * 215 + 20
    palette = rng.normal(0, 16, (4, 3)) + rng.uniform(-8, 24) * np.array([1.0, 0.2, -1.2])
    tint = palette[rng.integers(0, 4, count)] + rng.normal(0, 6, (count, 3))
    tint -= tint.mean(axis=1, keepdims=True)
    return (lightness + tint * np.minimum(lightness, 255 - lightness) / 80).astype(np.float32)


def draw(seed: np.random.SeedSequence, split: str, domain: str, size: int) -> dict[str, ImageArray]:
    """Draw one image. Returns it by its folder."""
    rng = np.random.default_rng(seed)
    pixels = size * SUPERSAMPLING
    leaf, count = _leaf_indices(rng, pixels)
    colour = _sample_colours(rng, count)
    slope = rng.normal(0, 30, (count, 2)).astype(np.float32)  # grey levels per image width
    contrast = np.abs(rng.normal(0, 9, count)).astype(np.float32)
    textures = np.stack(_textures(rng, pixels))
    texture_index = rng.integers(0, len(textures), count)

    x = np.linspace(-0.5, 0.5, pixels, dtype=np.float32)
    shade = slope[leaf, 0] * x[None, :] + slope[leaf, 1] * x[:, None]
    shade += contrast[leaf] * np.take_along_axis(textures, texture_index[leaf][None], axis=0)[0]
    image = cv2.resize(colour[leaf] + shade[..., None], (size, size), interpolation=cv2.INTER_AREA)
    return {split: np.clip(np.rint(image), 0, 255).astype(np.uint8)}
