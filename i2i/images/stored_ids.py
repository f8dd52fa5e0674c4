"""The integers that a file stores: indices of a palette, or class ids in levels of grey, without any conversion."""

from typing import Any

import numpy as np
from PIL import Image

from i2i.errors import ImageError
from i2i.images.label_classes import Palette

_LEVELS = {"L;2": 85, "L;4": 17}  # raw modes of grey in 2 and 4 bits, which Pillow scales up → by what
_ADVICE = "A label map is an image with a palette, or class ids in a grey PNG, a TIFF or a .npy"


def stored_ids(image: Image.Image) -> np.ndarray:
    """Return the stored integers of an opened picture, (H, W, 1).

    Raises: ImageError if it has colours, alpha beside grey, or lossy compression.
    """
    if image.format in ("JPEG", "MPO", "JPEG2000"):
        raise ImageError(f"is compressed with losses ({image.format}), which changes class ids. {_ADVICE}")
    if image.mode not in ("1", "L", "P", "PA") and not image.mode.startswith("I"):
        raise ImageError(f"is a picture of mode {image.mode}, with colours or levels. {_ADVICE}")
    scale = _scale_of(image)
    image.load()
    values = np.asarray(image.getchannel(0) if image.mode == "PA" else image)
    values = values.astype(np.uint8) if values.dtype == bool else values
    return (values // scale)[..., None]


def check_is_class_ids(values: np.ndarray, alpha: np.ndarray | None) -> None:
    """Raise ImageError unless stored samples (H, W, C) can be class ids: one channel of integers, without alpha."""
    if values.shape[2] != 1 or alpha is not None:
        with_alpha = " and alpha" if alpha is not None else ""
        plural = "channels" if values.shape[2] > 1 else "channel"
        raise ImageError(f"has {values.shape[2]} {plural}{with_alpha}. {_ADVICE}")
    if values.dtype.kind == "f":
        raise ImageError(f"has samples of {values.dtype}; class ids are integers. {_ADVICE}")


def palette_of(image: Image.Image) -> Palette:
    """Return the colours of an opened image with a palette."""
    palette: Any = image.palette
    if palette is not None and palette.rawmode == "RGB":  # as in PNG and GIF: nothing has to be decoded
        levels = list(bytes(palette.palette))
    else:
        levels = image.getpalette() or []
    return tuple((red, green, blue) for red, green, blue in zip(levels[::3], levels[1::3], levels[2::3], strict=False))


def _scale_of(image: Image.Image) -> int:
    """Return by what Pillow multiplies the samples of an image that is not decoded yet."""
    tiles: Any = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    return _LEVELS.get(arguments if isinstance(arguments, str) else next(iter(arguments or ()), ""), 1)
