"""Denoising: Gaussian and Poisson–Gaussian noise, film grain, and the noise of cameras."""

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import ClassVar, Literal

import numpy as np

from i2i.config import option
from i2i.restoration.grain import add_grain
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.kernels import filter2d, gaussian_kernel
from i2i.restoration.srgb import linear_to_srgb, srgb_to_linear
from i2i.restoration.task import Range, Task, append_channel

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
MIDDLE_GREY = 0.18  # linear light at which the σ of camera noise is defined
MIXED_SHARES = {"gaussian": 0.45, "grain": 0.2, "camera": 0.3, "none": 0.05}  # of the kinds in --noise mixed


@dataclass(frozen=True, kw_only=True)
class Denoise(Task):
    """Gaussian noise, Poisson–Gaussian noise with variance σ² + shot_noise · value, film grain, or camera noise."""

    task: Literal["denoise"] = option("denoise", "restoration task")
    noise: Literal["gaussian", "grain", "camera", "both", "mixed"] = option(
        "mixed",
        "kind of noise: gaussian (independent for each value), grain (correlated between pixels and colours, or equal "
        "in R, G and B), camera (demosaiced, saved as JPEG), both (gaussian or camera), mixed (gaussian, grain, "
        "camera, and at times none)",
    )
    sigma: Range = option(
        (0.0, 50.0),
        "σ of the noise (of a camera: of green on middle grey), in grey levels of 255, drawn uniformly",
        ge=0,
        le=255,
        rising=True,
    )
    shot_noise: Range = option(
        (0.0, 0.0),
        "variance of Gaussian noise per grey level of the image, in grey levels, drawn uniformly",
        was="shot",
        ge=0,
        le=50,
        rising=True,
    )
    noise_level_input: bool = option(
        False, "give the noise level to the network; inference then needs --degradation-level", was="known"
    )
    camera_jpeg_quality: Range = option(
        (60.0, 98.0),
        "JPEG quality after camera noise, drawn uniformly",
        was="saved",
        ge=1,
        le=100,
        rising=True,
    )
    camera_noise_reduction: float = option(
        0.5, "share of the images with camera noise whose noise the camera has smoothed, colour more than brightness",
        ge=0, le=1,
    )  # fmt: skip
    quantize: bool = option(True, "clip and round the noisy image to 8 bit, as in a file", was="quantised")
    unclipped_fraction: float = option(
        0.0, "share of the images with Gaussian noise or grain that --quantize does not clip and round", ge=0, le=1
    )

    prediction: ClassVar[str] = "residual"

    @property
    def conditioning(self) -> str:  # type: ignore[override]
        return "level" if self.noise_level_input else "image"

    def strength_range(self) -> Range:
        return self.sigma

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        kind = self._draw_kind(rng, may_be_none=strength is None)
        sigma = 0.0 if kind == "none" else self.sample_strength(rng, strength)
        noisy = clean if kind == "none" else self._add_noise(clean, kind, sigma, rng)
        if not self.quantize or self.unclipped_fraction:
            noisy = noisy.astype(np.float32, copy=False)  # all images of a batch have one type
        return append_channel(noisy, self.conditioning_level(sigma)) if self.noise_level_input else noisy

    def _draw_kind(self, rng: np.random.Generator, *, may_be_none: bool) -> str:
        """Draw one of the kinds of noise that ``noise`` stands for."""
        if self.noise == "both":
            return "camera" if rng.random() < 0.5 else "gaussian"
        if self.noise == "mixed":
            kinds = [kind for kind in MIXED_SHARES if may_be_none or kind != "none"]
            shares = np.array([MIXED_SHARES[kind] for kind in kinds])
            return str(rng.choice(kinds, p=shares / shares.sum()))
        return self.noise

    def _add_noise(self, clean: np.ndarray, kind: str, sigma: float, rng: np.random.Generator) -> np.ndarray:
        if kind == "camera":
            quality = round(rng.uniform(*self.camera_jpeg_quality))
            is_reduced = bool(self.camera_noise_reduction) and rng.random() < self.camera_noise_reduction
            noisy = add_camera_noise(clean, sigma, rng, noise_reduction=is_reduced)
            return jpeg_compress(noisy.round().astype(np.uint8), quality)
        if kind == "grain":
            noisy = add_grain(clean, sigma, rng)
        else:
            shot = rng.uniform(*self.shot_noise) if self.shot_noise[1] else 0.0
            noisy = add_poisson_gaussian_noise(clean, sigma, shot, rng)
        if not self.quantize or (self.unclipped_fraction and rng.random() < self.unclipped_fraction):
            return noisy
        return noisy.round().clip(0, 255).astype(np.uint8)


def add_poisson_gaussian_noise(image: np.ndarray, sigma: float, shot: float, rng: np.random.Generator) -> np.ndarray:
    """Return the image with Gaussian noise of variance σ² + shot · value, as float32.

    Args:
        image: (H, W, C) in grey levels; not negative if ``shot`` is positive.
        sigma: σ of the signal-independent part, in grey levels.
        shot: variance per grey level; 0 for Gaussian noise.
        rng: for the noise.
    """
    noise = rng.standard_normal(image.shape, np.float32)
    if shot:
        noise *= np.sqrt(np.float32(sigma**2) + np.float32(shot) * image)
    else:
        noise *= np.float32(sigma)
    noise += image
    return noise


