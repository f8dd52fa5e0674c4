"""Reading and writing of files: only regular files are read, and files and folders are written atomically."""

import errno
import os
import re
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from i2i.errors import ImageError
from i2i.images.shards import open_member

_ADDRESS = re.compile(r"(https?|ftp|s3|gs|data):", re.IGNORECASE)
_NAME_CHARACTERS = 50  # at most 200 of the 255 bytes that a name may have
_UNFINISHED = re.compile(r"\.(.+)\.(\d+)(-\d+\.part|\.unfinished)", re.DOTALL)  # the temporary names below
# Opening a FIFO without O_NONBLOCK would wait for a writer.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading. Raises ImageError if it is missing, empty or not a regular file.

    This never waits for a FIFO or a device, even if one replaces the file between the check and the opening. A path may
    lead into a shard, see ``shards``.
    """
    if (member := open_member(path)) is not None:
        return member
    try:
        _check_regular(path, path.stat())
        file = os.fdopen(os.open(path, _OPEN_FLAGS), "rb")
    except FileNotFoundError as error:
        if path.is_symlink():
            raise ImageError(f"{path} is a symbolic link to a missing file.") from error
        raise ImageError(describe_missing(path)) from error
    except OSError as error:
        reason = "is a link to itself" if error.errno == errno.ELOOP else f"cannot be opened: {error.strerror or error}"
        raise ImageError(f"{path} {reason}.") from error
    try:
        _check_regular(path, os.fstat(file.fileno()))
    except ImageError:
        file.close()
        raise
    return file


def describe_missing(path: Path) -> str:
    """Return the message about a file or folder that does not exist."""
    if _ADDRESS.match(str(path)):
        return f"{path} is an address, and i2i reads files only. Download the image, and give the name of the file."
    return f"{path} does not exist."


def _check_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is not a regular file.")
    if status.st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes).")


def write_atomic(
    path: Path, data: bytes | memoryview, before_rename: Callable[[os.stat_result], None] = lambda status: None
) -> None:
    """Write a file so that it is either complete or absent: to a temporary name, flushed to disk, then renamed.

    Args:
        path: the file to write; an existing one is replaced.
        data: its content.
        before_rename: called with the status of the temporary file just before it is renamed.
    """
    temporary = temporary_path(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        before_rename(temporary.stat())
        temporary.replace(path)
        fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Return a hidden name beside ``path`` that no other thread or process uses."""
    return path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{os.getpid()}-{threading.get_native_id()}.part")


def is_temporary(path: Path) -> bool:
    """Return whether ``temporary_path`` made this name."""
    return re.fullmatch(r"\..+\.\d+-\d+\.part", path.name, re.DOTALL) is not None


def remove_unfinished(folders: Iterable[Path], target_name: str = "") -> None:
    """Remove temporary files and folders of processes that were killed while they wrote.

    Those of running processes stay.

    Args:
        folders: where to look; not below them.
        target_name: name of the file or folder that was being written; "" for any.
    """
    for folder in folders:
        with suppress(OSError):
            for path in folder.iterdir():
                match = _UNFINISHED.fullmatch(path.name)
                if match is None or _is_alive(int(match[2])):
                    continue
                is_file = match[3].endswith(".part")
                if target_name[: _NAME_CHARACTERS if is_file else None] not in ("", match[1]):
                    continue
                if is_file:
                    path.unlink()
                elif target_name and not path.is_symlink():
                    shutil.rmtree(path)


def _is_alive(process_id: int) -> bool:
    """Return whether another process of this id runs. Always False on Windows, where the check would end it."""
    if os.name != "posix" or process_id == os.getpid():
        return False
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def temporary_folder(path: Path, hidden: Path | None = None) -> Iterator[Path]:
    """Yield a new folder beside ``path``. The remaining content is removed at the end.

    The folders that killed processes left beside the same ``path`` are removed first.

    Args:
        path: the folder that will hold the content.
        hidden: path of the new folder; by default a hidden name that no other process uses.
    """
    folder = hidden or path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    remove_unfinished([path.parent], path.name)
    shutil.rmtree(folder, ignore_errors=True)  # left by an earlier process with the same id
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic_folder(path: Path, hidden: Path | None = None) -> Iterator[Path]:
    """Yield a new hidden folder, which is renamed to ``path`` at the end, or removed after an exception.

    Args:
        path: the folder to write; it may exist if it is empty.
        hidden: path of the hidden folder; by default a name beside ``path`` that no other process uses.
    """
    with temporary_folder(path, hidden) as folder:
        yield folder
        rename_folder(folder, path)


def rename_folder(source: Path, target: Path) -> None:
    """Rename a folder. An empty folder at ``target`` is replaced."""
    if target.exists():
        target.rmdir()  # Windows cannot rename onto an existing folder
    source.rename(target)


def fsync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a rename survives a power cut. Windows cannot open folders and needs no flush."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
