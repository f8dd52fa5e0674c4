"""What made each file of an output folder: a rerun goes on where the last one stopped, and redoes what has changed.

``.i2i.jsonl`` in the folder has a line for each result, written before the result takes its name. A line counts where
the file that is there is the one it speaks of: what somebody changed since, or put there, is not ours to overwrite.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

from filelock import FileLock, Timeout

from i2i.convert.plan import Job
from i2i.errors import UsageError
from i2i.images import write_atomic

State = Literal["absent", "current", "outdated", "foreign"]
NAME, LOCK = ".i2i.jsonl", ".i2i.lock"
_UNFINISHED = re.compile(r"\.(.+)\.(\d+)-\d+\.part", re.DOTALL)  # as write_atomic names them


class Manifest:
    """The manifest of a folder, held by this process alone while it is open.

    made_by: tells model and settings from all others. Raises UsageError where another process holds it.
    """

    def __init__(self, out: Path, made_by: str) -> None:
        self.out, self.made_by = out, made_by
        self._lock = FileLock(out / LOCK, timeout=0)
        self._writing = threading.Lock()
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._file: BinaryIO | None = None

    def __enter__(self) -> "Manifest":
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise UsageError(
                f"Another conversion is writing into {self.out}: wait for it, or choose another --out."
            ) from error
        try:
            self.load()
            self._file = (self.out / NAME).open("ab")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # a line for which the disk had no room: its result has not got its name either
                self._file.close()
        self._lock.release()

    def load(self) -> None:
        """Read what there is; a line that was cut short, or is none of ours, says nothing."""
        lines, cut = 0, False
        with suppress(FileNotFoundError), (self.out / NAME).open("rb") as file:
            for line in file:
                lines, cut = lines + 1, not line.endswith(b"\n")
                with suppress(ValueError, KeyError, TypeError):
                    row = json.loads(line)
                    self._rows.setdefault(str(row["output"]), []).append(row)
        if cut or lines > 2 * len(self._rows) + 100:
            self._shorten()

    def _shorten(self) -> None:
        kept = (rows[-2:] for rows in self._rows.values())  # the last may speak of a result that never got its name
        with suppress(OSError):  # such as on a disk that may only be read, when nothing will be written either
            write_atomic(self.out / NAME, b"".join(_line(row) for rows in kept for row in rows))

    def state(self, job: Job) -> State:
        """What there is at a job's target: nothing, its result, a result of other makings, or a file of others."""
        try:
            there = job.target.lstat()
        except OSError:
            return "absent"
        for row in reversed(self._rows.get(self._name(job), [])):
            if _is_result(row, job.target, there):
                return "current" if self.about(job) == {key: row.get(key) for key in _ABOUT} else "outdated"
        return "foreign"

    def about(self, job: Job) -> dict[str, Any] | None:
        """What a job's result is made of, as things are now; None where the source is gone."""
        try:
            found = job.source.stat()
        except OSError:
            return None
        source = [found.st_size, found.st_mtime_ns, job.frame]
        return {"from": str(job.source.absolute()), "source": source, "by": self.made_by}

    def _name(self, job: Job) -> str:
        return job.target.relative_to(self.out).as_posix()

    def write(self, job: Job, data: bytes, about: dict[str, Any] | None) -> None:
        """Write a job's result, and its line before it takes its name.

        about: as things were before the source was read: it may have changed since, and is then to be read again.
        """

        def ready(written: os.stat_result) -> None:
            result = [written.st_size, written.st_mtime_ns, hashlib.sha256(data).hexdigest()[:32]]
            self._append({"output": self._name(job), **(about or {}), "result": result})

        write_atomic(job.target, data, ready)

    def _append(self, row: dict[str, Any]) -> None:
        assert self._file is not None
        with self._writing:
            self._file.write(_line(row))
            self._file.flush()


_ABOUT = ("from", "source", "by")


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"  # ASCII, also of names that are no text


def _is_result(row: dict[str, Any], path: Path, there: os.stat_result) -> bool:
    """Whether a file is the one of a line: by size and time, else by content."""
    try:
        size, time, digest = row["result"]
        if there.st_size != size:
            return False
        return bool(there.st_mtime_ns == time or hashlib.sha256(path.read_bytes()).hexdigest()[:32] == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def clear_unfinished(folders: Iterable[Path], target: str = "") -> None:
    """Remove the temporary files that a conversion cut short has left. target: those of a file of this name alone."""
    for folder in folders:
        with suppress(OSError):
            for path in folder.iterdir():
                found = _UNFINISHED.fullmatch(path.name)
                if found and target[:50] in ("", found[1]) and not _is_alive(int(found[2])):
                    path.unlink()


def _is_alive(process: int) -> bool:
    """Whether another process of this number runs here. Windows, where asking would end it, does not say."""
    if os.name != "posix" or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