def add_camera_noise(
    image: np.ndarray, sigma: float, rng: np.random.Generator, *, noise_reduction: bool = False
) -> np.ndarray:
    """Return the image with camera noise, as float32 (H, W, 3) clipped to 0 to 255.

    After Brooks et al. 2019, section 3: Poisson–Gaussian noise on the light that reaches a Bayer mosaic, white balance,
    bilinear demosaicing, then often some smoothing, and sRGB. Only the noise goes through the mosaic, so that the image
    stays sharp.

    Args:
        image: uint8 (H, W, 3).
        sigma: σ of the noise of green on middle grey, in grey levels, before noise reduction.
        rng: for the noise, the white balance, the mosaic's phase and the smoothing.
        noise_reduction: smooth the noise of the finished image, as cameras do: its colour by a Gaussian with a σ of 0.5
            to 3 pixels, its brightness by up to 1.2 pixels.
    """
    light = srgb_to_linear(image)
    gains = np.array([rng.uniform(1, 2.2), 1, rng.uniform(1, 2.2)], np.float32)
    shot_fraction = np.float32(rng.uniform(0.5, 1))
    smoothing = rng.uniform(0, 0.9) * (rng.random() < 0.6)
    relative_variance = shot_fraction * gains * light / MIDDLE_GREY + (1 - shot_fraction) * gains**2
    variance = _linear_sigma(sigma) ** 2 * relative_variance
    noise = rng.standard_normal(image.shape, np.float32) * np.sqrt(variance)

    # Keep the noise of one colour at each pixel of the Bayer mosaic: green at every other pixel.
    down, right = rng.integers(2, size=2)
    mosaic = np.zeros(image.shape, np.float32)
    mosaic[down::2, right::2, 0] = 1
    mosaic[1 - down :: 2, 1 - right :: 2, 2] = 1
    mosaic[down::2, 1 - right :: 2, 1] = 1
    mosaic[1 - down :: 2, right::2, 1] = 1
    noise *= mosaic

    # Demosaic it, with the σ that green has at the pixels of the mosaic.
    kernels = [_demosaicing_kernel(green, smoothing) for green in (False, True, False)]
    green_gain = np.sqrt(np.square(kernels[1]).sum() / 2)
    demosaiced = np.stack([filter2d(noise[..., i], kernel) for i, kernel in enumerate(kernels)], -1) / green_gain
    noisy = linear_to_srgb(light + demosaiced)
    return reduce_noise(noisy, image, rng.uniform(0, 1.2), rng.uniform(0.5, 3)) if noise_reduction else noisy


def reduce_noise(noisy: np.ndarray, image: np.ndarray, luma_blur: float, chroma_blur: float) -> np.ndarray:
    """Return an image with its noise smoothed, in brightness (luma of Rec. 601) and in colour, as float32 (H, W, 3).

    Args:
        noisy: (H, W, 3) in grey levels.
        image: (H, W, 3) in grey levels, without noise: it is not smoothed.
        luma_blur: σ of the Gaussian for the luma of the noise, in pixels.
        chroma_blur: σ of the Gaussian for the rest of the noise, in pixels.
    """
    noise = noisy - image.astype(np.float32)
    luma = np.repeat(noise @ LUMA, 3).reshape(noise.shape)
    smoothed = filter2d(luma, gaussian_kernel(luma_blur)) + filter2d(noise - luma, gaussian_kernel(chroma_blur))
    return (image + smoothed).clip(0, 255)


def _demosaicing_kernel(green: bool, smoothing: float) -> np.ndarray:
    """Return the kernel of bilinear demosaicing, followed by Gaussian smoothing with σ ``smoothing``: float32."""
    profile = np.array([0.5, 1, 0.5], np.float32)
    if green:
        bilinear = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]], np.float32)
    else:
        bilinear = profile[:, None] * profile
    if not smoothing:
        return bilinear
    gaussian = gaussian_kernel(smoothing)
    return filter2d(np.pad(bilinear, gaussian.shape[0]), gaussian)


def _linear_sigma(sigma: float) -> np.float32:
    """Return the σ in linear light that gives ``sigma`` grey levels on middle grey, with tone curve and clipping."""
    linear_sigmas, sigmas = _linear_sigma_table()
    return np.float32(np.interp(sigma, sigmas, linear_sigmas))


@cache
def _linear_sigma_table() -> tuple[np.ndarray, np.ndarray]:
    """Return values of σ in linear light, and the σ in grey levels that each gives on middle grey."""
    linear_sigmas = np.concatenate([[0.0], np.geomspace(1e-4, 8, 200)])
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / 2000) for i in range(2000)])
    return linear_sigmas, linear_to_srgb(MIDDLE_GREY + linear_sigmas[:, None] * quantiles).std(1)
