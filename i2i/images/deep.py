"""Images with 16 bits a channel. Pillow has none in colour."""

from typing import Any

import numpy as np
from PIL import Image

PEAK = 65535  # the level of white
STEP = 257  # levels of 16 bits in a level of 8 bits
_BLOCK = 4_000_000  # values converted at a time, to bound the memory


class DeepImage(Image.Image):
    """RGB or RGBA with 16 bits a channel. ``numpy.asarray`` returns its levels.

    Methods that are not defined here work on the image rounded to 8 bits.

    Args:
        levels: uint16 (H, W, 3 or 4).

    >>> image = DeepImage(np.full((2, 3, 3), 1000, np.uint16))
    >>> image.size, np.asarray(image)[0, 0].tolist(), image.to_8bit().getpixel((0, 0))
    ((3, 2), [1000, 1000, 1000], (4, 4, 4))
    """

    def __init__(self, levels: np.ndarray) -> None:
        super().__init__()
        self.levels = levels
        self._size = levels.shape[1], levels.shape[0]
        self._mode = "RGB" if levels.shape[2] == 3 else "RGBA"

    @classmethod
    def from_8bit(cls, image: Image.Image) -> "DeepImage":
        """Return an image of 8 bits, RGB or RGBA, with 16 bits."""
        return cls(np.asarray(image).astype(np.uint16) * np.uint16(STEP))

    def to_8bit(self) -> Image.Image:
        """Return the image rounded to 8 bits."""
        levels = np.empty(self.levels.shape, np.uint8)
        block_rows = max(1, _BLOCK // (4 * self.width))
        for top in range(0, self.height, block_rows):
            block = self.levels[top : top + block_rows].astype(np.uint32)
            levels[top : top + block_rows] = (block + STEP // 2) // STEP
        return Image.fromarray(levels)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.levels.__array_interface__

    def load(self) -> Any:
        if self._im is None:
            self.im = self.to_8bit().im
        return super().load()

    def copy(self) -> "DeepImage":
        return DeepImage(self.levels.copy())

    def convert(self, mode: Any = None, *args: Any, **options: Any) -> Image.Image:
        if mode == self.mode:
            return self.copy()
        return DeepImage(self.levels[..., :3]) if mode == "RGB" else self.to_8bit().convert(mode, *args, **options)

    def crop(self, box: Any = None) -> "DeepImage":
        left, top, right, bottom = box or (0, 0, *self.size)
        return DeepImage(self.levels[top:bottom, left:right])

    def tobytes(self, *args: Any) -> bytes:
        return self.levels.tobytes()

    def resize(self, size: Any, resample: int | None = None, *args: Any, **options: Any) -> "DeepImage":
        resample = Image.Resampling.BICUBIC if resample is None else resample
        channels = [
            np.asarray(Image.fromarray(channel.astype(np.float32)).resize(size, resample))
            for channel in np.moveaxis(self.levels, 2, 0)
        ]
        return DeepImage(np.stack(channels, 2).round().clip(0, PEAK).astype(np.uint16))


def image_from_levels(levels: np.ndarray) -> Image.Image:
    """Return uint8 as an image of Pillow, and uint16 (H, W, 3 or 4) as a ``DeepImage``."""
    return DeepImage(levels) if levels.dtype == np.uint16 else Image.fromarray(levels)


def as_deep_as(other: Image.Image, image: Image.Image) -> Image.Image:
    """Return ``image``, RGB or RGBA, with as many bits as another one."""
    if isinstance(other, DeepImage):
        return image if isinstance(image, DeepImage) else DeepImage.from_8bit(image)
    return image.to_8bit() if isinstance(image, DeepImage) else image
