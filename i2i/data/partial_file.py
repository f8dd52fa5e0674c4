"""The received part of a download, and the version of the remote file that it belongs to."""

import http.client
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from i2i.data.disk import disk_errors
from i2i.errors import DownloadError


@dataclass(frozen=True)
class RemoteVersion:
    """A version of the file on the server: validator for If-Range, and total length in bytes."""

    url: str
    validator: str | None
    length: int | None

    @classmethod
    def of(cls, url: str, response: http.client.HTTPResponse) -> "RemoteVersion":
        etag = response.headers.get("ETag")
        # RFC 9110, 13.1.5: a weak ETag must not be used to resume, since it may stand for other bytes.
        validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
        total = response.headers.get("Content-Length", "")
        if response.status == 206:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
        return cls(url, validator, int(total) if re.fullmatch(r"[0-9]{1,18}", total) else None)

    def agrees(self, other: "RemoteVersion") -> bool:
        """Return whether all attributes that both versions have are equal."""
        pairs = ((self.url, other.url), (self.validator, other.validator), (self.length, other.length))
        return all(a is None or b is None or a == b for a, b in pairs)


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
            stored = json.loads(self.version_path.read_text(encoding="utf-8"))
            return RemoteVersion(str(stored["url"]), stored["validator"], stored["length"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def restart(self, version: RemoteVersion) -> None:
        """Delete the received bytes, and record the version that is received next."""
        with disk_errors(self.version_path):
            self.file.truncate(0)
            self.version_path.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with disk_errors(self.path):
            while view:
                view = view[self.file.write(view) :]

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
