"""Wrappers through which one job uses the translator and the decoder processes of all jobs."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from i2i.demo.fair_lock import FairLock
from i2i.demo.uploads import UploadStore
from i2i.images import LoadedImage, Provenance
from i2i.images.channels import ChannelHeader, ChannelImage
from i2i.images.pixel_format import PixelFormat
from i2i.images.quality import PhotoQuality
from i2i.images.value_range import SampleSummary, ValueRanges

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

Size = tuple[int, int]  # (width, height) in pixels


class LockedTranslator:
    """A translator that acquires a lock for each forward pass and finishes the pass before it releases the lock."""

    def __init__(self, translator: "Translator", lock: FairLock) -> None:
        self._translator = translator
        self._lock = lock
        self.provenance: Provenance | None = translator.provenance
        self.scale = translator.scale
        self.value_ranges = translator.value_ranges
        self.mask_reader = translator.mask_reader
        self.takes_channels = translator.takes_channels
        self.is_identity = getattr(translator, "is_identity", False)  # this and the formats: of a ``ChannelTranslator``
        self.input_format: PixelFormat | None = getattr(translator, "input_format", None)
        self.output_format: PixelFormat | None = getattr(translator, "output_format", None)

    def padded_size(self, size: Size) -> Size:
        return self._translator.padded_size(size)

    def preferred_batch_size(self, size: Size) -> int:
        return self._translator.preferred_batch_size(size)

    def submit(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
        """Translate the images and return functions that return the results at once."""
        with self._lock.hold():
            outputs = [pending() for pending in self._translator.submit(images)]
        return [partial(_identity, output) for output in outputs]


def _identity(image: Image.Image) -> Image.Image:
    return image


class SharedReader:
    """The decoder processes of an ``UploadStore``. A job that closes this reader leaves them running."""

    def __init__(self, store: UploadStore) -> None:
        self._decoders = store.decoders
        self.max_pixels = store.limits.max_pixels

    def probe(self, path: Path) -> tuple[Size, int]:
        """Return the size and the number of frames of an image file."""
        return self._decoders.probe(path)

    def measure(self, path: Path) -> SampleSummary | None:
        """Return what the samples of an image file hold, if their type does not fix the range."""
        return self._decoders.measure(path)

    def assess(
        self, path: Path, frame: int = 0, *, ranges: ValueRanges | None = None, max_side: int | None = None
    ) -> PhotoQuality:
        """Return the quality of a frame of an image file."""
        return self._decoders.assess(path, frame, ranges=ranges, max_side=max_side)

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        """Decode a frame of an image file."""
        return self._decoders.read(path, frame, blend=blend, ranges=ranges)

    def read_channels(self, path: Path, channels: int | None = None) -> ChannelImage:
        """Decode the samples of an image file."""
        return self._decoders.read_channels(path, channels)

    def read_channel_header(self, path: Path) -> ChannelHeader:
        """Return what the header of an image file states."""
        return self._decoders.read_channel_header(path)

    def close(self) -> None:
        """Do nothing: other jobs use the processes too."""
