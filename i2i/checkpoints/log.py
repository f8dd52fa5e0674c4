"""The metrics log of a training: ``log.jsonl`` and TensorBoard events in the run's folder."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from i2i.checkpoints.run import write_or_explain
from i2i.checkpoints.tensorboard import EventWriter
from i2i.checkpoints.tracking import Tracker
from i2i.checkpoints.upgrade import upgrade_log_row
from i2i.errors import WriteError, io_errors
from i2i.json_parsing import parse_json_table

logger = logging.getLogger(__name__)


class MetricsLog:
    """Writes rows of numbers by step.

    A row that cannot be written, such as on a full disk, is kept in memory and written with a later one. The training
    goes on, and a warning is logged once.

    Args:
        folder: the run's folder.
        step: the step at which the training starts or resumes. Rows after it, which an interrupted part of the
            training wrote, are removed. If lines are damaged, a copy of the whole log is kept as ``log.damaged.jsonl``.
        tracker: gets the numbers and images too.
    """

    def __init__(self, folder: Path, step: int, tracker: Tracker | None = None) -> None:
        self._tracker = tracker
        self.path = folder / "log.jsonl"
        self._unwritten = ""  # rows that could not be written yet
        self._failed = False  # whether a warning about that has been logged
        self._rows_to_remove_after: int | None = step if self.path.exists() else None
        self._remove_rows()
        self._events: EventWriter | None = None
        try:
            self._events = EventWriter(folder, step)
        except OSError as error:
            self._warn(folder, error)

    def _remove_rows(self) -> bool:
        """Remove the rows after the step of the start. Return False if that fails: the next row tries again."""
        if self._rows_to_remove_after is None:
            return True
        try:
            self._remove_rows_after(self._rows_to_remove_after)
        except (WriteError, OSError) as error:
            self._warn(self.path, error)
            return False
        self._rows_to_remove_after = None
        return True

    def _remove_rows_after(self, step: int) -> None:
        rows, damaged = _read_rows(self.path)
        if damaged:
            copy = self.path.with_name("log.damaged.jsonl")
            with io_errors(copy, error_type=WriteError):
                shutil.copyfile(self.path, copy)
            logger.warning("%d lines of %s are damaged and left out; %s is a copy of it.", damaged, self.path, copy)
        kept = [row for row in rows if row["step"] <= step]
        write_or_explain(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Append one row and flush it."""
        self._unwritten += json.dumps({"step": step, **values}) + "\n"
        if self._remove_rows():
            try:
                _append(self.path, self._unwritten.encode())
                self._unwritten = ""
            except OSError as error:
                self._warn(self.path, error)
        self._write_event(lambda events: events.write_scalars(step, values))
        if self._tracker is not None:
            self._tracker.log_scalars(step, values)

    def log_image(self, step: int, pixels: Any) -> None:
        """Write a sample grid to TensorBoard, see ``EventWriter.write_image``.

        Args:
            step: the training step.
            pixels: uint8 (H, W, 3).
        """
        self._write_event(lambda events: events.write_image(step, pixels))
        if self._tracker is not None:
            self._tracker.log_image(step, pixels)

    def _write_event(self, write: Callable[[EventWriter], None]) -> None:
        """Call ``write``, and write no more events if it fails: TensorBoard's writer has ended then."""
        if self._events is None:
            return
        try:
            write(self._events)
        except OSError as error:
            self._warn(self.path.parent, error)
            self._events = None

    def _warn(self, path: Path, error: OSError | WriteError) -> None:
        if not self._failed:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            logger.warning("%s could not be written: %s. The training goes on.", path, reason)
        self._failed = True

    def close(self) -> None:
        if self._unwritten and self._remove_rows():
            with suppress(OSError):
                _append(self.path, self._unwritten.encode())
        self._write_event(lambda events: events.close())


def _append(path: Path, data: bytes) -> None:
    """Append to a file. If that fails, the file is as before, except on a disk that refuses to shorten it."""
    with path.open("ab") as file:
        size = file.seek(0, os.SEEK_END)
        try:
            file.write(data)
            file.flush()
        except OSError:
            with suppress(OSError):
                os.truncate(path, size)
            raise


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's log, oldest first; skip damaged lines, such as a truncated last line."""
    return _read_rows(folder / "log.jsonl")[0]


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a log of any version, and the number of damaged lines before the last line.

    A row is a table with the number of a step. The last line may be cut off, which is no damage.
    """
    rows = []
    damaged = []
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for number, line in enumerate(lines):
        if line.strip():
            try:
                rows.append(_parse_row(line))
            except (ValueError, TypeError):
                damaged.append(number)
    return rows, len([number for number in damaged if number < len(lines) - 1])


def _parse_row(line: bytes) -> dict[str, Any]:
    """Return the row of a line. Raise ValueError or TypeError if it is damaged."""
    row = parse_json_table(line, keep_file_names=True)
    step = row.get("step")
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise ValueError("no step")
    if any(isinstance(value, int) and abs(value) >= 2**63 for value in row.values()):
        raise ValueError("an integer too large to have been logged")
    return upgrade_log_row(row)
