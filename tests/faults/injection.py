"""Faults at the Nth operation on files: a kill, or an error such as a full disk.

Python reports each open, rename, remove and truncate to its audit hooks before it is done; ``os.fsync`` is wrapped.
"""

import errno
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "fsync")
KILL = "kill"


@dataclass(frozen=True)
class Injection:
    """A fault at one operation on files below a folder.

    Attributes:
        folder: operations elsewhere are not counted.
        number: of the operation, from 1; 0 for no fault.
        action: "kill", or the name of an error, such as "ENOSPC".
        repeated: whether all later operations that write fail too, as on a full disk.
    """

    folder: Path
    number: int
    action: str = KILL
    repeated: bool = False

    def install(self) -> "Counter":
        """Inject the fault in this process. It cannot be removed: call this in a child process."""
        counter = Counter(self)
        sys.addaudithook(counter.on_event)
        real_fsync = os.fsync

        def fsync(descriptor: Any) -> None:
            counter.count("fsync")
            real_fsync(descriptor)

        os.fsync = fsync  # type: ignore[assignment]
        return counter

    def around(self, function: Callable[[], None], count_file: Path | None = None) -> Callable[[], None]:
        """Return a function that runs ``function`` with the fault, and writes the number of operations to a file."""

        def run() -> None:
            counter = self.install()
            try:
                function()
            finally:
                counter.active = False
                if count_file is not None:
                    count_file.write_text(str(counter.total))

        return run


class Counter:
    """Counts operations, and acts at one of them."""

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        self.total = 0
        self.active = True
        self._folder = str(injection.folder)
        self._local = threading.local()
        self._lock = threading.Lock()

    def on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active or event not in EVENTS or getattr(self._local, "busy", False):
            return
        self._local.busy = True
        try:
            path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
            is_below = bool(path) and self._is_below(path)
            reads = event == "open" and not _writes(args)
        finally:
            self._local.busy = False
        if is_below:
            self.count(event, reads, path)

    def _is_below(self, path: str) -> bool:
        return str(Path.cwd() / path).startswith(self._folder)

    def count(self, event: str, reads: bool = False, path: str = "") -> None:
        if not self.active:
            return
        with self._lock:
            self.total += 1
            number = self.total
        injection = self.injection
        if not injection.number or number < injection.number:
            return
        if number > injection.number and (not injection.repeated or reads):
            return
        if injection.action == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if injection.action == "ENOSPC" and (reads or event == "os.remove"):
            return  # a full disk lets files be read and removed
        code = getattr(errno, injection.action)
        raise OSError(code, os.strerror(code), path or None)


def _writes(args: tuple[Any, ...]) -> bool:
    flags = args[2] if len(args) > 2 and isinstance(args[2], int) else 0
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def limit_file_size(limit: int, *, kill: bool) -> None:
    """Let writes past ``limit`` bytes of any file fail, or kill this process after the part before the limit."""
    if kill:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
