"""Bytes to and from disk: only regular files are read, and a written file is whole or not there."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from i2i.errors import PictureError


def open_regular(path: Path) -> BinaryIO:
    """A file opened for reading. Raises PictureError where it is missing, empty or no regular file.

    A FIFO or device is never waited for: not even one that takes the file's place between the look and the opening.
    """
    try:
        _regular(path, path.stat())
        file = os.fdopen(os.open(path, os.O_RDONLY | _OPTIONS), "rb")
    except FileNotFoundError as error:
        found = "is a link to nowhere" if path.is_symlink() else "does not exist"
        raise PictureError(f"{path} {found}.") from error
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror or error}.") from error
    try:
        _regular(path, os.fstat(file.fileno()))
    except PictureError:
        file.close()
        raise
    return file


_OPTIONS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _regular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise PictureError(f"{path} is not a regular file.")
    if found.st_size == 0:
        raise PictureError(f"{path} is empty (0 bytes).")


def write_atomic(path: Path, data: bytes, ready: Callable[[os.stat_result], None] = lambda written: None) -> None:
    """Write to a temporary name beside ``path``, flush to disk, rename: the file is whole or not there.

    ready: is called with what is on disk, just before it takes its name.
    """
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        ready(temporary.stat())
        temporary.replace(path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A hidden name beside ``path`` that no other thread or process uses."""
    # 50 characters are at most 200 of the 255 bytes that a name may have.
    return path.with_name(f".{path.name[:50]}.{os.getpid()}-{threading.get_native_id()}.part")


def flush_folder(folder: Path) -> None:
    """Make a rename outlast a power cut. Windows cannot open a folder, and has no need to."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
