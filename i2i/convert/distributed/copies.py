"""Reading of files that are downloaded in advance."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from i2i.convert.interfaces import ImageReader, Size, WrappingReader
from i2i.images import LoadedImage
from i2i.images.value_range import ValueRanges


class DownloadingReader(WrappingReader):
    """Reads files that may still be on their way from an address.

    Attributes:
        paths: of the files.
        downloads: of those at addresses.
    """

    def __init__(self, reader: ImageReader, paths: Sequence[Path]) -> None:
        super().__init__(reader)
        self.paths = paths
        self.downloads: dict[Path, Future[None]] = {}

    def fetch(self, index: int) -> Path:
        """Wait for a file. Returns its path. Raises I2IError if it could not be downloaded."""
        self._wait(self.paths[index])
        return self.paths[index]

    def _wait(self, path: Path) -> None:
        if path in self.downloads:
            self.downloads[path].result()

    def probe(self, path: Path) -> tuple[Size, int]:
        self._wait(path)
        return self.reader.probe(path)

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        self._wait(path)
        return self.reader.read(path, frame, blend=blend, ranges=ranges)

    def read_channels(self, path: Path, *args: Any, **options: Any) -> Any:
        """Return what the reader returns: images of other channels."""
        self._wait(path)
        return self.reader.read_channels(path, *args, **options)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Nothing: the reader outlives the chunk."""
