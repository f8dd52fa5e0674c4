"""Download one file over HTTP: resumable, verified, and renamed to its final name when it is complete."""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from i2i.data.partial_file import PartialFile, RemoteVersion
from i2i.errors import DownloadError

Progress = Callable[[int, int | None], None]  # receives (bytes so far, total bytes or None)

CHUNK = 64 * 2**10
MAX_BYTES = 64 * 2**30
FIRST_RETRY_DELAY = 1.0  # seconds; doubled for each further try
_HEADERS = {"User-Agent": "i2i", "Accept-Encoding": "identity"}
_RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}


def download(
    url: str,
    path: Path,
    *,
    bytes: int | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    attempts: int = 4,
    timeout: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Download ``url`` to ``path``.

    An unfinished download is kept as PATH.part. The next call continues it if the server still has the same file. An
    existing ``path`` is verified and kept.

    Args:
        url: an http or https address.
        path: the file to write.
        bytes: expected size, or None if unknown.
        sha256: expected checksum in hex digits, or None if unknown.
        progress: receives (bytes so far, total bytes or None).
        attempts: consecutive tries that may fail without new bytes.
        timeout: seconds without data after which a try fails.
        sleep: called with the seconds between two tries.

    Returns: the SHA-256 of the file in hex digits.

    Raises:
        DownloadError: the download failed, or the file is not the expected one.
    """
    expected = _Expected(url, bytes, sha256)
    if path.exists():
        digest, mismatch = expected.compare(path)
        if not mismatch:
            return digest
        raise DownloadError(f"{path} exists, but {mismatch}. Move it away, then run the same command again.")
    with PartialFile(path) as part:
        _fetch_with_retries(part, partial(_fetch, expected, part, progress, timeout), attempts, sleep)
        digest, mismatch = expected.compare(part.path)
        if mismatch:
            part.discard()
            raise DownloadError(
                f"{url} was downloaded, but {mismatch}. The received data was deleted. Try again; if the error "
                "persists, the file on the server is not the one that i2i expects."
            )
        part.finish()
    return digest


class _Interrupted(Exception):
    """A try failed for a reason that may be temporary."""


@dataclass(frozen=True)
class _Expected:
    """The expected file: address, and size and checksum where they are known."""

    url: str
    bytes: int | None
    sha256: str | None

    def compare(self, path: Path) -> tuple[str, str | None]:
        """Return the SHA-256 of a file, and how it differs from the expected file (None if it does not)."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        if self.bytes is not None and size != self.bytes:
            return digest, f"it has {size} bytes, expected {self.bytes}"
        if self.sha256 is not None and digest != self.sha256.lower():
            return digest, f"its SHA-256 is {digest}, expected {self.sha256}"
        return digest, None


def _fetch_with_retries(
    part: PartialFile, fetch: Callable[[], None], attempts: int, sleep: Callable[[float], None]
) -> None:
    """Call ``fetch`` until it succeeds, or until ``attempts`` consecutive tries brought no new bytes."""
    largest = part.size
    failures = 0
    while True:
        try:
            return fetch()
        except _Interrupted as error:
            failures = 0 if part.size > largest else failures + 1
            largest = max(largest, part.size)
            if failures >= attempts:
                kept = f" {part.size} bytes are kept; the same command continues from there." if part.size else ""
                raise DownloadError(f"{error}.{kept}") from error
        sleep(FIRST_RETRY_DELAY * 2 ** max(failures - 1, 0))


def _fetch(expected: _Expected, part: PartialFile, progress: Progress | None, timeout: float) -> None:
    """Send one request for the missing bytes. Raises _Interrupted if a further request may succeed."""
    known = part.version
    resumable = known and known.url == expected.url and (known.validator or expected.sha256)
    start = part.size if resumable else 0
    headers = dict(_HEADERS)
    if known and start:
        if start == (expected.bytes or known.length):
            return
        headers["Range"] = f"bytes={start}-"
        if known.validator:
            headers["If-Range"] = known.validator
    with _open(urllib.request.Request(expected.url, headers=headers), timeout) as response:
        version = RemoteVersion.of(expected.url, response)
        continued = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 200:
            _check_response(expected, version, response)
            part.restart(version)
        elif not (response.status == 206 and known and continued and known.agrees(version)):
            part.restart(version)
            raise _Interrupted(f"{expected.url} has changed since the download began")
        total = expected.bytes or version.length
        _receive(response, part, expected.url, total, progress)
    if total and part.size < total:
        raise _Interrupted(f"{expected.url} ended after {part.size} of {total} bytes")


def _receive(
    response: http.client.HTTPResponse, part: PartialFile, url: str, total: int | None, progress: Progress | None
) -> None:
    limit = total or MAX_BYTES
    while data := _read(response, url):
        if part.size + len(data) > limit:
            part.discard()
            raise DownloadError(f"{url} sends more than the expected {limit} bytes. The download was cancelled.")
        part.write(data)
        if progress:
            progress(part.size, total)


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"{url} stopped: {_reason(error)}") from error


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """Return the response to a request: 2xx, or 416 if the range begins after the end of the file."""
    if request.type not in ("http", "https"):
        raise DownloadError(f"{request.full_url} is not an http:// or https:// address.")
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and request.has_header("Range"):
            return error  # type: ignore[return-value]  # it has the status and headers of a response
        error.close()
        failure = f"{request.full_url} cannot be downloaded: the server answered {error.code} {error.reason}"
        if error.code in _RETRIED_STATUSES:
            raise _Interrupted(failure) from error
        raise DownloadError(f"{failure}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"{request.full_url} cannot be reached: {_reason(error)}") from error


def _check_response(expected: _Expected, version: RemoteVersion, response: http.client.HTTPResponse) -> None:
    """Raise DownloadError for a login page or a file of the wrong size, before received bytes are overwritten."""
    if response.headers.get_content_type() == "text/html":
        raise DownloadError(
            f"{expected.url} returned a web page, expected a file. A proxy or a login page may have answered."
        )
    if expected.bytes is not None and version.length not in (None, expected.bytes):
        raise DownloadError(
            f"{expected.url} has {version.length} bytes, expected {expected.bytes}: "
            "the file on the server is not the one that i2i expects."
        )


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error  # urllib wraps the original error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
