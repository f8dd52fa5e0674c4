"""From a dataset's files to the pictures of a sample before its random crop: upright, split, resized."""

from typing import Literal

from PIL import Image

from i2i.data.layout import Item, Kind
from i2i.images import read

Fit = Literal["stretch", "cover", "native"]


def opened(item: Item, kind: Kind, *, profiles: bool = True) -> list[Image.Image]:
    """One picture, or the two of a pair, A first. Raises PictureError naming the file that cannot be read.

    profiles: as of ``read``.
    """
    found = [read(path, profiles=profiles) for path in item]
    return halves(found[0]) if kind == "paired" and len(found) == 1 else found


def halves(joined: Image.Image) -> list[Image.Image]:
    """The left and the right half of a side-by-side pair."""
    middle, height = joined.width // 2, joined.height
    return [joined.crop((0, 0, middle, height)), joined.crop((middle, 0, 2 * middle, height))]


def fit(image: Image.Image, side: int, how: Fit) -> Image.Image:
    """Resized, bicubic, to ``side``² ("stretch") or to a shorter side of ``side`` pixels ("cover").

    "native": left as it is, unless its shorter side has fewer pixels.
    By PIL, as in the papers' own code: its bicubic is antialiased, and others differ from it by many grey levels.
    """
    size = fitted(image.size, side, how)
    return image if size == image.size and how == "native" else image.resize(size, Image.Resampling.BICUBIC)


def fitted(size: tuple[int, int], side: int, how: Fit) -> tuple[int, int]:
    """Width and height that ``fit`` gives to a picture of this width and height."""
    if how == "stretch":
        return side, side
    if how == "native" and min(size) >= side:
        return size
    scale = side / min(size)
    width, height = (max(side, round(length * scale)) for length in size)
    return width, height
