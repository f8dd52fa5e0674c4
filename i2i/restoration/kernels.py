"""Convolution kernels of blurs, float32 of odd height and width, with sum 1."""

import numpy as np

SUBPIXELS = 8  # sampling points per pixel of a path or disc


def filter2d(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the convolution of an image (H, W, C) with a kernel as float32. The border is reflected."""
    import cv2

    return cv2.filter2D(image.astype(np.float32), -1, kernel[::-1, ::-1], borderType=cv2.BORDER_REFLECT_101)


def disc_kernel(diameter: float) -> np.ndarray:
    """Return the point-spread function of defocus: a uniform disc with an anti-aliased rim.

    Args:
        diameter: in pixels.

    Returns: (k, k), where k is the least odd number of pixels that holds the disc.
    """
    radius = int(np.ceil((diameter - 1) / 2))
    side = 2 * radius + 1
    coordinates = (np.arange(side * SUBPIXELS) + 0.5) / SUBPIXELS - side / 2
    inside = coordinates[:, None] ** 2 + coordinates**2 <= (diameter / 2) ** 2
    kernel = inside.reshape(side, SUBPIXELS, side, SUBPIXELS).sum((1, 3)).astype(np.float32)
    return kernel / kernel.sum()


def motion_kernel(length: float, rng: np.random.Generator) -> np.ndarray:
    """Return the point-spread function of camera shake: a path whose direction drifts.

    Args:
        length: of the path in pixels.
        rng: draws the path.

    Returns: (k, k), with k = 2⌈length / 2⌉ + 3.
    """
    steps = max(2, round(length * SUBPIXELS))
    angles = np.cumsum(rng.normal(0, 0.6 / np.sqrt(steps), steps)) * rng.uniform(0, 3) + rng.uniform(0, 2 * np.pi)
    path = np.cumsum(np.stack([np.cos(angles), np.sin(angles)]), 1) * (length / steps)
    path -= (path.max(1, keepdims=True) + path.min(1, keepdims=True)) / 2
    radius = int(np.ceil(length / 2)) + 1
    return splat_bilinear(path + radius, 2 * radius + 1)


def splat_bilinear(points: np.ndarray, side: int) -> np.ndarray:
    """Return a kernel with equal weights at points, by bilinear splatting.

    Args:
        points: (2, n), x and y in pixels from the centre of the first pixel, in [0, side − 1).
        side: pixels a side of the kernel.

    Returns: (side, side).
    """
    kernel = np.zeros((side, side), np.float64)
    corner = np.floor(points).astype(int)
    x, y = points - corner
    for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (x if right else 1 - x) * (y if down else 1 - y)
        np.add.at(kernel, (corner[1] + down, corner[0] + right), weight)
    return (kernel / kernel.sum()).astype(np.float32)


def gaussian_kernel(sigma: float) -> np.ndarray:
    """Return a Gaussian kernel that reaches to 3σ.

    Args:
        sigma: σ in pixels; 0 for a kernel that changes nothing.

    Returns: (k, k), with k = 2⌈3σ⌉ + 1, at least 3.
    """
    radius = max(1, int(np.ceil(3 * sigma)))
    profile = np.exp(-np.square(np.arange(-radius, radius + 1)) / (2 * max(sigma, 1e-3) ** 2))
    kernel = (profile[:, None] * profile).astype(np.float32)
    return kernel / kernel.sum()
