"""Drawing functions of the synthetic datasets: noise fields, landscapes, antialiased shapes, sensor noise."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]  # (H, W)
Colour = NDArray[np.float32]  # (3, H, W), or (3, 1, 1) for a single colour: RGB grey levels from 0 to 255
ImageArray = NDArray[np.uint8]  # (H, W, 3) in RGB order, or (H, W)


def rgb_colour(*levels: float) -> Colour:
    """Return a single colour (3, 1, 1) from its red, green and blue levels."""
    return np.array(levels, np.float32).reshape(3, 1, 1)


def vary_colour(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Shift each channel of a colour by at most ``spread`` grey levels."""
    return colour + rng.uniform(-spread, spread, (3, 1, 1)).astype(np.float32)


def pixel_grid(size: int) -> tuple[Plane, Plane]:
    """Return the coordinates of pixel centres in image widths (0 to 1).

    Returns: x to the right (1, W), and y downwards (H, 1).
    """
    x = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return x[None, :], x[:, None]


def smooth_noise(
    rng: np.random.Generator, size: int, cells: Sequence[tuple[int, int]], roughness: float = 0.6
) -> Plane:
    """Return smooth noise (size, size) of about zero mean and unit variance, as a sum over octaves.

    Args:
        rng: source of randomness.
        size: height and width in pixels.
        cells: rows and columns of random values of each octave, from coarse to fine.
        roughness: amplitude of each octave relative to the one before.
    """
    total = np.zeros((size, size), np.float32)
    power = 0.0
    for octave, (rows, columns) in enumerate(cells):
        values = rng.standard_normal((rows, columns), dtype=np.float32)
        total += np.float32(roughness**octave) * cv2.resize(values, (size, size))
        power += roughness ** (2 * octave) / 2  # bilinear interpolation keeps about half of the variance
    return total / np.float32(np.sqrt(power))


def coverage(distance: Plane, size: int) -> Plane:
    """Return the fraction of each pixel that a shape covers, from its signed distance in image widths."""
    return np.clip(np.float32(0.5) - distance * np.float32(size), 0, 1)


def blend(canvas: Colour, colour: Colour, alpha: Plane) -> None:
    """Blend ``colour`` over the canvas in place, with alpha from 0 to 1."""
    canvas += alpha * (colour - canvas)


def draw_landscape(rng: np.random.Generator, size: int, horizon: float) -> Colour:
    """Draw sky, clouds, two rows of hills and grass.

    Args:
        rng: source of randomness.
        size: height and width in pixels.
        horizon: distance of the horizon from the top, in image widths.
    """
    _, y = pixel_grid(size)
    zenith = vary_colour(rng, rgb_colour(96, 146, 204), 22)
    haze = vary_colour(rng, rgb_colour(200, 212, 222), 14)
    sky = zenith + (haze - zenith) * np.clip(y / np.float32(horizon), 0, 1)
    canvas = np.repeat(sky, size, axis=2)
    clouds = smooth_noise(rng, size, [(6, 3), (12, 6), (24, 12)])
    threshold = np.float32(rng.uniform(0.2, 1.6))
    cloud_alpha = np.clip((clouds - threshold) * np.float32(0.9), 0, np.float32(0.8))
    blend(canvas, rgb_colour(234, 236, 238), cloud_alpha)

    dryness = np.float32(rng.uniform(-1, 1))
    grass = vary_colour(rng, rgb_colour(116, 134, 66) + dryness * rgb_colour(36, 8, -2), 12)
    for distance in (0.7, 0.35):
        heights = rng.uniform(0, 1, (1, 5)).astype(np.float32)
        hills = cv2.resize(heights, (size, 1), interpolation=cv2.INTER_CUBIC)
        ridge = np.float32(horizon) - np.float32(0.02 + 0.16 * distance) * hills
        near_colour = grass * rgb_colour(0.72, 0.80, 0.88)
        relief = smooth_noise(rng, size, [(16, 8), (32, 24)]) * np.float32(5)
        colour = near_colour + np.float32(0.75 * distance) * (haze - grass) + relief
        blend(canvas, colour, coverage(ridge - y, size))

    fine = min(size, 96)
    blades = smooth_noise(rng, size, [(8, 4), (20, 12), (fine // 2, fine // 2), (fine, fine)], roughness=0.85)
    depth = np.clip((y - np.float32(horizon)) / np.float32(1 - horizon), 0, 1)
    blades *= 5 + 7 * depth
    ground = grass * (np.float32(1.06) - np.float32(0.16) * depth) + blades * rgb_colour(1, 1, 0.7)
    blend(canvas, ground, coverage(np.float32(horizon) - y, size))
    return canvas


def add_sensor_noise(rng: np.random.Generator, scene: Colour, sigma: float) -> ImageArray:
    """Add Gaussian noise of ``sigma`` grey levels, round and clip to uint8 (H, W, 3)."""
    noisy = rng.standard_normal(scene.shape, dtype=np.float32)
    noisy *= np.float32(sigma)
    noisy += scene
    return cv2.merge(list(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
