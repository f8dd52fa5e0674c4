"""Training pictures decoded and resized once, in one file that every process maps into its memory.

A pack is a folder NAME-SIDE-KEY: in ``pictures.u8`` one picture after another, uint8 (height, width, 3), and in
``index.json`` where each begins. KEY changes with the path, size or time of any training file and with how pictures
are resized, so that a pack is never out of date, only no longer asked for. It is made beside its place and renamed:
it is whole or not there.
"""

import hashlib
import json
import math
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from i2i.data.layout import Item, Layout
from i2i.data.resize import Fit, fit, fitted, opened
from i2i.errors import CacheError
from i2i.images import header, write_atomic

FORMAT = 2  # raised when other pixels, or another file, come of the same dataset
MARGIN = 1.1  # of free disk over the pack's size
TELL_EVERY = 10.0  # seconds
_PIXELS, _INDEX = "pictures.u8", "index.json"
_TEMPORARY = (".unfinished", ".discarded")


def home() -> Path:
    """Where packs are kept: ``$I2I_CACHE``, else ``datasets/.packed``."""
    return Path(os.environ.get("I2I_CACHE") or Path("datasets") / ".packed").expanduser()


class Packed:
    """The pictures of a pack. A copy in another process opens the file by itself, at its first picture."""

    def __init__(self, path: Path, starts: tuple[int, ...], each: int, index: np.ndarray) -> None:
        """starts: the first item of each domain. each: pictures an item. index: rows (offset, height, width)."""
        self.path, self.starts, self.each, self.index = path, starts, each, index
        self._bytes: np.ndarray | None = None

    def pictures(self, domain: int, item: int) -> list[np.ndarray]:
        """One picture, or the two of a pair, A first: read-only uint8 (height, width, 3), not copied."""
        if self._bytes is None:
            try:
                self._bytes = np.asarray(np.memmap(self.path / _PIXELS, np.uint8, "r"))  # a subclass is slow to slice
            except (OSError, ValueError) as error:
                raise CacheError(f"{self.path} is gone or damaged: {error}. The next start packs anew.") from error
        first = (self.starts[domain] + item) * self.each
        rows = self.index[first : first + self.each].tolist()
        return [self._bytes[at : at + 3 * high * wide].reshape(high, wide, 3) for at, high, wide in rows]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bytes": None}


def pack(found: Layout, side: int, how: Fit, tell: Callable[[str], None], *, limit: float = math.inf) -> Packed:
    """The pack of a dataset's training pictures, resized to ``side`` pixels; made now if there is none yet.

    Raises CacheError where it would take more than ``limit`` bytes, or its folder lacks the room or cannot be
    written; PictureError where a picture cannot be decoded.
    """
    wanted = _Wanted(found, side, how)
    place = home().resolve()
    if there := wanted.open(place):
        return there
    if (size := wanted.size()) > limit:
        raise CacheError(f"A pack of them would take {_spoken(size)}, more than the {_spoken(limit)} that are allowed.")
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _alone(place, wanted.title, tell):
            return wanted.open(place) or _make(wanted, place, size, tell)  # another process may have made it meanwhile
    except OSError as error:
        raise CacheError(f"{place} cannot be written: {error.strerror or error}.") from error


