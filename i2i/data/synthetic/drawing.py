"""What the built-in sets share: noise fields, landscapes, soft shapes, and the camera's own noise."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]  # (H, W)
Colour = NDArray[np.float32]  # (3, H, W), or (3, 1, 1) for one colour: red first, grey levels of 0 to 255
Picture = NDArray[np.uint8]  # (H, W, 3) red first, or (H, W)


def rgb(*levels: float) -> Colour:
    return np.array(levels, np.float32).reshape(3, 1, 1)


def shifted(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """The colour with each channel moved by at most `spread` grey levels."""
    return colour + rng.uniform(-spread, spread, (3, 1, 1)).astype(np.float32)


def grid(size: int) -> tuple[Plane, Plane]:
    """x to the right as (1, W) and y downwards as (H, 1), at pixel centres, in picture widths (0 to 1)."""
    x = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return x[None, :], x[:, None]


def noise(rng: np.random.Generator, size: int, cells: Sequence[tuple[int, int]], roughness: float = 0.6) -> Plane:
    """Smooth noise of about zero mean and unit variance: a sum over octaves.

    cells: rows and columns of random values of each octave, coarse to fine; each octave has `roughness`
    times the amplitude of the one before.
    """
    total = np.zeros((size, size), np.float32)
    power = 0.0
    for octave, (rows, columns) in enumerate(cells):
        values = rng.standard_normal((rows, columns), dtype=np.float32)
        total += np.float32(roughness**octave) * cv2.resize(values, (size, size))
        power += roughness ** (2 * octave) / 2  # bilinear interpolation keeps about half of the variance
    return total / np.float32(np.sqrt(power))


def cover(distance: Plane, size: int) -> Plane:
    """How much of each pixel a shape covers, 0 to 1. distance: signed, to its edge, in picture widths."""
    return np.clip(np.float32(0.5) - distance * np.float32(size), 0, 1)


def paint(canvas: Colour, colour: Colour, alpha: Plane) -> None:
    """Lays `colour` over the canvas in place. alpha: 0 to 1."""
    canvas += alpha * (colour - canvas)


def landscape(rng: np.random.Generator, size: int, horizon: float) -> Colour:
    """Sky, clouds, two rows of hills and grass. horizon: its height from the top, in picture widths."""
    _, y = grid(size)
    zenith = shifted(rng, rgb(96, 146, 204), 22)
    haze = shifted(rng, rgb(200, 212, 222), 14)
    sky = zenith + (haze - zenith) * np.clip(y / np.float32(horizon), 0, 1)
    canvas = np.repeat(sky, size, axis=2)
    clouds = noise(rng, size, [(6, 3), (12, 6), (24, 12)])
    threshold = np.float32(rng.uniform(0.2, 1.6))
    paint(canvas, rgb(234, 236, 238), np.clip((clouds - threshold) * np.float32(0.9), 0, np.float32(0.8)))

    grass = shifted(rng, rgb(116, 134, 66) + np.float32(rng.uniform(-1, 1)) * rgb(36, 8, -2), 12)
    for distance in (0.7, 0.35):
        tops = rng.uniform(0, 1, (1, 5)).astype(np.float32)
        hills = cv2.resize(tops, (size, 1), interpolation=cv2.INTER_CUBIC)
        ridge = np.float32(horizon) - np.float32(0.02 + 0.16 * distance) * hills
        near = grass * rgb(0.72, 0.80, 0.88)
        relief = noise(rng, size, [(16, 8), (32, 24)]) * np.float32(5)
        paint(canvas, near + np.float32(0.75 * distance) * (haze - grass) + relief, cover(ridge - y, size))

    fine = min(size, 96)
    blades = noise(rng, size, [(8, 4), (20, 12), (fine // 2, fine // 2), (fine, fine)], roughness=0.85)
    depth = np.clip((y - np.float32(horizon)) / np.float32(1 - horizon), 0, 1)
    blades *= 5 + 7 * depth
    ground = grass * (np.float32(1.06) - np.float32(0.16) * depth) + blades * rgb(1, 1, 0.7)
    paint(canvas, ground, cover(np.float32(horizon) - y, size))
    return canvas


def expose(rng: np.random.Generator, scene: Colour, sigma: float) -> Picture:
    """(H, W, 3): the scene as a camera records it, with noise of `sigma` grey levels, rounded and clipped."""
    noisy = rng.standard_normal(scene.shape, dtype=np.float32)
    noisy *= np.float32(sigma)
    noisy += scene
    return cv2.merge(list(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
