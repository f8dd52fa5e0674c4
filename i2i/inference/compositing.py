"""The composition of a model's output and its photo: transparency, filled regions, and what stays as it is."""

from PIL import Image

from i2i.images import LoadedImage, restore_alpha
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
    result = output
    if photo.alpha is not None:
        result = restore_alpha(output, photo.image if photo.unblended is None else photo.unblended, photo.alpha)
    return result if photo.kept is None else _with_kept_region(result, photo, photo.kept)


def _with_kept_region(result: Image.Image, photo: LoadedImage, kept: Image.Image) -> Image.Image:
    stored = photo.image if photo.unblended is None else photo.unblended
    if photo.alpha is not None:
        stored = stored.copy()
        stored.putalpha(photo.alpha)
    result = result.copy()
    result.paste(stored, (0, 0), kept)
    return result
