"""FID and KID between two sets of any number of images, in folders or at addresses, on one machine or on Ray."""

import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from i2i.convert.distributed.catalogue import ARRAY, IMAGE, OTHER, Catalogue, SourceFile
from i2i.convert.distributed.listing import Listed, list_sources
from i2i.convert.distributed.workers import LostWorkerError, Workers, open_workers
from i2i.errors import I2IError, ImageError, UsageError
from i2i.images import read
from i2i.metrics.distribution import Features, kid, kid_subsets
from i2i.metrics.inception import Inception
from i2i.metrics.moments import FeatureMoments, fid_from_moments
from i2i.storage import Storage

CHUNK_FILES = 64
SAMPLE = 10_000  # images of each set whose features are kept for KID
MAX_ATTEMPTS = 3
_NO_DESTINATION = "none://"


@dataclass(frozen=True)
class FileChunk:
    """Files whose features a worker computes together; ``attempts`` counts the workers that were lost with them."""

    files: tuple[SourceFile, ...]
    attempts: int = 0


@dataclass
class SetFeatures:
    """The features of a set of images.

    Attributes:
        moments: mean and covariance of all.
        sample: (n, D), the features of up to SAMPLE images that are drawn at random.
        failed: files that cannot be read, with the reason.
    """

    moments: FeatureMoments = field(default_factory=FeatureMoments)
    sample: Features = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    failed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Distance:
    """The distance of two sets of images.

    Attributes:
        fid: of all images.
        kid: of up to SAMPLE images of each set.
        kid_std: standard deviation of random subsets of at most 1,000 of them.
        counts: images of each set.
        failed: files of both sets that cannot be read, with the reason.
    """

    fid: float
    kid: float
    kid_std: float
    counts: tuple[int, int]
    failed: list[tuple[str, str]]


class FeatureWorker:
    """Computes the features of files.

    Args:
        device: "auto", or the name of a torch device.
    """

    def __init__(self, device: str) -> None:
        self._network = Inception(device)
        self._storages: dict[str, Storage] = {}

    def close(self) -> None:
        """Do nothing."""

    def describe(self) -> str:
        """Return the hash of the network's weights."""
        return self._network.hash

    def features(self, chunk: FileChunk) -> tuple[list[int], Features, list[tuple[int, str]]]:
        """Return the indices of the files that can be read, their features, and the others with the reason."""
        with tempfile.TemporaryDirectory(prefix="i2i-") as folder, ThreadPoolExecutor(16, "i2i-read") as pool:
            images = list(pool.map(partial(self._read, folder=Path(folder)), enumerate(chunk.files)))
        good = [(i, image) for i, image in enumerate(images) if not isinstance(image, str)]
        failed = [(i, image) for i, image in enumerate(images) if isinstance(image, str)]
        features = self._network.features([image for _, image in good])
        return [i for i, _ in good], features, failed

    def _read(self, numbered: tuple[int, SourceFile], folder: Path) -> Image.Image | str:
        """Return an image, or the reason why it cannot be read."""
        index, file = numbered
        path = folder / f"{index}{Path(file.relative).suffix}" if file.is_stored else Path(file.address)
        try:
            if file.is_stored:
                protocol = file.address.partition("://")[0]
                if protocol not in self._storages:
                    self._storages[protocol] = Storage(file.address)
                self._storages[protocol].download(file.address, path)
            return read(path, profiles=False)
        except (I2IError, ImageError) as error:
            return str(error).replace(str(path), file.address)


def image_set_distance(
    first: str,
    second: str,
    *,
    ray: str | None = None,
    workers: int = 0,
    device: str = "auto",
    progress: Callable[[str, int, int], None] = lambda source, done, total: None,
) -> Distance:
    """Return FID and KID of two sets of images. Memory does not grow with the images.

    Args:
        first: path or address of a folder of images.
        second: path or address of another one.
        ray: address of a cluster of Ray, "auto", or "local"; None for this process alone.
        workers: on Ray; 0 for one for each GPU or CPU.
        device: "auto", or the name of a torch device.
        progress: called with a source, and the number of its images done and in total.

    Raises: UsageError if a source is missing or has fewer than two images.
    """
    make = partial(FeatureWorker, device)
    with open_workers(make, ray, workers, uses_gpu=not device.startswith("cpu")) as pool:
        pool.describe()
        a, b = (_set_features(source, pool, progress) for source in (first, second))
    value = fid_from_moments(a.moments, b.moments)
    subsets = kid_subsets(a.sample, b.sample)
    counts = a.moments.count, b.moments.count
    return Distance(value, kid(a.sample, b.sample), float(subsets.std()), counts, sorted(a.failed + b.failed))


def _set_features(source: str, pool: Workers, progress: Callable[[str, int, int], None]) -> SetFeatures:
    result, rows = SetFeatures(), _Sample(SAMPLE)
    with Catalogue() as catalogue:
        listed = Listed(lambda path, reason: None)
        list_sources([source], _NO_DESTINATION, (), catalogue, listed)
        result.failed += [(str(path), reason) for path, reason in listed.failed]
        total = sum(catalogue.count_files(0, kind) for kind in (IMAGE, ARRAY, OTHER))
        files = (file for kind in (IMAGE, ARRAY, OTHER) for file in catalogue.files(0, kind))
        done = 0
        for chunk, found in pool.map("features", _chunks(files), _split):
            done += len(chunk.files)
            progress(source, done, total)
            if isinstance(found, LostWorkerError):
                result.failed += [(file.address, str(found)) for file in chunk.files]
                continue
            good, features, failed = found
            result.moments.add(features)
            rows.add([chunk.files[index].relative for index in good], features)
            result.failed += [(chunk.files[index].address, reason) for index, reason in failed]
    if result.moments.count < 2:
        raise UsageError(f"{source} has {result.moments.count} readable images; FID and KID need at least 2.")
    result.sample = rows.features()
    return result


def _chunks(files: Iterator[SourceFile]) -> Iterator[FileChunk]:
    while chunk := tuple(islice(files, CHUNK_FILES)):
        yield FileChunk(chunk)


def _split(chunk: FileChunk) -> list[FileChunk]:
    """Return what takes the place of a chunk whose worker was lost: the same, then each file, then nothing."""
    attempts = chunk.attempts + 1
    if attempts == 1:
        return [FileChunk(chunk.files, attempts)]
    return [FileChunk((file,), attempts) for file in chunk.files] if attempts < MAX_ATTEMPTS else []


class _Sample:
    """Features of images that are drawn at random: those whose names have the smallest hashes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: list[tuple[int, str, np.ndarray]] = []

    def add(self, names: Sequence[str], features: Features) -> None:
        """Add the features of images."""
        self._rows += [(zlib.crc32(name.encode("utf-8", "surrogatepass")), name, row)
                       for name, row in zip(names, features, strict=True)]  # fmt: skip
        if len(self._rows) > 2 * self._size:
            self._cut()

    def _cut(self) -> None:
        self._rows = sorted(self._rows, key=lambda row: row[:2])[: self._size]

    def features(self) -> Features:
        """Return the features (n, D), in an order that depends on the names alone."""
        self._cut()
        return np.stack([row for *_, row in self._rows])