@dataclass(frozen=True)
class _Wanted:
    """Which pictures a pack is to hold, and how large."""

    found: Layout
    side: int
    how: Fit

    @cached_property
    def items(self) -> list[Item]:
        return [item for domain in self.found.splits["train"] for item in domain]

    @property
    def each(self) -> int:
        return 2 if self.found.kind == "paired" else 1

    @cached_property
    def source(self) -> str:
        return str(self.found.root.resolve())

    @cached_property
    def title(self) -> str:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(self.source).name).strip("-._")[:80]
        return f"{name or 'data'}-{self.side}"

    @cached_property
    def name(self) -> str:
        digest = hashlib.sha256(f"{FORMAT} {self.found.kind} {self.side} {self.how}\n".encode())
        for domain in self.found.splits["train"]:
            digest.update(f"{len(domain)}\n".encode())
            for path in (path for item in domain for path in item):
                about = path.stat()
                place = path.relative_to(self.found.root).as_posix()
                digest.update(f"{place}\0{about.st_size}\0{about.st_mtime_ns}\n".encode(errors="replace"))
        return f"{self.title}-{digest.hexdigest()[:16]}"

    def size(self) -> int:
        """Bytes of the pictures. For pairs in one file that EXIF turns, and that cover, nearly."""
        if self.how == "stretch":
            return len(self.items) * self.each * 3 * self.side**2
        shapes = ((header(path)[0], len(item)) for item in self.items for path in item)
        return sum(self._bytes_of(size, self.each // files) for size, files in shapes)

    def _bytes_of(self, size: tuple[int, int], parts: int) -> int:
        width, height = size
        return parts * 3 * math.prod(fitted((max(1, width // parts), height), self.side, self.how))

    def about(self) -> dict[str, Any]:
        """What tells the packs of one dataset from those of others."""
        return {"format": FORMAT, "source": self.source, "side": self.side, "fit": self.how}

    def outdates(self, folder: Path) -> bool:
        """Whether a pack holds the same dataset, resized alike, in an earlier state."""
        try:
            there = _about(folder)
        except (OSError, ValueError, TypeError):
            return False
        return {key: there.get(key) for key in self.about()} == self.about()

    def pixels(self, item: Item) -> list[Image.Image]:
        return [fit(image, self.side, self.how) for image in opened(item, self.found.kind)]

    def open(self, place: Path) -> Packed | None:
        """The pack, or None where there is none that is whole."""
        folder = place / self.name
        try:
            index = np.array(_about(folder)["pictures"], dtype=np.int64)
            length = (folder / _PIXELS).stat().st_size
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        if index.shape != (len(self.items) * self.each, 3) or (index[:, 1:] < 1).any():
            return None
        ends = np.cumsum(3 * index[:, 1] * index[:, 2])
        if (index[0, 0], ends[-1]) != (0, length) or (index[1:, 0] != ends[:-1]).any():
            return None
        lengths = [len(domain) for domain in self.found.splits["train"]]
        return Packed(folder, tuple(sum(lengths[:domain]) for domain in range(len(lengths))), self.each, index)


@contextmanager
def _alone(place: Path, title: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Inside, no other process packs under this title. What one that died has left is cleared away."""
    lock = FileLock(place / f".{title}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(f"another process is packing {title} into {place}: waiting for it")
        lock.acquire()
    try:
        _clear(place, title)
        yield
    finally:
        lock.release()


def _clear(place: Path, title: str) -> None:
    """Remove unfinished and discarded packs, unless another process is at work on them."""
    for folder in place.glob(".*"):
        if folder.suffix not in _TEMPORARY:
            continue
        if folder.stem == f".{title}":
            shutil.rmtree(folder)
            continue
        with suppress(Timeout), FileLock(folder.with_suffix(".lock"), timeout=0):
            shutil.rmtree(folder, ignore_errors=True)


def _make(wanted: _Wanted, place: Path, size: int, tell: Callable[[str], None]) -> Packed:
    if (free := shutil.disk_usage(place).free) < MARGIN * size:
        raise CacheError(f"A pack of them would take {_spoken(size)}, and {place} has {_spoken(free)} free.")
    unfinished, finished = place / f".{wanted.title}.unfinished", place / wanted.name
    tell(f"packing {len(wanted.items)} training pictures of {wanted.found.root} into {place}: {_spoken(size)}")
    unfinished.mkdir()
    try:
        _write(wanted, unfinished, tell)
        if finished.exists():  # damaged, or it would have been opened
            _discard(finished, wanted.title)
        unfinished.rename(finished)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for other in place.glob(f"{wanted.title}-*"):
        if other != finished and wanted.outdates(other):
            with suppress(OSError):  # on Windows another process may hold it open
                _discard(other, wanted.title)
    made = wanted.open(place)
    if made is None:
        raise CacheError(f"{finished} is not what was written there: the disk may be failing.")
    return made


def _discard(folder: Path, title: str) -> None:
    """Remove a pack, of which nothing is left under its name even if this is cut short."""
    discarded = folder.with_name(f".{title}.discarded")
    folder.rename(discarded)
    shutil.rmtree(discarded)


def _write(wanted: _Wanted, folder: Path, tell: Callable[[str], None]) -> None:
    """The two files of a pack, flushed to disk."""
    rows, at, told = list[tuple[int, int, int]](), 0, time.monotonic()
    with (folder / _PIXELS).open("wb") as file, closing(_in_order(wanted.pixels, wanted.items)) as decoded:
        for done, images in enumerate(decoded, 1):
            for image in images:
                rows.append((at, image.height, image.width))
                at += file.write(image.tobytes())
            if time.monotonic() - told >= TELL_EVERY:
                tell(f"  {done} of {len(wanted.items)}")
                told = time.monotonic()
        file.flush()
        os.fsync(file.fileno())
    write_atomic(folder / _INDEX, json.dumps({**wanted.about(), "pictures": rows}).encode())


def _in_order(decode: Callable[[Item], list[Image.Image]], items: list[Item]) -> Generator[list[Image.Image]]:
    """``decode`` of each item, some ahead in threads: Pillow lets others run while it decodes and resizes."""
    threads = min(16, os.cpu_count() or 1)
    ahead: deque[Future[list[Image.Image]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            ahead.append(pool.submit(decode, item))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _about(folder: Path) -> dict[str, Any]:
    """A pack's index. Raises OSError, ValueError or TypeError where there is none to be read."""
    return dict(json.loads((folder / _INDEX).read_bytes()))


def _spoken(size: float) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
