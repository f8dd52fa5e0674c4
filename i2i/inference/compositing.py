"""The composition of a model's output and its photo: transparency, filled regions, and what stays as it is."""

import numpy as np
from PIL import Image

from i2i.images import LoadedImage, restore_alpha
from i2i.images.deep import as_deep_as, image_from_levels
from i2i.inference.masks import MaskedPhoto


def compose(output: Image.Image, photo: LoadedImage) -> Image.Image:
    """Return the result of a photo, complete with its transparency.

    Args:
        output: of the model, RGB.
        photo: the photo. ``photo.kept`` needs an output of the photo's size.

    Returns: RGBA if the result has transparent parts, else RGB.
    """
    if isinstance(photo, MaskedPhoto):
        return photo.compose(output)
    stored = as_deep_as(output, photo.colours)
    result = output if photo.alpha is None else restore_alpha(output, stored, photo.alpha)
    return result if photo.kept is None else _with_kept_region(result, stored, photo.alpha, photo.kept)


def _with_kept_region(
    result: Image.Image, stored: Image.Image, alpha: Image.Image | None, kept: Image.Image
) -> Image.Image:
    """Return a result mixed with its photo by ``kept``: 255 for the photo as it is, 0 for the result."""
    levels, shares, photo = np.array(result), np.asarray(kept), np.asarray(stored)
    region, soft = shares == 255, (shares > 0) & (shares < 255)
    levels[region, :3] = photo[region]
    if soft.any():
        share = shares[soft, None] / np.float32(255)
        levels[soft, :3] = (levels[soft, :3] + share * (photo[soft].astype(np.float32) - levels[soft, :3])).round()
    if alpha is not None:
        levels[region, 3] = np.asarray(alpha)[region].astype(levels.dtype) * (np.iinfo(levels.dtype).max // 255)
    return image_from_levels(levels)
