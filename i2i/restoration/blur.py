"""Deblurring: camera shake and defocus."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2i.config import option
from i2i.restoration.kernels import disc_kernel, filter2d, motion_kernel
from i2i.restoration.noise import add_poisson_gaussian_noise
from i2i.restoration.task import Range, Task


@dataclass(frozen=True, kw_only=True)
class Deblur(Task):
    """Convolution with the path of camera shake or the disc of defocus, then Gaussian noise."""

    task: Literal["deblur"] = option("deblur", "restoration task")
    blur: Literal["both", "motion", "defocus"] = option("both", "kind of blur; both: either with equal probability")
    blur_size: Range = option(
        (3.0, 15.0),
        "length of the motion or diameter of the disc, in pixels, drawn uniformly",
        was="extent",
        ge=1,
        le=63,
        rising=True,
    )
    noise_sigma: Range = option(
        (0.0, 3.0),
        "σ of the added noise, in grey levels, drawn uniformly",
        was="grain",
        ge=0,
        le=50,
        rising=True,
    )

    def strength_range(self) -> Range:
        return self.blur_size

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        size = self.sample_strength(rng, strength)
        motion = rng.random() < 0.5 if self.blur == "both" else self.blur == "motion"
        kernel = motion_kernel(size, rng) if motion else disc_kernel(size)
        blurred = filter2d(clean, kernel)
        return add_poisson_gaussian_noise(blurred, rng.uniform(*self.noise_sigma), 0.0, rng)
