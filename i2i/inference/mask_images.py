"""Conversion of mask images to masks: bool (H, W), true where to fill."""

from typing import Literal

import numpy as np
from PIL import Image

from i2i.errors import ImageError
from i2i.images import LoadedImage

MaskFill = Literal["white", "black", "paint"]
OPAQUE = 128  # pixels with at least this alpha count as opaque
_WHITE = 128  # pixels with at least this brightness count as white
_NEAR = 16  # levels from black, and from the brightest pixel, that count as these in a soft mask
_MIN_PEAK = 32  # a mask whose brightest pixel is darker is black
_MIN_PAINT_ALPHA = 16  # paint that is more transparent is invisible
_COLOURED = 0.375  # difference between the channels of a pixel, relative to the peak, from which it counts as coloured
_MAX_STRAY = 0.01  # fraction of coloured pixels that is ignored
_MAX_GREY = 0.5  # fraction of grey pixels, such as soft edges, in a black and white mask
_PAINT_COLOURS = 8  # at most, in a painted mask
_MAX_OTHER_COLOURS = 0.1  # fraction of the paint in other colours, such as soft edges
_MAX_COUNTED = 1_000_000  # pixels whose colours are counted
_COPY_DIFFERENCE = 4.0  # mean difference in levels up to which a layer counts as a copy of the photo


def mask_from_image(
    mask: LoadedImage, photo: Image.Image, name: str, fill: MaskFill = "white", *, soft: bool = False
) -> np.ndarray:
    """Convert a mask image to the mask of a photo.

    A mask image is black and white, or it is a layer: paint on a transparent background. Soft edges are divided in the
    middle. A copy of the photo with erased parts masks these parts.

    Args:
        mask: the mask image, not blended: of the size of the photo.
        photo: RGB, for the comparison with the mask.
        name: how messages name the mask image.
        fill: what the mask image marks. "white": the white pixels that are not transparent; other colours are refused.
            "black": the opposite. "paint": the opaque pixels of a layer, or all pixels of an opaque image that are not
            black.
        soft: whether an opaque mask may be grey everywhere.

    Returns: bool (H, W), true where to fill; it may be all false or all true.

    Raises: ImageError if the image has another size than the photo, or if it does not fit ``fill``.

    >>> from PIL import Image
    >>> stroke = LoadedImage(Image.new("RGB", (2, 1), "white"), Image.frombytes("L", (2, 1), bytes([255, 0])))
    >>> mask_from_image(stroke, Image.new("RGB", (2, 1)), "stroke.png").tolist()
    [[True, False]]
    """
    if mask.image.size != photo.size:
        actual, expected = (f"{width}x{height}" for width, height in (mask.image.size, photo.size))
        raise ImageError(f"{name} is {actual}; a mask must have the size of its photo, {expected}.")
    colours = np.asarray(mask.image.convert("RGB"))
    alpha = None if mask.alpha is None else np.asarray(mask.alpha)
    if alpha is None or alpha.min() >= OPAQUE:
        region = _bright_region(colours, name, fill, soft)
    else:
        region = _painted_region(colours, alpha, np.asarray(photo), name, fill)
    return ~region if fill == "black" else region


def soft_mask_from_image(mask: LoadedImage, photo: Image.Image, name: str, fill: MaskFill = "white") -> np.ndarray:
    """Convert a mask image to how much of each pixel is masked: uint8 (H, W), 255 for all of it.

    The grey of an opaque black and white mask is in between. Grey near black and white, as JPEG makes it, counts as
    these. Other masks have hard edges. Arguments and errors are those of ``mask_from_image``.
    """
    region = mask_from_image(mask, photo, name, fill, soft=True)
    brightness = np.asarray(mask.image.convert("RGB")).max(2)
    is_layer = mask.alpha is not None and np.asarray(mask.alpha).min() < OPAQUE
    if is_layer or fill == "paint" or int(brightness.max()) < _WHITE:
        return region.astype(np.uint8) * np.uint8(255)
    share = (brightness.astype(np.float32) - _NEAR) / (int(brightness.max()) - 2 * _NEAR)
    levels = (255 * share).round().clip(0, 255).astype(np.uint8)
    return 255 - levels if fill == "black" else levels


