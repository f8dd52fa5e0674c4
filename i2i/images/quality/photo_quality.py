"""What a photo shows of its quality: noise, JPEG compression, size, sharpness and colour."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from i2i.images.quality.jpeg_history import find_earlier_quality
from i2i.images.quality.noise_level import NoiseEstimate, estimate_noise, half_size
from i2i.images.quality.sharpness import estimate_sharpness

GREY_TOLERANCE = 6  # levels by which the channels of a grey photo may differ, such as after JPEG
GREY_SHARE = 0.99  # of the pixels of a grey photo whose channels differ by no more
COARSE_SHARE = 0.001  # of the blocks, in which coarse noise is measured: texture is stronger at half the size
QUALITY_TOLERANCE = 3  # by which the quality that the pixels show may differ from that of the file
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class PhotoQuality:
    """What a photo shows of its quality. Levels are grey levels of 255.

    Attributes:
        width: in pixels, of the upright photo, downscaled if the conversion downscales it.
        height: in pixels.
        grey: whether the photo has no colours.
        noise: σ of the noise between neighbouring pixels, the root mean square of ``noise_rgb``.
        noise_rgb: σ in red, green and blue.
        coarse_noise: σ of the noise of luminance that is left at half the size, times 2: equal to that of luminance at
            full size if the noise is independent between pixels, and above it if it is correlated or was compressed.
        colour_noise: σ of the noise of colour that is left at a quarter of the size, times 4: stains of colour, as
            cameras leave them; 0 for a grey photo.
        texture: how far texture hides the noise, see ``NoiseEstimate``; of ``noise``.
        coarse_texture: the same of ``coarse_noise``.
        colour_texture: the same of ``colour_noise``.
        equal_share: share of the pixels that equal their neighbour, see ``NoiseEstimate``.
        sharpness: see ``estimate_sharpness``.
        jpeg_quality: quality of the JPEG, from 1 to 100; None if the photo is none, or is downscaled.
        earlier_quality: quality of a JPEG that the photo was before, if that was lower; None without a sign of one.
    """

    width: int
    height: int
    grey: bool
    noise: float
    noise_rgb: tuple[float, float, float]
    coarse_noise: float
    texture: float
    coarse_texture: float
    equal_share: float
    sharpness: float
    jpeg_quality: int | None = None
    colour_noise: float = 0.0
    colour_texture: float = 1.0
    earlier_quality: int | None = None

    @property
    def lowest_quality(self) -> int:
        """The lowest quality of the JPEGs that the photo is or was; 100 for none."""
        return min(self.jpeg_quality or 100, self.earlier_quality or 100)

    def to_json(self) -> dict[str, Any]:
        """Return the fields, with numbers rounded to 3 digits after the point."""
        return {name: _rounded(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Any) -> "PhotoQuality":
        """Return the quality that ``to_json`` gave. Raises ValueError, KeyError or TypeError for anything else."""
        if not isinstance(data, Mapping):
            raise TypeError(f"{data!r} is not a table")
        red, green, blue = (_number(value) for value in data["noise_rgb"])
        numbers = {field.name: _number(data[field.name]) for field in fields(cls) if field.type in (float, "float")}
        return cls(
            width=int(_number(data["width"])),
            height=int(_number(data["height"])),
            grey=bool(data["grey"]),
            noise_rgb=(red, green, blue),
            jpeg_quality=_quality(data["jpeg_quality"]),
            earlier_quality=_quality(data["earlier_quality"]),
            **numbers,
        )


def measure_quality(
    pixels: np.ndarray, jpeg_quality: int | None = None, opaque: np.ndarray | None = None
) -> PhotoQuality:
    """Measure the quality of a photo.

    Args:
        pixels: uint8 (H, W, 3), sRGB.
        jpeg_quality: of its file; None for another format.
        opaque: bool (H, W), where the photo is opaque; None if it is everywhere. The rest is not measured.

    >>> round(measure_quality(np.full((32, 48, 3), 128, np.uint8)).noise, 3)
    0.0
    """
    if opaque is not None:
        pixels = np.where(opaque[..., None], pixels, np.uint8(255))  # blocks with white are left out
    grey = is_grey(pixels if opaque is None or not opaque.any() else pixels[opaque][None])
    channels = [pixels[..., 1]] if grey else [pixels[..., index] for index in range(3)]
    noises = [estimate_noise(channel) for channel in channels]
    luma = channels[0].astype(np.float32) if grey else pixels.astype(np.float32) @ _LUMA
    coarse = estimate_noise(half_size(luma), COARSE_SHARE)
    stains = (
        []
        if grey
        else [estimate_noise(half_size(half_size(colour)), COARSE_SHARE) for colour in _colours(pixels, luma)]
    )
    earlier = find_earlier_quality(luma)
    red, green, blue = (noise.sigma for noise in (noises * 3 if grey else noises))
    return PhotoQuality(
        width=pixels.shape[1],
        height=pixels.shape[0],
        grey=grey,
        noise=_root_mean_square(noises),
        noise_rgb=(red, green, blue),
        coarse_noise=2 * coarse.sigma,
        texture=float(np.mean([noise.texture for noise in noises])),
        coarse_texture=coarse.texture,
        equal_share=float(np.mean([noise.equal_share for noise in noises])),
        sharpness=estimate_sharpness(luma),
        jpeg_quality=jpeg_quality,
        colour_noise=4 * _root_mean_square(stains) if stains else 0.0,
        colour_texture=float(np.mean([stain.texture for stain in stains])) if stains else 1.0,
        earlier_quality=earlier
        if earlier is not None and earlier < (jpeg_quality or 100) - QUALITY_TOLERANCE
        else None,
    )


def _colours(pixels: np.ndarray, luma: np.ndarray) -> list[np.ndarray]:
    """Return red and blue minus brightness, around middle grey."""
    return [pixels[..., channel] - luma + 128 for channel in (0, 2)]


def is_grey(pixels: np.ndarray) -> bool:
    """Return whether uint8 (H, W, 3) has no colours but for the small ones that JPEG makes."""
    step = max(1, math.isqrt(pixels.shape[0] * pixels.shape[1] // 1_000_000))
    sample = pixels[::step, ::step]
    spread = sample.max(-1).astype(np.int16) - sample.min(-1)
    return bool((spread <= GREY_TOLERANCE).mean() >= GREY_SHARE)


def _root_mean_square(noises: list[NoiseEstimate]) -> float:
    return float(np.sqrt(np.mean([noise.sigma**2 for noise in noises])))


def _number(value: Any) -> float:
    """Return a finite number. Raises ValueError or TypeError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _quality(value: Any) -> int | None:
    return None if value is None else int(_number(value))


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value
