"""Interfaces of a conversion's reader and translator, and adapters for other readers and translators."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from i2i.images import LoadedImage, Provenance
from i2i.images.deep import DeepImage
from i2i.images.downscale import downscale
from i2i.images.quality import PhotoQuality
from i2i.images.value_range import SampleSummary, ValueRanges
from i2i.inference.mask_files import ProtectedRegions
from i2i.inference.masks import MaskedPhoto, MaskReader

Size = tuple[int, int]  # width and height


class ImageReader(Protocol):
    """Reads image files in any thread. ``DecoderPool`` is one. Raises ImageError for a file that cannot be read."""

    @property
    def max_pixels(self) -> int:
        """Pixels of the largest image that is read."""

    def probe(self, path: Path) -> tuple[Size, int]:
        """Return stored width and height, and the number of frames, without decoding."""

    def measure(self, path: Path) -> SampleSummary | None:
        """Return what the samples hold, None for a type with a fixed range (``measure_unfixed``)."""

    def assess(
        self, path: Path, frame: int = 0, *, ranges: ValueRanges | None = None, max_side: int | None = None
    ) -> PhotoQuality:
        """Return the quality of one frame as ``assess_photo`` does."""

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        """Read one frame as ``i2i.images.load_image`` does."""

    def close(self) -> None:
        """Cancel all reads: their results are not needed any more."""


class WrappingReader:
    """A reader that reads through another one. Subclasses change what ``read`` returns."""

    def __init__(self, reader: ImageReader) -> None:
        self.reader = reader

    @property
    def max_pixels(self) -> int:
        return self.reader.max_pixels

    def probe(self, path: Path) -> tuple[Size, int]:
        return self.reader.probe(path)

    def measure(self, path: Path) -> SampleSummary | None:
        return self.reader.measure(path)

    def assess(
        self, path: Path, frame: int = 0, *, ranges: ValueRanges | None = None, max_side: int | None = None
    ) -> PhotoQuality:
        return self.reader.assess(path, frame, ranges=ranges, max_side=max_side)

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        return self.reader.read(path, frame, blend=blend, ranges=ranges)

    def close(self) -> None:
        self.reader.close()


class DeepReader(WrappingReader):
    """A reader whose images have 16 bits, also if their files have 8."""

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        image = self.reader.read(path, frame, blend=blend, ranges=ranges)
        return image if image.deep is not None else replace(image, deep=DeepImage.from_8bit(image.colours))


class MaskingReader(WrappingReader):
    """A reader that adds the mask of each image as its alpha channel."""

    def __init__(self, reader: ImageReader, mask_reader: MaskReader) -> None:
        super().__init__(reader)
        self.mask_reader = mask_reader

    def read(
        self, path: Path, frame: int = 0, *, blend: bool = False, ranges: ValueRanges | None = None
    ) -> MaskedPhoto:
        image = self.reader.read(path, frame, blend=blend, ranges=ranges)
        return self.mask_reader.apply_mask(path, image, partial(self.reader.read, blend=False))


class ProtectingReader(WrappingReader):
    """A reader that adds the region of each image that stays as it is."""

    def __init__(self, reader: ImageReader, protection: ProtectedRegions) -> None:
        super().__init__(reader)
        self.protection = protection

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        image = self.reader.read(path, frame, blend=blend, ranges=ranges)
        return self.protection.add_to(path, image, partial(self.reader.read, blend=False))


class DownscalingReader(WrappingReader):
    """A reader that downscales images with a longer side than ``max_side`` pixels, with their alpha or mask."""

    def __init__(self, reader: ImageReader, max_side: int) -> None:
        super().__init__(reader)
        self.max_side = max_side

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        return self._downscale(self.reader.read(path, frame, blend=blend, ranges=ranges))

    def _downscale(self, loaded: LoadedImage) -> LoadedImage:
        if isinstance(loaded, LoadedImage) and not isinstance(loaded, MaskedPhoto):
            return downscale(loaded, self.max_side)
        return loaded.downscaled(self.max_side)


@runtime_checkable
class BatchTranslator(Protocol):
    """Translates several images at a time. ``Translator`` is one.

    Attributes:
        provenance: the model, as its results name it in their metadata.
        scale: size of a result relative to its image.
        mask_reader: reads the masks of an inpainting model, which gets RGBA images and returns RGB; None for
            other models, which get RGB, and whose results get the alpha channel of the source.
    """

    @property
    def provenance(self) -> Provenance | None: ...

    @property
    def scale(self) -> int: ...

    @property
    def mask_reader(self) -> MaskReader | None: ...

    def padded_size(self, size: Size) -> Size:
        """Return the size of the network's input. Images that share it can share a batch."""

    def preferred_batch_size(self, size: Size) -> int:
        """Return how many images of a padded size should share a batch."""

    def submit(self, images: Sequence[Image.Image]) -> Sequence[Callable[[], Image.Image]]:
        """Start to translate. Each returned function waits for a result, in any thread. Raises I2IError."""


class SingleImageAdapter:
    """A ``BatchTranslator`` that calls a function for one image at a time."""

    provenance: Provenance | None = None
    scale = 1
    mask_reader = None

    def __init__(self, translate: Callable[[Image.Image], Image.Image]) -> None:
        self.translate = translate

    def padded_size(self, size: Size) -> Size:
        return size

    def preferred_batch_size(self, size: Size) -> int:
        return 1

    def submit(self, images: Sequence[Image.Image]) -> Sequence[Callable[[], Image.Image]]:
        return [partial(lambda translated: translated, self.translate(image)) for image in images]


def prepared_reader(
    reader: ImageReader, translator: BatchTranslator, max_side: int | None, *, deep: bool = False
) -> ImageReader:
    """Return a reader of what a translator takes: with the masks of the images, and downscaled to ``max_side``.

    Args:
        reader: reads the images.
        translator: its ``mask_reader`` and, if it has one, its ``protection`` read the masks.
        max_side: images with a longer side are downscaled to this many pixels; None to keep their size.
        deep: whether all images have 16 bits.
    """
    if deep:
        reader = DeepReader(reader)
    protection: ProtectedRegions | None = getattr(translator, "protection", None)
    if protection is not None:
        reader = ProtectingReader(reader, protection)
    if translator.mask_reader is not None:
        reader = MaskingReader(reader, translator.mask_reader)
    return reader if max_side is None else DownscalingReader(reader, max_side)
