"""Download one file over HTTP: resumed where it stopped, checked, and under its own name only when whole."""

import errno
import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Self

from i2i.errors import DownloadError, I2IError

try:
    import fcntl
except ImportError:  # Windows: two downloads of one file at a time are not noticed there
    fcntl = None  # type: ignore[assignment]

Progress = Callable[[int, int | None], None]

CHUNK = 64 * 2**10
MAX_BYTES = 64 * 2**30
FIRST_PAUSE = 1.0  # seconds; doubled at every further try
_HEADERS = {"User-Agent": "i2i", "Accept-Encoding": "identity"}
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


def download(
    url: str,
    path: Path,
    *,
    bytes: int | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    attempts: int = 4,
    timeout: float = 30.0,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Make ``path`` the file at ``url``; returns its SHA-256 in hex digits.

    bytes, sha256: what the file has to be, where that is known. progress(bytes so far, bytes in all or None).
    attempts: tries in a row that may bring nothing new, with wait(seconds) between them. timeout: seconds of
    silence. Until the end the file is PATH.part: an interrupted download continues from it the next time,
    if the server still has that same file. A ``path`` that exists is checked and kept.
    """
    wanted = _Wanted(url, bytes, sha256)
    if path.exists():
        digest, wrong = wanted.compare(path)
        if not wrong:
            return digest
        raise DownloadError(f"{path} exists, but {wrong}. Move it away, then run the same command again.")
    with _Part(path) as part:
        _until_whole(part, partial(_fetch, wanted, part, progress, timeout), attempts, wait)
        digest, wrong = wanted.compare(part.path)
        if wrong:
            part.discard()
            raise DownloadError(
                f"{url} was downloaded, but {wrong}. What arrived was deleted. Try once more; if this "
                "happens again, the file on the server is not the one that i2i knows."
            )
        part.finish()
    return digest


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Says an OSError met while writing ``path`` as an I2IError that tells what to do next."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise I2IError(
                f"The disk is full: {path} cannot be written. Free some space, then run the same command "
                "again; a download continues where it stopped."
            ) from error
        raise I2IError(f"{path} cannot be written: {error.strerror or error}.") from error


class _Interrupted(Exception):
    """A try ended early, for a reason that may pass."""


@dataclass(frozen=True)
class _Wanted:
    """A file at an address, with its length in bytes and its SHA-256 where they are known."""

    url: str
    bytes: int | None
    sha256: str | None

    def compare(self, path: Path) -> tuple[str, str | None]:
        """The SHA-256 of a file, and how the file differs from what is wanted (None: it does not)."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        if self.bytes is not None and size != self.bytes:
            return digest, f"it has {size} bytes, expected {self.bytes}"
        if self.sha256 is not None and digest != self.sha256.lower():
            return digest, f"its SHA-256 is {digest}, expected {self.sha256}"
        return digest, None


@dataclass(frozen=True)
class _Version:
    """Which state of the file a part belongs to. validator: what If-Range takes; length: of all, in bytes."""

    url: str
    validator: str | None
    length: int | None

    @classmethod
    def of(cls, url: str, response: http.client.HTTPResponse) -> "_Version":
        etag = response.headers.get("ETag")
        # RFC 9110, 13.1.5: a weak tag may stand for other bytes, and must not be used to resume.
        validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
        total = response.headers.get("Content-Length", "")
        if response.status == 206:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
        return cls(url, validator, int(total) if re.fullmatch(r"[0-9]{1,18}", total) else None)

    def agrees(self, other: "_Version") -> bool:
        """True where nothing that both versions state differs."""
        pairs = ((self.url, other.url), (self.validator, other.validator), (self.length, other.length))
        return all(a is None or b is None or a == b for a, b in pairs)


class _Part:
    """PATH.part, the beginning of a file, and PATH.part.json, the version of the file that it begins."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.notes = target.with_name(target.name + ".part.json")
        with storage(self.path):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        with suppress(FileNotFoundError):  # the other process may rename or remove it just now
            here = self.file.fileno()
            if _locked(here) and os.path.samestat(os.fstat(here), self.path.stat()):
                return self
        self.file.close()
        raise DownloadError(f"Another process is downloading {self.target}. Wait until it has finished.")

    def __exit__(self, *_: object) -> None:
        if not self.file.closed and self.size == 0:
            self.discard()
        self.file.close()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return os.fstat(self.file.fileno()).st_size

    @property
    def version(self) -> _Version | None:
        """What the part belongs to; None where that is not known."""
        try:
            noted = json.loads(self.notes.read_text(encoding="utf-8"))
            return _Version(str(noted["url"]), noted["validator"], noted["length"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, version: _Version) -> None:
        """Start again from nothing, with a version of the file."""
        with storage(self.notes):
            self.file.truncate(0)
            self.notes.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with storage(self.path):
            while view:
                view = view[self.file.write(view) :]

    def discard(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the file its own name, once its bytes are on the disk."""
        with storage(self.target):
            os.fsync(self.file.fileno())
            self.file.close()
            self.path.replace(self.target)
        self.notes.unlink(missing_ok=True)


def _until_whole(part: _Part, fetch: Callable[[], None], attempts: int, wait: Callable[[float], None]) -> None:
    """Fetch until the part is whole, or until ``attempts`` tries in a row have brought nothing new."""
    best, in_vain = part.size, 0
    while True:
        try:
            return fetch()
        except _Interrupted as error:
            in_vain = 0 if part.size > best else in_vain + 1
            best = max(best, part.size)
            if in_vain >= attempts:
                kept = f" {part.size} bytes are kept; the same command continues from there."
                raise DownloadError(f"{error}.{kept if part.size else ''}") from error
        wait(FIRST_PAUSE * 2 ** max(in_vain - 1, 0))


def _fetch(wanted: _Wanted, part: _Part, progress: Progress | None, timeout: float) -> None:
    """One request, for what the part still lacks; raises _Interrupted where another may help."""
    known = part.version
    resumable = known and known.url == wanted.url and (known.validator or wanted.sha256)
    start = part.size if resumable else 0
    headers = dict(_HEADERS)
    if known and start:
        if start == (wanted.bytes or known.length):
            return
        headers["Range"] = f"bytes={start}-"
        if known.validator:
            headers["If-Range"] = known.validator
    with _open(urllib.request.Request(wanted.url, headers=headers), timeout) as response:
        version = _Version.of(wanted.url, response)
        continued = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 200:
            _refuse_another_file(wanted, version, response)
            part.begin(version)
            start = 0
        elif not (response.status == 206 and known and continued and known.agrees(version)):
            part.begin(version)
            raise _Interrupted(f"{wanted.url} has changed since the download began")
        total = wanted.bytes or version.length
        limit = total or MAX_BYTES
        while data := _read(response, wanted.url):
            if part.size + len(data) > limit:
                part.discard()
                raise DownloadError(f"{wanted.url} sends more than the expected {limit} bytes: refused.")
            part.write(data)
            if progress:
                progress(part.size, total)
    if total and part.size < total:
        raise _Interrupted(f"{wanted.url} ended after {part.size} of {total} bytes")


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"{url} stopped: {_reason(error)}") from error


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """The answer to a request: 2xx, or 416 where the range is past the end of the file."""
    if request.type not in ("http", "https"):
        raise DownloadError(f"{request.full_url} is not an http:// or https:// address.")
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and request.has_header("Range"):
            return error  # type: ignore[return-value]  # it has the status and headers of a response
        error.close()
        failure = f"{request.full_url} cannot be downloaded: the server answered {error.code} {error.reason}"
        if error.code in _WORTH_ANOTHER_TRY:
            raise _Interrupted(failure) from error
        raise DownloadError(f"{failure}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"{request.full_url} cannot be reached: {_reason(error)}") from error


def _refuse_another_file(wanted: _Wanted, version: _Version, response: http.client.HTTPResponse) -> None:
    """A login page or another file in place of the one wanted: said before anything is overwritten."""
    if response.headers.get_content_type() == "text/html":
        raise DownloadError(f"{wanted.url} gave a web page, expected a file. Is a proxy or login between?")
    if wanted.bytes is not None and version.length not in (None, wanted.bytes):
        raise DownloadError(
            f"{wanted.url} has {version.length} bytes, expected {wanted.bytes}: "
            "the file on the server is not the one that i2i knows."
        )


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error  # urllib wraps what happened
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _locked(descriptor: int) -> bool:
    """Lock an open file for this process; False where another one holds it."""
    with suppress(OSError):  # some network file systems have no locks
        try:
            if fcntl:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
