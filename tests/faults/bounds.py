"""Limits for the reading of a hostile file: time, memory, errors in words, and no code that it brings."""

import faulthandler
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

from i2i.errors import I2IError
from tests.faults.attack import WRONG, Failure

SECONDS = 10.0  # of the processor, for one file
HANG_SECONDS = 20.0
EXTRA_BYTES = 2**30  # that one file may take


def read_within_bounds(*uses: Callable[[], object]) -> Failure | None:
    """Call each function. Each must return or raise I2IError with a message, within the limits.

    A function that hangs is interrupted by an exception or, inside a library of C, ends this process.
    """

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"it took more than {HANG_SECONDS:g} seconds")

    began = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    faulthandler.dump_traceback_later(HANG_SECONDS + 1, exit=True)  # if C does not return
    try:
        for use in uses:
            try:
                use()
            except I2IError as error:
                if not str(error).strip():
                    return Failure(WRONG, f"{type(error).__name__} without a message")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
    seconds = time.process_time() - began
    if seconds > SECONDS:
        return Failure(WRONG, f"it took {seconds:.1f} seconds")
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)
    if grown > EXTRA_BYTES:
        return Failure(WRONG, f"it took {grown} bytes more")
    return None


class Canary:
    """An object whose pickle makes a file when it is loaded.

    Args:
        path: of the file that must not appear.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def unexpected_files(folder: Path, *allowed: str) -> Failure | None:
    """Return a failure if there are files below a folder other than in its subfolders of these names."""
    for path in folder.rglob("*"):
        if path.relative_to(folder).parts[0] not in allowed:
            return Failure(WRONG, f"a file outside its place: {path.relative_to(folder)}")
    return None
