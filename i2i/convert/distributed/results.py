"""Writing of the results of a chunk, after the lines that describe them."""

import threading
from concurrent.futures import ThreadPoolExecutor

from i2i.convert.distributed.chunks import Chunk
from i2i.convert.distributed.destination import Destination, FolderDestination, Record
from i2i.convert.manifest import to_line
from i2i.errors import I2IError

GROUP_FILES = 16  # results whose lines are written together, before them
GROUP_BYTES = 64_000_000
TRANSFERS = 16  # files that are downloaded or uploaded at a time


class ResultWriter:
    """Writes the results of a chunk in groups, the lines of each group before its results."""

    def __init__(self, chunk: Chunk, destination: Destination) -> None:
        self.rows: list[tuple[int, Record]] = []
        self.failed: list[tuple[int, str]] = []
        self._chunk = chunk
        self._destination = destination
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, bytes]] = []
        self._groups = 0

    def add(self, index: int, data: bytes) -> None:
        """Add the encoded result of a task. Called in several threads."""
        with self._lock:
            self._waiting.append((index, data))
            is_full = len(self._waiting) >= GROUP_FILES or sum(len(d) for _, d in self._waiting) >= GROUP_BYTES
        if is_full:
            self.commit()

    def commit(self) -> None:
        """Write what was added."""
        with self._lock:
            group, self._waiting = self._waiting, []
            self._groups += 1
            name = f"{self._chunk.name}-{self._chunk.attempts}-{self._groups:04}.jsonl"
        if not group:
            return
        tasks = [self._chunk.tasks[index] for index, _ in group]
        rows = [self._destination.prepare_row(task.output, data, task.fingerprint or {})
                for task, (_, data) in zip(tasks, group, strict=True)]  # fmt: skip
        try:
            self._destination.write_part(name, b"".join(map(to_line, rows)))
        except I2IError as error:
            self.failed += [(index, str(error)) for index, _ in group]
            return
        transfers = 1 if isinstance(self._destination, FolderDestination) else TRANSFERS
        with ThreadPoolExecutor(transfers, "i2i-write") as pool:
            list(pool.map(self._write, group, rows))

    def _write(self, item: tuple[int, bytes], row: Record) -> None:
        index, data = item
        try:
            written = self._destination.write(row["output"], data, row)
        except I2IError as error:
            self.failed.append((index, str(error)))
        else:
            self.rows.append((index, written))
