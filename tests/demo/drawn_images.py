"""Pictures out of what the demo hands over."""

import io

from PIL import Image


def halves_of(png: bytes) -> tuple[Image.Image, Image.Image]:
    """The left and the right half of a PNG."""
    with Image.open(io.BytesIO(png)) as both:
        middle = both.width // 2
        return both.crop((0, 0, middle, both.height)), both.crop((middle, 0, both.width, both.height))
