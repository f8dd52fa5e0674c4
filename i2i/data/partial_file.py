"""The received part of a download, and the version of the remote file that it belongs to."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from i2i.data.disk import disk_errors
from i2i.data.remote_version import RemoteVersion
from i2i.errors import DownloadError
from i2i.json_parsing import JsonError


class PartialFile:
    """PATH.part, the first bytes of a file, and PATH.part.json, the version that they belong to.

    While one process has the context open, PATH.lock keeps others out.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.version_path = target.with_name(target.name + ".part.json")
        self._lock_path = target.with_name(target.name + ".lock")
        self._lock = FileLock(self._lock_path, timeout=0)

    def __enter__(self) -> Self:
        with disk_errors(self.path):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout as error:
                raise DownloadError(
                    f"Another process is downloading {self.target}. Wait until it has finished."
                ) from error
            try:
                self.file = self.path.open("ab", buffering=0)
            except OSError:
                self._unlock()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self.file.closed and self.size == 0:
            self.discard()
        self.file.close()
        self._unlock()

    def _unlock(self) -> None:
        with suppress(OSError):  # Windows removes the file of a lock only when it is released
            self._lock_path.unlink()
        self._lock.release()

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return os.fstat(self.file.fileno()).st_size

    @property
    def version(self) -> RemoteVersion | None:
        """The version that the received bytes belong to, or None if unknown."""
        try:
            return RemoteVersion.from_json(self.version_path.read_bytes())
        except (OSError, JsonError):
            return None

    def restart(self, version: RemoteVersion) -> None:
        """Delete the received bytes, and record the version that is received next."""
        with disk_errors(self.version_path):
            self.file.truncate(0)
            self.version_path.write_text(json.dumps(version.to_json()), encoding="utf-8")

    def truncate(self, size: int) -> None:
        """Delete the received bytes after the first ``size``."""
        with disk_errors(self.path):
            self.file.truncate(size)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with disk_errors(self.path):
            while view:
                view = view[self.file.write(view) :]

    def remove_leftovers(self) -> None:
        """Remove the files beside a complete file that a killed process left, unless another process works on them."""
        if not any(path.exists() for path in (self.path, self.version_path, self._lock_path)):
            return
        with suppress(OSError, Timeout):
            self._lock.acquire()
            self.path.unlink(missing_ok=True)
            self.version_path.unlink(missing_ok=True)
            self._unlock()

    def discard(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)
        self.version_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Flush the file to disk and give it its final name."""
        with disk_errors(self.target):
            os.fsync(self.file.fileno())
            self.file.close()
            self.path.replace(self.target)
        self.version_path.unlink(missing_ok=True)
