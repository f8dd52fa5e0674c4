"""Degradations by transforms of Albumentations (MIT): those for which i2i has no model of its own.

i2i's own models stay where they are closer to the cause:

- ``Deblur``: discs and paths of any real size, antialiased, with noise after the blur. ``Defocus`` and ``MotionBlur``
  have whole sizes, and ``MotionBlur`` straight lines only.
- ``Dejpeg`` can give the quality to the network. ``ImageCompression`` is the same compression.
- ``Derain`` adds the light of streaks. ``RandomRain`` also darkens and blurs the whole image.
- ``Dehaze`` is the physical model of haze over a depth. ``RandomFog`` draws discs of fog and blurs the image.
- ``Denoise`` has the noise of a camera's mosaic and JPEG. ``ISONoise`` changes single pixels, at high intensity to
  white.
- ``Superres`` returns a larger image; ``Depixelate`` keeps the size.

``RandomSnow`` is no task: its method "texture" adds snow to the hue, which changes colours, and "bleach" makes all
light regions white. Each of them can stand in a pipeline of ``AlbumentationsTask``.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from i2i.augmentations.degradation import apply_transform, degrade, load_degradation
from i2i.config import option
from i2i.restoration.task import Range, Task

AREA, NEAREST = 3, 0  # interpolations of OpenCV
SPATTER_COLOURS = {"rain": (175, 238, 238), "mud": (63, 42, 20)}  # Albumentations' defaults have red and blue swapped
WHOLE_IMAGE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class AlbumentationsTask(Task):
    """Any pipeline of Albumentations that leaves pixels at their places."""

    task: Literal["albumentations"] = option("albumentations", "restoration task")
    pipeline: str = option(
        "", "file with the pipeline of Albumentations that degrades the photos, in JSON or YAML", parse=load_degradation
    )

    def check_for(self, size: int) -> None:
        self.degrade(np.zeros((size, size, 3), np.uint8), np.random.default_rng(0))

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return degrade(self.pipeline, clean, rng)


@dataclass(frozen=True, kw_only=True)
class Dewebp(Task):
    """WebP compression with colour at half resolution."""

    task: Literal["dewebp"] = option("dewebp", "restoration task")
    webp_quality: Range = option((5.0, 40.0), "WebP quality, drawn uniformly", ge=1, le=100, rising=True)

    def strength_range(self) -> Range:
        return self.webp_quality

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        quality = round(self.sample_strength(rng, strength))
        return apply_transform("ImageCompression", clean, rng, compression_type="webp", quality_range=(quality,) * 2)


@dataclass(frozen=True, kw_only=True)
class Deglass(Task):
    """The view through frosted glass: neighbouring pixels change places, between two Gaussian blurs."""

    task: Literal["deglass"] = option("deglass", "restoration task")
    glass_distance: Range = option(
        (1.0, 4.0), "largest distance of an exchange in pixels, drawn uniformly and rounded", ge=1, le=20, rising=True
    )

    def strength_range(self) -> Range:
        return self.glass_distance

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        distance = round(self.sample_strength(rng, strength))
        return apply_transform("GlassBlur", clean, rng, sigma=0.7, max_delta=distance, iterations=1)


@dataclass(frozen=True, kw_only=True)
class Dezoom(Task):
    """A zoom or a movement forward during the exposure: a blur away from the centre of the photo."""

    task: Literal["dezoom"] = option("dezoom", "restoration task")
    zoom_factor: Range = option(
        (1.02, 1.15), "largest magnification during the exposure, drawn uniformly", gt=1, le=2, rising=True
    )
    train_on_crops: ClassVar[bool] = False  # the blur depends on the position in the photo

    def strength_range(self) -> Range:
        return self.zoom_factor

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        factor = self.sample_strength(rng, strength)
        step = (factor - 1) / 16
        return apply_transform("ZoomBlur", clean, rng, max_factor=(factor,) * 2, step_factor=(step,) * 2)


@dataclass(frozen=True, kw_only=True)
class Deshadow(Task):
    """Shadows: with equal probability polygons with hard edges, or a soft one of many sizes."""

    task: Literal["deshadow"] = option("deshadow", "restoration task")
    shadow_depth: Range = option(
        (0.2, 0.7), "share of the light that a shadow takes away, drawn uniformly", ge=0, le=1, rising=True
    )

    def strength_range(self) -> Range:
        return self.shadow_depth

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        depth = (self.sample_strength(rng, strength),) * 2
        if rng.random() < 0.5:
            return apply_transform("PlasmaShadow", clean, rng, shadow_intensity_range=depth, roughness=0.4)
        return apply_transform(
            "RandomShadow", clean, rng, shadow_intensity_range=depth, shadow_roi=WHOLE_IMAGE, num_shadows_limit=(1, 2)
        )


@dataclass(frozen=True, kw_only=True)
class Deflare(Task):
    """The flare of a light in the image, with its reflections in the lens."""

    task: Literal["deflare"] = option("deflare", "restoration task")
    flare_radius: Range = option(
        (0.15, 0.6), "radius of the flare relative to the shorter side, drawn uniformly", gt=0, le=2, rising=True
    )
    train_on_crops: ClassVar[bool] = False  # its size is relative to the photo

    def strength_range(self) -> Range:
        return self.flare_radius

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        radius = max(2, round(self.sample_strength(rng, strength) * min(clean.shape[:2])))
        return apply_transform(
            "RandomSunFlare", clean, rng, src_radius=radius, flare_roi=WHOLE_IMAGE, method="physics_based"
        )


@dataclass(frozen=True, kw_only=True)
class Dering(Task):
    """An ideal low-pass filter: blur, with waves beside edges."""

    task: Literal["dering"] = option("dering", "restoration task")
    ringing_cutoff: Range = option(
        (0.8, 2.0), "cutoff frequency in radians per pixel, drawn uniformly", gt=0, lt=3.14, rising=True
    )

    def strength_range(self) -> Range:
        return self.ringing_cutoff

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        cutoff = self.sample_strength(rng, strength)
        return apply_transform("RingingOvershoot", clean, rng, cutoff=(cutoff,) * 2, blur_limit=(15, 15))


@dataclass(frozen=True, kw_only=True)
class Depixelate(Task):
    """A photo of low resolution that was enlarged by repeating pixels."""

    task: Literal["depixelate"] = option("depixelate", "restoration task")
    pixel_scale: Range = option(
        (0.2, 0.7), "resolution relative to the photo's, drawn uniformly", ge=0.02, lt=1, rising=True
    )

    def strength_range(self) -> Range:
        return self.pixel_scale

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        scale = self.sample_strength(rng, strength)
        scale = max(scale, 1 / min(clean.shape[:2]))  # at least one pixel
        interpolations = {"downscale": AREA, "upscale": NEAREST}
        return apply_transform("Downscale", clean, rng, scale_range=(scale,) * 2, interpolation_pair=interpolations)


@dataclass(frozen=True, kw_only=True)
class Deposterize(Task):
    """Few levels of each colour: bands in gradients."""

    task: Literal["deposterize"] = option("deposterize", "restoration task")
    posterize_bits: Range = option(
        (2.0, 5.0), "bits of each colour, drawn uniformly and rounded", ge=1, le=7, rising=True
    )

    def strength_range(self) -> Range:
        return self.posterize_bits

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        return apply_transform("Posterize", clean, rng, num_bits=round(self.sample_strength(rng, strength)))


@dataclass(frozen=True, kw_only=True)
class Despatter(Task):
    """Drops of water or spots of mud on the lens (Hendrycks and Dietterich 2019)."""

    task: Literal["despatter"] = option("despatter", "restoration task")
    spatter: Literal["both", "rain", "mud"] = option("both", "kind of drops; both: either with equal probability")
    spatter_intensity: Range = option((0.3, 0.8), "opacity of the drops, drawn uniformly", ge=0, le=1, rising=True)

    def strength_range(self) -> Range:
        return self.spatter_intensity

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        intensity = self.sample_strength(rng, strength)
        kind = self.spatter if self.spatter != "both" else ("rain", "mud")[int(rng.integers(2))]
        colour = SPATTER_COLOURS[kind]
        return apply_transform("Spatter", clean, rng, mode=kind, intensity=(intensity,) * 2, color=colour)
