"""Files through a translator: read, translated and written at the same time, in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from PIL import Image

from i2i.errors import I2IError
from i2i.images import MAX_PIXELS, encode, header, read, write_atomic

T = TypeVar("T")
Size = tuple[int, int]  # width and height
State = Literal["open", "converted", "skipped", "failed"]
Progress = Callable[[int, int, int], None]  # is told the files done, those of them that failed, and all

IN_FLIGHT = 128_000_000  # pixels read and not yet written: some 10 bytes of memory each
LOOK_AHEAD = 128  # files that are looked at, read, or waiting for company of their size


@runtime_checkable
class Batched(Protocol):
    """What translates several pictures at a time, as a ``Translator`` does."""

    def padded(self, size: Size) -> Size:
        """Pictures that share it can go through together."""

    def at_once(self, size: Size) -> int:
        """How many pictures of a ``padded`` size should."""

    def begin(self, images: Sequence[Image.Image]) -> Sequence[Callable[[], Image.Image]]:
        """Start; each result is waited for by a call, in any thread. Raises I2IError where it cannot be done."""


class OneByOne:
    """A plain function, seen as ``Batched``."""

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
    source: Path
    target: Path
    state: State = "open"
    reason: str = ""
    pixels: int = 0
    image: Image.Image | None = None


class Pipeline:
    """Every file looked at, read, translated and written, each as soon as there is room for it.

    Work is done in a pool of threads, and what came of it arrives as ``events`` in the calling thread, which alone
    translates and decides. It waits only while something runs in the pool; whatever ends it ends the pool.
    """

    def __init__(
        self, translate: Batched, tasks: Sequence[Task], overwrite: bool, batch: int, progress: Progress
    ) -> None:
        self.translate, self.overwrite, self.batch, self.progress = translate, overwrite, batch, progress
        self.read: Callable[[Path], Image.Image] = getattr(translate, "read", read)  # some want more than RGB
        self.tasks, self.queue, self.looked = tasks, deque(tasks), deque[Task]()
        self.ready: dict[Size, list[Task]] = {}  # read, by padded size, the longest waiting first
        self.reading = self.held = self.done = self.failed = 0  # tasks being looked at or read; pixels; tasks
        self.events: SimpleQueue[tuple[Callable[[Task, Any], None], Task, Future[Any]]] = SimpleQueue()

    def run(self) -> None:
        self.pool = ThreadPoolExecutor(_threads(), "i2i-convert")
        try:
            self.progress(0, 0, len(self.tasks))
            self._admit()
            while self.done < len(self.tasks):
                group = self._group()
                self._translate(group)
                self._attend(wait=not group)
                self._admit()
        finally:
            self.pool.shutdown(cancel_futures=True)

    def _admit(self) -> None:
        """Have files looked at, and those read that there is room for. One picture always has room."""
        while self.queue and self.reading + len(self.looked) + sum(map(len, self.ready.values())) < LOOK_AHEAD:
            task = self.queue.popleft()
            if task.target.exists() and not self.overwrite:
                self._finish(task, "skipped")
            else:
                self.reading += 1
                self._start(self._on_looked, task, header, task.source)
        while self.looked and (not self.held or self.held + self.looked[0].pixels <= IN_FLIGHT):
            task = self.looked.popleft()
            self.held += task.pixels
            self.reading += 1
            self._start(self._on_read, task, self.read, task.source)

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
            results = self.translate.begin([task.image for task in group if task.image]) if group else []
        except I2IError as error:
            if len(group) == 1:
                self._finish(group[0], "failed", str(error))
            else:  # whose fault it was shows one by one
                for task in group:
                    self._translate([task])
            return
        for task, result in zip(group, results, strict=True):
            task.image = None
            self._start(self._on_written, task, _write, result, task.target)

    def _start(self, then: Callable[[Task, Any], None], task: Task, work: Callable[..., Any], *given: Any) -> None:
        future = self.pool.submit(work, *given)
        future.add_done_callback(lambda done: self.events.put((then, task, done)))

    def _attend(self, wait: bool) -> None:
        """Take note of what has come of the pool's work; ``wait`` for something to come."""
        while wait or not self.events.empty():
            then, task, future = self.events.get()
            wait = False
            then(task, future)

    def _on_looked(self, task: Task, future: Future[tuple[Size, str]]) -> None:
        self.reading -= 1
        found = self._outcome(task, future)
        if found is not None:
            (width, height), _ = found
            task.pixels = min(width * height, MAX_PIXELS)
            self.looked.append(task)

    def _on_read(self, task: Task, future: Future[Image.Image]) -> None:
        self.reading -= 1
        task.image = self._outcome(task, future)
        if task.image is not None:
            self.ready.setdefault(self.translate.padded(task.image.size), []).append(task)

    def _on_written(self, task: Task, future: Future[Path]) -> None:
        if self._outcome(task, future) is not None:
            self._finish(task, "converted")

    def _outcome(self, task: Task, future: Future[T]) -> T | None:
        """What came of work on a task; nothing where it failed, for a reason that does not stop the rest."""
        try:
            return future.result()
        except I2IError as error:
            self._finish(task, "failed", str(error))
        except OSError as error:
            self._finish(task, "failed", f"{task.target} could not be written: {error.strerror}.")
        return None

    def _finish(self, task: Task, state: State, reason: str = "") -> None:
        task.state, task.reason, task.image = state, reason, None
        self.held -= task.pixels
        self.done += 1
        self.failed += state == "failed"
        self.progress(self.done, self.failed, len(self.tasks))


def _write(result: Callable[[], Image.Image], target: Path) -> Path:
    data = encode(result(), target.suffix, fast=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, data)
    return target


def _threads() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
