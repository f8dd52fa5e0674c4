"""The temporary folder of one server, and the deletion of folders whose server has ended without doing so."""

import contextlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "i2i-demo-"
_LOCK_NAME = ".lock"
_STARTUP_SECONDS = 3600.0  # in which a new folder may still be without its lock


class UploadFolder:
    """A new temporary folder, locked as long as this process lives. The system releases the lock of a killed process.

    Attributes:
        path: the folder.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        self._lock = FileLock(self.path / _LOCK_NAME, timeout=0)
        self._lock.acquire()

    def delete(self) -> None:
        """Delete the folder with all its files."""
        _delete_content(self.path)
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def sweep_stale_folders() -> list[Path]:
    """Delete the folders of this user's servers that have ended, and return their paths.

    A folder of a running server, of another user, or without a lock that this module made is left alone.
    """
    swept = list[Path]()
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or not _is_own(status):
                continue
            if (path / _LOCK_NAME).is_symlink() or not (path / _LOCK_NAME).is_file():
                if time.time() - status.st_mtime > _STARTUP_SECONDS:
                    path.rmdir()  # only if it is empty: its server was killed before it made the lock
                continue
            with FileLock(path / _LOCK_NAME, timeout=0):
                _delete_content(path)
                shutil.rmtree(path)
            swept.append(path)
    return swept


def _delete_content(folder: Path) -> None:
    """Delete all but the lock, which tells later servers that they may delete what is left if this is interrupted."""
    for path in folder.iterdir():
        if path.name == _LOCK_NAME:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_own(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()
