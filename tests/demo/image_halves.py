"""Split the images that the blind test sends."""

import io

from PIL import Image


def image_halves(png: bytes) -> tuple[Image.Image, Image.Image]:
    """Return the left and the right half of a PNG."""
    with Image.open(io.BytesIO(png)) as joined:
        middle = joined.width // 2
        return joined.crop((0, 0, middle, joined.height)), joined.crop((middle, 0, joined.width, joined.height))
