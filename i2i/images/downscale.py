"""Downscaling of images to a longest side."""

from dataclasses import replace

from PIL import Image, ImageChops

from i2i.images.reading import LoadedImage

Size = tuple[int, int]  # width and height


def downscaled_to_fit(size: Size, max_side: int) -> Size:
    """Return the size of an image whose longer side has at most ``max_side`` pixels, with the aspect ratio kept.

    >>> downscaled_to_fit((4000, 3000), 1000)
    (1000, 750)
    >>> downscaled_to_fit((400, 300), 1000)
    (400, 300)
    """
    scale = max_side / max(size)
    return size if scale >= 1 else (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def downscale(loaded: LoadedImage, max_side: int) -> LoadedImage:
    """Return an image whose longer side has at most ``max_side`` pixels.

    An opaque image is resampled by Lanczos' filter; with alpha, each pixel is the mean of the pixels that it covers.
    """
    size = downscaled_to_fit(loaded.image.size, max_side)
    if size == loaded.image.size:
        return loaded
    if loaded.deep is not None:
        resample = Image.Resampling.LANCZOS if loaded.alpha is None else Image.Resampling.BOX
        loaded = replace(loaded, deep=loaded.deep.resize(size, resample))
    if loaded.kept is not None:  # a pixel that covers a kept one is kept
        whole = loaded.kept.point(lambda value: 255 * (value == 255)).resize(size, Image.Resampling.BOX)
        soft = loaded.kept.resize(size, Image.Resampling.BOX)
        kept = ImageChops.lighter(soft, whole.point(lambda value: 255 * (value > 0)))
        loaded = replace(loaded, kept=kept)
    if loaded.alpha is None:
        return replace(loaded, image=loaded.image.resize(size, Image.Resampling.LANCZOS))
    image = loaded.image.resize(size, Image.Resampling.BOX)
    alpha = loaded.alpha.resize(size, Image.Resampling.BOX)
    unblended = loaded.unblended.resize(size, Image.Resampling.BOX) if loaded.unblended is not None else None
    return replace(loaded, image=image, alpha=alpha, unblended=unblended)
