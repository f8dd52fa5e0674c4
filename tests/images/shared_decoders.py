"""Decoder processes that outlive a test: starting them takes longer than most tests that read an image."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from i2i.images import MAX_PIXELS, DecoderPool
from i2i.images.decoder_process import DecoderProcess

Reply = tuple[dict[str, Any], Callable[[int], bytearray]]


class SharedDecoders(DecoderPool):
    """A ``DecoderPool`` that uses the same two processes as all others of its class, and leaves them running."""

    processes: SimpleQueue[DecoderProcess] = SimpleQueue()

    def __init__(self, count: int, *, max_pixels: int = MAX_PIXELS, deep: bool = False) -> None:
        super().__init__(0, max_pixels=max_pixels, deep=deep)
        if self.processes.empty():
            for _ in range(2):
                self.processes.put(DecoderProcess("i2i.images.reading"))
        self._free = self.processes

    def _request(self, task: str, path: Path, **options: Any) -> AbstractContextManager[Reply]:
        return super()._request(task, Path.cwd() / path, **options)  # the processes were started in another folder

    def close(self) -> None: ...
