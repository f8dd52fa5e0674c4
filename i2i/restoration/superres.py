"""Super-resolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from i2i.config import option
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.kernels import filter2d, gaussian_kernel
from i2i.restoration.noise import add_poisson_gaussian_noise
from i2i.restoration.task import Range, Task


@dataclass(frozen=True, kw_only=True)
class Superres(Task):
    """Antialiased bicubic downscaling; "realistic": after a Gaussian blur, and followed by noise and JPEG."""

    task: Literal["superres"] = option("superres", "restoration task")
    scale: int = option(2, "size of the result relative to the input: 2, 3 or 4", choices=(2, 3, 4))
    downscale: Literal["bicubic", "realistic"] = option("bicubic", "how images are downscaled", was="shrink")
    blur_sigma: Range = option(
        (0.2, 1.2),
        "σ of the realistic blur, in pixels of the small image, drawn uniformly",
        was="lens",
        gt=0,
        le=5,
        rising=True,
    )
    noise_sigma: Range = option(
        (0.0, 8.0),
        "σ of the realistic noise, in grey levels, drawn uniformly",
        was="grain",
        ge=0,
        le=50,
        rising=True,
    )
    quality: Range = option(
        (60.0, 95.0), "JPEG quality of the realistic small image, drawn uniformly", ge=1, le=100, rising=True
    )

    network_defaults: ClassVar[Mapping[str, Any]] = {"unshuffle": 1}  # the input is small: keep its full resolution

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        if self.downscale == "bicubic":
            return downscale_bicubic(clean, self.scale)
        kernel = gaussian_kernel(rng.uniform(*self.blur_sigma) * self.scale)
        blurred = filter2d(clean, kernel).round().clip(0, 255).astype(np.uint8)
        small = downscale_bicubic(blurred, self.scale)
        noisy = add_poisson_gaussian_noise(small, rng.uniform(*self.noise_sigma), 0.0, rng)
        return jpeg_compress(noisy.round().clip(0, 255).astype(np.uint8), round(rng.uniform(*self.quality)))


def downscale_bicubic(image: np.ndarray, scale: int) -> np.ndarray:
    """Return a uint8 image (H, W, 3) at 1/``scale`` of its size, by PIL's bicubic, antialiased as MATLAB's is."""
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((width // scale, height // scale), Image.Resampling.BICUBIC)
    return np.asarray(small)
