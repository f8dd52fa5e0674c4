"""Film grain: noise that is correlated between neighbouring pixels and between the colours."""

import numpy as np

from i2i.restoration.kernels import filter2d, gaussian_kernel

MAX_BLUR_SIGMA = 1.2  # pixels: the largest grain
MIDTONE_WEIGHT = 0.5  # probability that grain is weaker in shadows and highlights, as that of negative film


def add_grain(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return the image with grain, as float32.

    Half of all grain is equal in R, G and B, as that of black-and-white film and of luminance noise; the colours of the
    rest are correlated by a random degree. Half of all grain is independent from pixel to pixel, the rest is smoothed
    by a Gaussian with a σ of up to 1.2 pixels.

    Args:
        image: (H, W, 3) in grey levels.
        sigma: σ of each colour's grain, in grey levels; of midtones, where the grain depends on the tone.
        rng: for the grain and its kind.
    """
    correlation = 1.0 if rng.random() < 0.5 else rng.uniform(0, 1)
    blur = rng.uniform(0.3, MAX_BLUR_SIGMA) if rng.random() < 0.5 else 0.0
    depends_on_tone = rng.random() < MIDTONE_WEIGHT
    shared = rng.standard_normal((*image.shape[:2], 1), np.float32)
    noise = np.sqrt(np.float32(correlation)) * np.repeat(shared, 3, 2)
    if correlation < 1:
        noise += np.sqrt(np.float32(1 - correlation)) * rng.standard_normal(image.shape, np.float32)
    if blur:
        kernel = gaussian_kernel(blur)
        noise = filter2d(noise, kernel) / np.sqrt(np.square(kernel).sum())
    noise *= np.float32(sigma)
    if depends_on_tone:
        tone = image.mean(2, dtype=np.float32, keepdims=True).clip(0, 255) / 255
        noise *= np.sqrt(0.2 + 3.2 * tone * (1 - tone))  # 0.45 in black and white, 1 on middle grey
    return noise + image
