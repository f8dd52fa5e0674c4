"""The images of an image cache, as views of a file that every process maps into memory."""

from pathlib import Path
from typing import Any

import numpy as np

from i2i.errors import CacheError
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats, PixelFormat

PIXELS = "pictures.u8"  # the file with the pixels


class ImageCache:
    """The images of a cache. Each process opens the file when it reads its first image."""

    def __init__(
        self,
        path: Path,
        domain_offsets: tuple[int, ...],
        images_per_item: int,
        index: np.ndarray,
        formats: DomainFormats = RGB_FORMATS,
    ) -> None:
        """Describe a cache without opening it.

        Args:
            path: the folder of the cache.
            domain_offsets: number of the first item of each domain.
            images_per_item: 2 for pairs, else 1.
            index: (images, 3): byte offset, height and width of each image; 0 pixels for one that could not be read.
            formats: of the images of A and B.
        """
        self.formats = formats
        self.path = path
        self.domain_offsets = domain_offsets
        self.images_per_item = images_per_item
        self.index = index
        self._bytes: np.ndarray | None = None

    def images(self, domain: int, item: int) -> list[np.ndarray]:
        """Return one image, or the two of a pair (A first): read-only views (height, width, C)."""
        if self._bytes is None:
            try:  # asarray: slicing the subclass np.memmap is slow
                self._bytes = np.asarray(np.memmap(self.path / PIXELS, np.uint8, "r"))
            except (OSError, ValueError) as error:
                raise CacheError(
                    f"The image cache {self.path} is missing or damaged: {error}. The next start builds it again."
                ) from error
        return [
            _view(self._bytes, format, *row)
            for format, row in zip(self.formats[domain:], self._rows(domain, item).tolist(), strict=False)
        ]

    def has(self, domain: int, item: int) -> bool:
        """Return whether the cache holds an item: its file could be read when the cache was built."""
        return bool(self._rows(domain, item)[:, 1:].all())

    def _rows(self, domain: int, item: int) -> np.ndarray:
        first = (self.domain_offsets[domain] + item) * self.images_per_item
        return self.index[first : first + self.images_per_item]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bytes": None}


def bytes_per_pixel(format: PixelFormat) -> int:
    """Return the bytes of a pixel in the type of a format."""
    return format.stored_channels * np.dtype(format.dtype).itemsize


def _view(data: np.ndarray, format: PixelFormat, offset: int, height: int, width: int) -> np.ndarray:
    """Return the image (height, width, C) at an offset of the bytes."""
    length = bytes_per_pixel(format) * height * width
    return data[offset : offset + length].view(format.dtype).reshape(height, width, format.stored_channels)
