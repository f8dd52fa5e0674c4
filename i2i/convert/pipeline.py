"""Files through a translator: read, translated and written at the same time, in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from PIL import Image

from i2i.errors import I2IError
from i2i.images import Photo, Provenance
from i2i.inference.masks import HoleReader

T = TypeVar("T")
Size = tuple[int, int]  # width and height
State = Literal["open", "converted", "failed"]
Progress = Callable[[int, int, int], None]  # is told the files done, those of them that failed, and all

IN_FLIGHT = 128_000_000  # pixels read and not yet written: some 10 bytes of memory each
_NO_PIXELS = Image.new("RGB", (0, 0))
LOOK_AHEAD = 128  # files that are looked at, read, or waiting for company of their size


class Reader(Protocol):
    """What reads files in any thread, as ``Decoders`` does. Raises PictureError where it cannot be done."""

    @property
    def max_pixels(self) -> int:
        """Of the largest picture that is read."""

    def look(self, path: Path) -> tuple[Size, int]:
        """Width and height as stored, and the number of frames, without decoding."""

    def read(self, path: Path, frame: int = 0) -> Photo:
        """The picture of a frame."""

    def close(self) -> None:
        """Give up what is being read: nobody waits for it any more."""


class WithHoles:
    """A reader whose photos have as alpha what is to be filled in."""

    def __init__(self, reader: Reader, holes: HoleReader) -> None:
        self.reader, self.holes = reader, holes

    @property
    def max_pixels(self) -> int:
        return self.reader.max_pixels

    def look(self, path: Path) -> tuple[Size, int]:
        return self.reader.look(path)

    def read(self, path: Path, frame: int = 0) -> Photo:
        return self.holes.marked(path, self.reader.read(path, frame), lambda mask: self.reader.read(mask).image)

    def close(self) -> None:
        self.reader.close()


@runtime_checkable
class Batched(Protocol):
    """What translates several pictures at a time, as a ``Translator`` does.

    provenance: what its results are to say of the model. scale: how much larger they are. holes: where it fills holes,
    how they are read; it is given RGBA then, and what it makes of that is whole. Otherwise alpha is laid over it.
    """

    @property
    def provenance(self) -> Provenance | None: ...

    @property
    def scale(self) -> int: ...

    @property
    def holes(self) -> HoleReader | None: ...

    def padded(self, size: Size) -> Size:
        """Pictures that share it can go through together."""

    def at_once(self, size: Size) -> int:
        """How many pictures of a ``padded`` size should."""

    def begin(self, images: Sequence[Image.Image]) -> Sequence[Callable[[], Image.Image]]:
        """Start; each result is waited for by a call, in any thread. Raises I2IError where it cannot be done."""


class OneByOne:
    """A plain function, seen as ``Batched``."""

    provenance: Provenance | None = None
    scale, holes = 1, None

    def __init__(self, translate: Callable[[Image.Image], Image.Image]) -> None:
        self.translate = translate

    def padded(self, size: Size) -> Size:
        return size

    def at_once(self, size: Size) -> int:
        return 1

    def begin(self, images: Sequence[Image.Image]) -> Sequence[Callable[[], Image.Image]]:
        return [partial(lambda translated: translated, self.translate(image)) for image in images]


@dataclass(eq=False)
class Task:
    """A picture of a file on its way. pixels: that it holds in memory."""

    source: Path
    frame: int = 0
    state: State = "open"
    reason: str = ""
    pixels: int = 0
    photo: Photo | None = None


class Pipeline:
    """Every file looked at, read, translated and written, each as soon as there is room for it.

    write: is given a task and its result, in a thread. Work is done in a pool of threads, and what came of it arrives
    as ``events`` in the calling thread, which alone translates and decides. It waits only while something runs in the
    pool; whatever ends it ends the pool. Any error is told of its picture and the rest goes on: nobody foresees all
    that the million files of others do to decoders, networks, encoders and disks.
    """

    def __init__(
        self,
        translate: Batched,
        tasks: Sequence[Task],
        reader: Reader,
        write: Callable[[Task, Image.Image], None],
        batch: int,
        progress: Progress,
    ) -> None:
        self.translate, self.reader, self.write, self.batch, self.progress = translate, reader, write, batch, progress
        self.tasks, self.queue, self.looked = tasks, deque(tasks), deque[Task]()
        self.ready: dict[Size, list[Task]] = {}  # read, by padded size, the longest waiting first
        self.reading = self.held = self.done = self.failed = 0  # tasks being looked at or read; pixels; tasks
        self.events: SimpleQueue[tuple[Callable[[Task, Any], None], Task, Future[Any]]] = SimpleQueue()

    def run(self) -> None:
        self.pool = ThreadPoolExecutor(threads(), "i2i-convert")
        try:
            self.progress(0, 0, len(self.tasks))
            self._admit()
            while self.done < len(self.tasks):
                group = self._group()
                self._translate(group)
                self._attend(wait=not group)
                self._admit()
        except BaseException:
            self.reader.close()  # the pool ends only when its threads are done with what they read
            raise
        finally:
            self.pool.shutdown(cancel_futures=True)

    def _admit(self) -> None:
        """Have files looked at, and those read that there is room for. One picture always has room."""
        while self.queue and self.reading + len(self.looked) + sum(map(len, self.ready.values())) < LOOK_AHEAD:
            task = self.queue.popleft()
            self.reading += 1
            self._start(self._on_looked, task, self.reader.look, task.source)
        while self.looked and (not self.held or self.held + self.looked[0].pixels <= IN_FLIGHT):
            task = self.looked.popleft()
            self.held += task.pixels
            self.reading += 1
            self._start(self._on_read, task, self.reader.read, task.source, task.frame)

    def _group(self) -> list[Task]:
        """Pictures to go through together: a full batch, else, where no more can come, those that waited longest."""
        for size, waiting in self.ready.items():
            full = self.batch or self.translate.at_once(size)
            if len(waiting) >= full or not self.reading:
                self.ready[size] = waiting[full:]
                if not self.ready[size]:
                    del self.ready[size]
                return waiting[:full]
        return []

    def _translate(self, group: list[Task]) -> None:
        try:
            results = self.translate.begin([self._seen(task.photo) for task in group if task.photo]) if group else []
        except Exception as error:
            if len(group) == 1:
                self._finish(group[0], "failed", _reason(group[0], error))
            else:  # whose fault it was shows one by one
                for task in group:
                    self._translate([task])
            return
        for task, result in zip(group, results, strict=True):
            if task.photo:
                task.photo = replace(task.photo, image=_NO_PIXELS)  # what is left is for the writer
            self._start(self._on_written, task, self._write, task, result)

    def _seen(self, photo: Photo) -> Image.Image:
        if not (self.translate.holes and photo.alpha):
            return photo.image
        both = photo.image.copy()
        both.putalpha(photo.alpha)
        return both

    def _write(self, task: Task, result: Callable[[], Image.Image]) -> Task:
        self.write(task, result())
        task.state = "converted"  # at once: a batch that is stopped now hears of no more events
        return task

    def _start(self, then: Callable[[Task, Any], None], task: Task, work: Callable[..., Any], *given: Any) -> None:
        future = self.pool.submit(work, *given)
        future.add_done_callback(lambda done: self.events.put((then, task, done)))

    def _attend(self, wait: bool) -> None:
        """Take note of what has come of the pool's work; ``wait`` for something to come."""
        while wait or not self.events.empty():
            then, task, future = self.events.get()
            wait = False
            then(task, future)

    def _on_looked(self, task: Task, future: Future[tuple[Size, int]]) -> None:
        self.reading -= 1
        found = self._outcome(task, future)
        if found is not None:
            (width, height), _ = found
            task.pixels = min(width * height, self.reader.max_pixels) * (1 + self.translate.scale**2) // 2
            self.looked.append(task)

    def _on_read(self, task: Task, future: Future[Photo]) -> None:
        self.reading -= 1
        task.photo = self._outcome(task, future)
        if task.photo is not None:
            self.ready.setdefault(self.translate.padded(task.photo.image.size), []).append(task)

    def _on_written(self, task: Task, future: Future[Task]) -> None:
        if self._outcome(task, future) is not None:
            self._finish(task, "converted")

    def _outcome(self, task: Task, future: Future[T]) -> T | None:
        """What came of work on a task; nothing where it failed, for a reason that does not stop the rest."""
        try:
            return future.result()
        except Exception as error:
            self._finish(task, "failed", _reason(task, error))
        return None

    def _finish(self, task: Task, state: State, reason: str = "") -> None:
        task.state, task.reason, task.photo = state, reason, None
        self.held -= task.pixels
        self.done += 1
        self.failed += state == "failed"
        self.progress(self.done, self.failed, len(self.tasks))


def _reason(task: Task, error: Exception) -> str:
    if isinstance(error, I2IError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{task.source} takes more memory than there is."
    return f"{task.source} could not be converted: {type(error).__name__}: {error}."


def threads() -> int:
    """How many files are read or written at a time."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
