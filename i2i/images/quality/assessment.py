"""Measure the quality of an image that is decoded already."""

from pathlib import Path

import numpy as np

from i2i.images.downscale import downscale
from i2i.images.quality.jpeg_quality import read_jpeg_quality
from i2i.images.quality.photo_quality import PhotoQuality, measure_quality
from i2i.images.reading import LoadedImage

OPAQUE = 128  # alpha from which on a pixel is measured, in its colour as stored
MIN_OPAQUE_SHARE = 0.02  # of the pixels; with less, all of the photo is measured as it looks on white


def assess_photo(path: Path, loaded: LoadedImage, max_side: int | None = None) -> PhotoQuality:
    """Return the quality of a photo.

    Args:
        path: its file.
        loaded: the decoded file.
        max_side: the photo is downscaled to this many pixels on its longer side before it is measured; None for its own
            size. The artefacts of JPEG do not outlast it as such.
    """
    if max_side is not None and max(loaded.image.size) > max_side:
        return assess_image(downscale(loaded.blended(), max_side))
    return assess_image(loaded, read_jpeg_quality(path))


def assess_image(loaded: LoadedImage, jpeg_quality: int | None = None) -> PhotoQuality:
    """Return the quality of a decoded photo, measured where it is rather opaque than transparent.

    Args:
        loaded: the photo.
        jpeg_quality: of its file; None for another format.
    """
    opaque = opaque_pixels(loaded)
    photo = loaded.blended()
    stored = photo.image if opaque is None or photo.unblended is None else photo.unblended
    return measure_quality(np.asarray(stored), jpeg_quality, opaque)


def opaque_pixels(loaded: LoadedImage) -> np.ndarray | None:
    """Return where a photo is rather opaque, bool (H, W); None if it is everywhere, or too little to measure."""
    if loaded.alpha is None:
        return None
    opaque = np.asarray(loaded.alpha) >= OPAQUE
    return opaque if opaque.mean() >= MIN_OPAQUE_SHARE else None
