"""Images embedded in a page as data URLs."""

import base64
from dataclasses import dataclass

from PIL import Image

from i2i.images import encode

MAX_SIDE = 384  # pixels; larger images are reduced
LOSSLESS_SIDE = 160  # pixels; images up to this size are stored as PNG, larger ones as WebP


@dataclass(frozen=True)
class EmbeddedImage:
    """An image for an <img> element.

    Args:
        url: a data URL.
        width: of the original in pixels.
        height: of the original in pixels.
        pixelated: whether a browser should enlarge it without smoothing.
    """

    url: str
    width: int
    height: int
    pixelated: bool


def embed_image(image: Image.Image) -> EmbeddedImage:
    """Encode an image as a data URL, reduced to MAX_SIDE."""
    width, height = image.size
    is_small = max(image.size) <= LOSSLESS_SIDE
    rgb = image.convert("RGB")
    if max(image.size) > MAX_SIDE:
        rgb.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    file_type = "png" if is_small else "webp"
    data = base64.b64encode(encode(rgb, f".{file_type}")).decode()
    return EmbeddedImage(f"data:image/{file_type};base64,{data}", width, height, is_small)
