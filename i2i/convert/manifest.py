"""The manifest of an output folder: ``.i2i.jsonl``, one line per result with a hash of the result and its settings.

A result is *current* if its line matches, *outdated* if its source or the settings changed, and *foreign* if the file
was edited or i2i did not write it. Foreign files are never overwritten without ``--overwrite``. A line is written
before the result gets its name, so a rerun continues where the last run stopped.
"""

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

from filelock import FileLock, Timeout

from i2i.convert.plan import Job
from i2i.convert.records import MANIFEST_NAME, read_records
from i2i.errors import UsageError, WriteError, io_errors
from i2i.images import write_atomic
from i2i.images.stacks import file_version

State = Literal["absent", "current", "outdated", "foreign", "unrecorded"]
LOCK_NAME = ".i2i.lock"
KEY_FIELDS = ("from", "source", "by")


class Manifest:
    """The manifest of a folder. While it is open, no other process can open it.

    Args:
        out: the folder.
        settings_hash: identifies model and settings.
        remarks: fields that the line of a job's result gets besides, such as why its model was chosen.

    Raises: UsageError on entry if another process has it open.
    """

    def __init__(self, out: Path, settings_hash: str, remarks: Mapping[Job, Mapping[str, Any]] | None = None) -> None:
        self.out = out
        self.settings_hash = settings_hash
        self._remarks = remarks or {}
        self._process_lock = FileLock(out / LOCK_NAME, timeout=0)
        self._write_lock = threading.Lock()
        self._rows_by_output: dict[str, list[dict[str, Any]]] = {}
        self._file: BinaryIO | None = None

    def __enter__(self) -> "Manifest":
        with io_errors(self.out, "could not be created", error_type=WriteError, advice="Choose another --out."):
            self.out.mkdir(parents=True, exist_ok=True)
        try:
            self._process_lock.acquire()
        except Timeout as error:
            raise UsageError(
                f"Another conversion is writing into {self.out}: wait for it, or choose another --out."
            ) from error
        try:
            self.load()
            self._file = (self.out / MANIFEST_NAME).open("ab")
        except BaseException:
            self._process_lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # the disk is full: the result of the lost line does not have its name either
                self._file.close()
        self._process_lock.release()

    def load(self) -> None:
        """Read the manifest. Lines that are cut short or invalid are ignored."""
        records = read_records(self.out)
        self._rows_by_output = records.rows_by_output
        if records.is_cut or records.line_count > 2 * len(self._rows_by_output) + 100:
            self._compact()

    def _compact(self) -> None:
        """Rewrite the file with the last two lines of each result: the last result may never have got its name."""
        rows = (row for rows in self._rows_by_output.values() for row in rows[-2:])
        with suppress(OSError):  # for example a read-only disk, to which no result is written either
            write_atomic(self.out / MANIFEST_NAME, b"".join(map(to_line, rows)))

    def state(self, job: Job) -> State:
        """Return the state of a job's target."""
        try:
            target_stat = job.target.lstat()
        except OSError:
            return "absent"
        for row in reversed(self._rows_by_output.get(self._output_name(job), [])):
            if _is_result(row, job.target, target_stat):
                is_current = self.fingerprint(job) == {key: row.get(key) for key in KEY_FIELDS}
                return "current" if is_current else "outdated"
        return "foreign"

    def fingerprint(self, job: Job) -> dict[str, Any] | None:
        """Return what a job's result depends on: source, frame and settings. None if the source does not exist."""
        try:
            source = [*file_version(job.source), job.frame]
        except OSError:
            return None
        settings = self.settings_hash if job.frame_count == 1 else f"{self.settings_hash}+all"
        return {"from": str(job.source.absolute()), "source": source, "by": settings}

    def _output_name(self, job: Job) -> str:
        return job.target.relative_to(self.out).as_posix()

    def write(self, job: Job, data: bytes, fingerprint: dict[str, Any] | None) -> None:
        """Write a job's result, and its line before the result gets its name.

        Args:
            job: the job.
            data: the encoded image.
            fingerprint: the fingerprint from before the source was read, so that a later change is noticed.
        """

        def append_line(written: os.stat_result) -> None:
            result = [written.st_size, written.st_mtime_ns, digest(data)]
            remarks = self._remarks.get(job, {})
            self._append({"output": self._output_name(job), **(fingerprint or {}), **remarks, "result": result})

        write_atomic(job.target, data, append_line)

    def _append(self, row: dict[str, Any]) -> None:
        assert self._file is not None
        with self._write_lock:
            self._file.write(to_line(row))
            self._file.flush()


class NoManifest:
    """The place of a single result that is named by the user, such as result.png. Nothing is recorded beside it.

    Args:
        out: the folder of the result.
    """

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> "NoManifest":
        with io_errors(self.out, "could not be created", error_type=WriteError, advice="Choose another --out."):
            self.out.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def state(self, job: Job) -> State:
        """Return "absent" or "unrecorded"."""
        return "unrecorded" if os.path.lexists(job.target) else "absent"

    def fingerprint(self, job: Job) -> None:
        return None

    def write(self, job: Job, data: bytes, fingerprint: None) -> None:
        write_atomic(job.target, data)


def to_line(row: dict[str, Any]) -> bytes:
    """Return the line of a record."""
    return json.dumps(row).encode() + b"\n"  # ASCII, also for file names that are not valid text


def digest(data: bytes) -> str:
    """Return the hash of a result that its line states."""
    return hashlib.sha256(data).hexdigest()[:32]


def _is_result(row: dict[str, Any], path: Path, path_stat: os.stat_result) -> bool:
    """Return whether a file is the result of a line: by size and time, else by content."""
    try:
        size, time, digest = row["result"]
        if path_stat.st_size != size:
            return False
        return bool(path_stat.st_mtime_ns == time or digest(path.read_bytes()) == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False
