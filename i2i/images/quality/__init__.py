"""Measurement of what a photo shows of its quality: noise, JPEG compression, sharpness, size and colour."""

from i2i.images.quality.jpeg_quality import quality_of_table, read_jpeg_quality
from i2i.images.quality.noise_level import NoiseEstimate, estimate_noise
from i2i.images.quality.photo_quality import PhotoQuality, measure_quality

__all__ = [
    "NoiseEstimate", "PhotoQuality", "estimate_noise", "measure_quality", "quality_of_table", "read_jpeg_quality",
]  # fmt: skip
