"""Measure the quality of an image file that is decoded already."""

from pathlib import Path

import numpy as np

from i2i.images.downscale import downscale
from i2i.images.quality.jpeg_quality import read_jpeg_quality
from i2i.images.quality.photo_quality import PhotoQuality, measure_quality
from i2i.images.reading import LoadedImage


def assess_photo(path: Path, loaded: LoadedImage, max_side: int | None = None) -> PhotoQuality:
    """Return the quality of a photo.

    Args:
        path: its file.
        loaded: the decoded file.
        max_side: the photo is downscaled to this many pixels on its longer side before it is measured; None for its own
            size. The artefacts of JPEG do not outlast it as such.
    """
    photo = loaded.blended()
    if max_side is not None and max(photo.image.size) > max_side:
        return measure_quality(np.asarray(downscale(photo, max_side).image))
    return measure_quality(np.asarray(photo.image), read_jpeg_quality(path))