def _bright_region(colours: np.ndarray, name: str, fill: MaskFill, soft: bool = False) -> np.ndarray:
    """Return where an opaque mask (H, W, 3) is white, or not black for the fill "paint"."""
    brightness = colours.max(2)
    peak = int(brightness.max())
    if peak == 1:  # a mask of the numbers 0 and 1
        return np.asarray(brightness == 1)
    if peak < _MIN_PEAK:
        return np.zeros(brightness.shape, bool)
    is_soft = soft and np.ptp(colours, 2).max() < _MIN_PEAK  # a gradient has many greys
    if not is_soft and _has_many_colours(colours.reshape(-1, 3)):
        raise ImageError(
            f"{name} looks like a photo. A mask is white where to fill and black elsewhere. If it is a copy of the"
            " photo with strokes, export the layer of the strokes alone; --mask-fill paint takes strokes of any colour."
        )
    if fill != "paint":
        _check_not_coloured(colours, peak, name)
    grey = (brightness >= peak / 4) & (brightness < peak * 3 / 4)
    if grey.mean() > _MAX_GREY and not soft:
        raise ImageError(
            f"{name} is not black and white: {grey.mean():.0%} of its pixels are in between. A mask is white where to"
            " fill and black elsewhere."
        )
    return np.asarray(brightness >= min(_WHITE, (peak + 1) // 2))


def _painted_region(colours: np.ndarray, alpha: np.ndarray, photo: np.ndarray, name: str, fill: MaskFill) -> np.ndarray:
    """Return where a layer has white paint, or any paint for the fill "paint".

    Args:
        colours: uint8 (H, W, 3), not blended.
        alpha: uint8 (H, W).
        photo: uint8 (H, W, 3).
        name: how messages name the layer.
        fill: see ``mask_from_image``.
    """
    peak_alpha = int(alpha.max())
    if peak_alpha < _MIN_PAINT_ALPHA:
        return np.zeros(alpha.shape, bool)
    painted = alpha >= (peak_alpha + 1) // 2
    if _is_copy(colours[painted].astype(np.int16), photo[painted]):
        return ~painted
    if _has_many_colours(colours[alpha >= 0.95 * peak_alpha]):
        raise ImageError(
            f"{name} looks like a photo with transparent parts. A mask is white where to fill and black elsewhere, or"
            " white paint on a transparent layer."
        )
    if fill == "paint":
        return painted
    brightness = colours.max(2)
    peak = int(brightness[painted].max())
    if peak < _MIN_PEAK:
        raise ImageError(
            f"{name} is black on a transparent layer: black means keep, and so does transparent. Paint in white where"
            " to fill; or use --mask-fill paint to fill where there is paint of any colour."
        )
    _check_not_coloured(colours[painted], peak, name)
    return np.asarray(painted & (brightness >= min(_WHITE, (peak + 1) // 2)))


def _check_not_coloured(colours: np.ndarray, peak: int, name: str) -> None:
    """Raise ImageError if many pixels (…, 3) are neither black nor grey nor white; ``peak`` is the largest value."""
    fraction = float((colours.max(-1) - colours.min(-1) >= _COLOURED * peak).mean())
    if fraction > _MAX_STRAY:
        raise ImageError(
            f"{name} has coloured paint. A mask is black and white: white where to fill, and black or transparent"
            " elsewhere. Use --mask-fill paint to fill where there is paint of any colour."
        )


def _is_copy(paint: np.ndarray, photo: np.ndarray) -> bool:
    """Return whether the opaque pixels of a layer, (N, 3), are those of the photo, and not one colour."""
    return bool(np.ptp(paint, 0).max() > _MIN_PEAK and np.abs(paint - photo).mean() <= _COPY_DIFFERENCE)


def _has_many_colours(pixels: np.ndarray) -> bool:
    """Return whether the _PAINT_COLOURS most frequent colours, of 8 levels a channel, miss much of uint8 (N, 3)."""
    levels = (pixels[:: -(-len(pixels) // _MAX_COUNTED)] >> 5).astype(np.int64)
    counts = np.sort(np.bincount(levels @ (64, 8, 1), minlength=512))
    return bool(counts[:-_PAINT_COLOURS].sum() > _MAX_OTHER_COLOURS * len(levels))
