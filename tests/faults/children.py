"""Child processes that are forked from this one, in which torch and i2i are imported already."""

import ctypes
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.attack import WRONG, Failure

TRACEBACK_STATUS = 70  # exit code of a child that ended with an exception
TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Ended:
    """How a child process ended.

    Attributes:
        status: the exit code, or minus the number of the signal.
        output: what it printed.
        seconds: how long it ran.
    """

    status: int
    output: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.status in (-signal.SIGKILL, -signal.SIGXFSZ)

    def failure(self, *allowed: int) -> Failure | None:
        """Return a failure unless the exit code is one of the allowed ones, and every error is in words."""
        last = self.output.strip()[-3000:]
        if "Traceback (most recent call last)" in self.output:
            return Failure(WRONG, f"a traceback:\n{last}")
        if self.status not in allowed:
            return Failure(WRONG, f"exit code {self.status}, expected {' or '.join(map(str, allowed))}:\n{last}")
        if self.status in (1, 2) and not last:
            return Failure(WRONG, f"exit code {self.status} without a message")
        return None


def import_all() -> None:
    """Import what the commands import, so that forked children start at once."""
    import torch
    import torch.utils.tensorboard.writer
    import torchvision  # noqa: F401  (of lpips; it imports torch._dynamo)

    import i2i.convert.conversion
    import i2i.evaluation.evaluate
    import i2i.inference.loading
    import i2i.inference.sampler
    import i2i.recipes.config_file
    import i2i.recipes.launch  # noqa: F401
    from i2i import cli  # noqa: F401

    torch.set_num_threads(1)


def command(*arguments: str) -> Callable[[], None]:
    """Return a function that runs ``i2i`` with these arguments in this process."""

    def run() -> None:
        from i2i.cli import main

        sys.argv = ["i2i", *arguments]
        main()

    return run


class Child:
    """A forked process.

    Args:
        function: what it runs.
        folder: its working directory.
    """

    def __init__(self, function: Callable[[], None], folder: Path) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._output = b""
        self._began = time.monotonic()
        self._pipe, writing = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            _run_and_exit(function, folder, writing)
        os.close(writing)
        os.set_blocking(self._pipe, False)

    def wait(self, kill_after: float | None = None, timeout: float = TIMEOUT_SECONDS) -> Ended:
        """Wait until the process ends. It is killed after ``kill_after`` seconds, or after the timeout."""
        deadline = self._began + (timeout if kill_after is None else kill_after)
        while True:
            self._read()
            ended, status = os.waitpid(self.process, os.WNOHANG)
            if ended:
                break
            now = time.monotonic()
            if now >= deadline:
                os.kill(self.process, signal.SIGKILL)
                _, status = os.waitpid(self.process, 0)
                break
            time.sleep(min(0.002, deadline - now))
        self._read()
        os.close(self._pipe)
        seconds = time.monotonic() - self._began
        if kill_after is None and seconds > timeout:
            self._output += f"\nIt did not end within {timeout:g} seconds.".encode()
        return Ended(os.waitstatus_to_exitcode(status), self._output.decode(errors="replace"), seconds)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while data := os.read(self._pipe, 2**16):
                self._output += data


def run(
    function: Callable[[], None], folder: Path, *, kill_after: float | None = None, timeout: float = TIMEOUT_SECONDS
) -> Ended:
    """Run a function in a child process.

    Args:
        function: what to run, such as a ``command``.
        folder: its working directory.
        kill_after: seconds after which the process is killed with SIGKILL; None lets it end.
        timeout: seconds after which a process that should end by itself is killed.
    """
    return Child(function, folder).wait(kill_after, timeout)


def _run_and_exit(function: Callable[[], None], folder: Path, output: int) -> None:
    status = TRACEBACK_STATUS
    try:
        end_with_parent()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _redirect(output)
        os.chdir(folder)
        status = exit_code(function)
    finally:
        os._exit(status)


def end_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class TookTooLong(Exception):
    """A command in this process ran longer than it may."""


def run_here(function: Callable[[], None], folder: Path, seconds: int = 60) -> Ended:
    """Run a function in this process, with its output in a file. It is interrupted after some seconds."""
    log = folder.with_name(f"{folder.name}.log")
    began = time.monotonic()
    kept = [os.dup(1), os.dup(2)]
    place = Path.cwd()

    def interrupt(*_: object) -> None:
        raise TookTooLong(f"it took more than {seconds} seconds")

    signal.signal(signal.SIGALRM, interrupt)
    try:
        _redirect(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        os.chdir(folder)
        signal.alarm(seconds)
        status = exit_code(function)
    finally:
        signal.alarm(0)
        os.chdir(place)
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
    return Ended(status, log.read_text(errors="replace"), time.monotonic() - began)


def exit_code(function: Callable[[], None]) -> int:
    """Run a function, print the traceback of an exception, and return the exit code that Python would have."""
    status = TRACEBACK_STATUS
    try:
        function()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def _redirect(descriptor: int) -> None:
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def limit_memory(extra_bytes: int) -> None:
    """Limit this process to the address space that it has now plus ``extra_bytes``."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))
