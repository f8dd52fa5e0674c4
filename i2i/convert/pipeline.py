"""Concurrent reading, translation and writing of image files, in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, TypeVar

from PIL import Image

from i2i.convert.interfaces import BatchTranslator, ImageReader, Size
from i2i.errors import I2IError
from i2i.images import LoadedImage

T = TypeVar("T")
State = Literal["open", "converted", "failed"]
Progress = Callable[[int, int, int], None]  # called with the number of files done, failed (of those done), and in total

MAX_PIXELS_IN_FLIGHT = 128_000_000  # pixels read and not yet written: about 10 bytes of memory each
MAX_FILES_AHEAD = 128  # files that are probed, being read, or decoded and waiting for a full batch
_NO_PIXELS = Image.new("RGB", (0, 0))


@dataclass(eq=False)
class WorkItem:
    """An image in the pipeline.

    Attributes:
        source: its file.
        frame: index of the image within the file.
        state: its state; set by the pipeline.
        reason: why it failed.
        frame_count: images in the file, once it is probed.
        pixels: pixels it holds in memory.
        image: the decoded image, while it is in memory.
    """

    source: Path
    frame: int = 0
    state: State = "open"
    reason: str = ""
    frame_count: int = 1
    pixels: int = 0
    image: LoadedImage | None = None


class Pipeline:
    """Read, translate and write images concurrently.

    A thread pool probes, reads and writes files. Its results arrive as ``events`` in the calling thread, which
    translates and takes all decisions. Pixels in memory are bounded by MAX_PIXELS_IN_FLIGHT. Any exception on one file
    marks it as failed and does not stop the others.

    Args:
        translator: translates batches.
        items: the images.
        reader: reads the images.
        write: writes the result of an item, in a thread of the pool.
        batch_size: images in a batch; 0: the translator's preferred batch size.
        progress: called in the calling thread.
    """

    def __init__(
        self,
        translator: BatchTranslator,
        items: Sequence[WorkItem],
        reader: ImageReader,
        write: Callable[[WorkItem, Image.Image], None],
        batch_size: int,
        progress: Progress,
    ) -> None:
        self.translator = translator
        self.items = items
        self.reader = reader
        self.write = write
        self.batch_size = batch_size
        self.progress = progress
        self.queued = deque(items)
        self.probed = deque[WorkItem]()
        self.decoded: dict[Size, list[WorkItem]] = {}  # by padded size; first the size that has waited longest
        self.reading = 0  # items that are being probed or read
        self.pixels_in_flight = 0
        self.done = 0
        self.failed = 0
        self.events: SimpleQueue[tuple[Callable[[WorkItem, Any], None], WorkItem, Future[Any]]] = SimpleQueue()

    def run(self) -> None:
        """Process all items. Returns when each is converted or failed."""
        self.pool = ThreadPoolExecutor(io_threads(), "i2i-convert")
        try:
            self.progress(0, 0, len(self.items))
            self._schedule_reads()
            while self.done < len(self.items):
                batch = self._next_batch()
                self._translate(batch)
                self._process_events(wait=not batch)
                self._schedule_reads()
        except BaseException:
            self.reader.close()  # the pool waits for its threads, and they wait for the reader
            raise
        finally:
            self.pool.shutdown(cancel_futures=True)

    def _schedule_reads(self) -> None:
        """Probe files, and read those whose pixels fit into memory. A single image always fits."""
        while self.queued and self._files_ahead() < MAX_FILES_AHEAD:
            item = self.queued.popleft()
            self.reading += 1
            self._start(self._on_probed, item, self.reader.probe, item.source)
        while self.probed and self._fits_in_memory(self.probed[0]):
            item = self.probed.popleft()
            self.pixels_in_flight += item.pixels
            self.reading += 1
            self._start(self._on_read, item, self.reader.read, item.source, item.frame)

    def _files_ahead(self) -> int:
        return self.reading + len(self.probed) + sum(map(len, self.decoded.values()))

    def _fits_in_memory(self, item: WorkItem) -> bool:
        return not self.pixels_in_flight or self.pixels_in_flight + item.pixels <= MAX_PIXELS_IN_FLIGHT

    def _next_batch(self) -> list[WorkItem]:
        """Return a full batch; if nothing is being read, the batch that has waited longest; else an empty list."""
        for size, items in self.decoded.items():
            full_size = self.batch_size or self.translator.preferred_batch_size(size)
            if len(items) >= full_size or not self.reading:
                self.decoded[size] = items[full_size:]
                if not self.decoded[size]:
                    del self.decoded[size]
                return items[:full_size]
        return []

    def _translate(self, batch: list[WorkItem]) -> None:
        if not batch:
            return
        try:
            results = self.translator.submit([self._with_alpha(item.image) for item in batch if item.image])
        except Exception as error:
            if len(batch) == 1:
                self._complete(batch[0], "failed", _failure_reason(batch[0], error))
            else:  # one by one, to find the image that failed
                for item in batch:
                    self._translate([item])
            return
        for item, result in zip(batch, results, strict=True):
            if item.image and item.image.kept is None:
                deep = item.image.deep if item.image.alpha else None
                item.image = replace(
                    item.image, image=_NO_PIXELS, deep=deep
                )  # the writer needs its alpha and metadata only
            self._start(self._on_written, item, self._write, item, result)

    def _with_alpha(self, loaded: LoadedImage) -> Image.Image:
        """Return the image for the translator: RGBA for an inpainting model, else RGB."""
        if not (self.translator.mask_reader and loaded.alpha):
            return loaded.model_input
        rgba = loaded.image.copy()
        rgba.putalpha(loaded.alpha)
        return rgba

    def _write(self, item: WorkItem, wait: Callable[[], Image.Image]) -> WorkItem:
        self.write(item, wait())
        item.state = "converted"  # in this thread, because an interrupted pipeline processes no more events
        return item

    def _start(
        self, handler: Callable[[WorkItem, Any], None], item: WorkItem, work: Callable[..., Any], *args: Any
    ) -> None:
        """Run ``work(*args)`` in the pool; then ``handler`` gets the item and the future in the calling thread."""
        future = self.pool.submit(work, *args)
        future.add_done_callback(lambda done: self.events.put((handler, item, done)))

    def _process_events(self, wait: bool) -> None:
        """Call the handlers of finished work; with ``wait``, wait for at least one."""
        while wait or not self.events.empty():
            handler, item, future = self.events.get()
            wait = False
            handler(item, future)

    def _on_probed(self, item: WorkItem, future: Future[tuple[Size, int]]) -> None:
        self.reading -= 1
        header = self._result_or_fail(item, future)
        if header is not None:
            (width, height), item.frame_count = header
            source_pixels = min(width * height, self.reader.max_pixels)
            item.pixels = source_pixels * (1 + self.translator.scale**2) // 2
            self.probed.append(item)

    def _on_read(self, item: WorkItem, future: Future[LoadedImage]) -> None:
        self.reading -= 1
        item.image = self._result_or_fail(item, future)
        if item.image is not None:
            self.pixels_in_flight += (item.image.memory_factor - 1) * item.pixels
            item.pixels *= item.image.memory_factor
            self.decoded.setdefault(self.translator.padded_size(item.image.image.size), []).append(item)

    def _on_written(self, item: WorkItem, future: Future[WorkItem]) -> None:
        if self._result_or_fail(item, future) is not None:
            self._complete(item, "converted")

    def _result_or_fail(self, item: WorkItem, future: Future[T]) -> T | None:
        """Return the result of the work on an item; if it raised an exception, mark the item as failed."""
        try:
            return future.result()
        except Exception as error:
            self._complete(item, "failed", _failure_reason(item, error))
        return None

    def _complete(self, item: WorkItem, state: State, reason: str = "") -> None:
        item.state = state
        item.reason = reason
        item.image = None
        self.pixels_in_flight -= item.pixels
        self.done += 1
        if state == "failed":
            self.failed += 1
        self.progress(self.done, self.failed, len(self.items))


def _failure_reason(item: WorkItem, error: Exception) -> str:
    if isinstance(error, I2IError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{item.source} needs more memory than is available."
    return f"{item.source} could not be converted: {type(error).__name__}: {error}."


def io_threads() -> int:
    """Return how many files are read or written at a time."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
