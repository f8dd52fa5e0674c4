"""Download one file over HTTP: resumable, verified, and renamed to its final name when it is complete."""

import hashlib
import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from i2i.data.download_log import Received
from i2i.data.http_request import Interrupted, open_url, read_chunk
from i2i.data.partial_file import PartialFile
from i2i.data.remote_version import ContentRange, RemoteVersion
from i2i.errors import DownloadError

Progress = Callable[[int, int | None], None]  # receives (bytes so far, total bytes or None)

CHUNK = 64 * 2**10
MAX_BYTES = 64 * 2**30
FIRST_RETRY_DELAY = 1.0  # seconds; doubled for each further try


def download(
    url: str,
    path: Path,
    *,
    bytes: int | None = None,
    sha256: str | None = None,
    earlier: Received | None = None,
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
        earlier: what the same address gave before. If ``sha256`` is None, the file must be the same. None: unknown.
        progress: receives (bytes so far, total bytes or None).
        attempts: consecutive tries that may fail without new bytes.
        timeout: seconds without data after which a try fails.
        sleep: called with the seconds between two tries.

    Returns: the SHA-256 of the file in hex digits.

    Raises:
        DownloadError: the download failed, or the file is not the expected one.
    """
    expected = _Expected(url, bytes, sha256, earlier if sha256 is None else None)
    if path.exists():
        digest, mismatch = expected.compare(path)
        if mismatch:
            raise DownloadError(f"{path} exists, but {mismatch}. Move it away, then run the same command again.")
        PartialFile(path).remove_leftovers()
        return digest
    with PartialFile(path) as part:
        _fetch_with_retries(expected, part, partial(_fetch, expected, part, progress, timeout), attempts, sleep)
        digest, mismatch = expected.compare(part.path)
        if mismatch:
            part.discard()
            raise DownloadError(
                f"{url} was downloaded, but {mismatch}. The received data was deleted. Try again; if the error "
                "persists, the file on the server is not the one that i2i expects."
            )
        part.finish()
    return digest


@dataclass(frozen=True)
class _Expected:
    """The expected file: address; size and checksum where they are known; what was received from there before."""

    url: str
    bytes: int | None
    sha256: str | None
    earlier: Received | None = None

    @property
    def has_checksum(self) -> bool:
        return self.sha256 is not None or self.earlier is not None

    def compare(self, path: Path) -> tuple[str, str | None]:
        """Return the SHA-256 of a file, and how it differs from the expected file (None if it does not)."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        if size == 0:
            return digest, "it is empty (0 bytes)"
        if self.bytes is not None and size != self.bytes:
            return digest, f"it has {size} bytes, expected {self.bytes}"
        if self.sha256 is not None and digest != self.sha256.lower():
            return digest, f"its SHA-256 is {digest}, expected {self.sha256}"
        if self.earlier is not None and digest != self.earlier.sha256:
            return digest, f"its SHA-256 is {digest}, not that of the file from {self.earlier.describe()}"
        return digest, None

    def check_response(self, version: RemoteVersion, response: http.client.HTTPResponse) -> None:
        """Raise DownloadError for a login page or a file of the wrong size, before received bytes are overwritten."""
        if response.headers.get_content_type() == "text/html":
            raise DownloadError(
                f"{self.url} returned a web page, expected a file. A proxy or a login page may have answered."
            )
        if version.length == 0:
            raise DownloadError(f"{self.url} is empty (0 bytes), expected a file.")
        if version.length is not None and version.length > MAX_BYTES:
            raise DownloadError(f"{self.url} has {version.length} bytes. i2i downloads at most {MAX_BYTES}.")
        if version.length in (None, self.bytes):
            return
        if self.bytes is not None:
            raise DownloadError(
                f"{self.url} has {version.length} bytes, expected {self.bytes}: "
                "the file on the server is not the one that i2i expects."
            )
        if self.earlier is not None and version.length != self.earlier.bytes:
            raise DownloadError(
                f"{self.url} has {version.length} bytes, not those of the file from {self.earlier.describe()}."
            )


def _fetch_with_retries(
    expected: _Expected,
    part: PartialFile,
    fetch: Callable[[], None],
    attempts: int,
    sleep: Callable[[float], None],
) -> None:
    """Call ``fetch`` until it succeeds, or until ``attempts`` consecutive tries brought no new bytes."""
    largest = part.size
    failures = 0
    while True:
        try:
            return fetch()
        except Interrupted as error:
            failures = 0 if part.size > largest else failures + 1
            largest = max(largest, part.size)
            if failures >= attempts:
                if _first_missing_byte(expected, part, part.version):
                    kept = f"{part.size} bytes are kept; the same command continues from there."
                    raise DownloadError(f"{error}. {kept}") from error
                part.discard()  # the server gave nothing by which the next call could continue
                raise DownloadError(f"{error}.") from error
        sleep(FIRST_RETRY_DELAY * 2 ** max(failures - 1, 0))


def _fetch(expected: _Expected, part: PartialFile, progress: Progress | None, timeout: float) -> None:
    """Send one request for the missing bytes. Raises Interrupted if a further request may succeed."""
    known = part.version
    start = _first_missing_byte(expected, part, known)
    headers = {}
    if known and start:
        if start == (expected.bytes or known.length):
            return
        headers["Range"] = f"bytes={start}-"
        if known.validator:
            headers["If-Range"] = known.validator
    with open_url(expected.url, headers, timeout) as response:
        version = RemoteVersion.of(expected.url, response)
        content_range = ContentRange.of(response)
        if response.status == 200:
            expected.check_response(version, response)
            if version.length is None and known and known.agrees(version, strictly=False):
                version = replace(version, length=known.length)  # as an earlier response said
            part.restart(version)
        elif not (
            known
            and response.status == 206
            and content_range
            and content_range.start == start
            and known.agrees(version, strictly=not expected.has_checksum)
        ):
            part.restart(RemoteVersion(expected.url))
            raise Interrupted(f"{expected.url} has changed since the download began")
        total = expected.bytes or version.length
        part.truncate(start if response.status == 206 else 0)
        _receive(response, part, expected.url, total, progress)
        has_end = total is not None or response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if part.size == 0:
        raise Interrupted(f"{expected.url} sent no data")
    if total and part.size < total:
        raise Interrupted(f"{expected.url} ended after {part.size} of {total} bytes")
    if not has_end and not expected.has_checksum:
        _confirm_end(expected.url, part.size, timeout)


def _confirm_end(url: str, size: int, timeout: float) -> None:
    """Ask for the bytes after a body of unknown length, which may be the start of a file.

    Raises:
        Interrupted: there are more, or the server does not say.
    """
    with open_url(url, {"Range": f"bytes={size}-"}, timeout) as response:
        ends_here = response.headers.get("Content-Range", f"bytes */{size}") == f"bytes */{size}"
        if response.status != 416 or not ends_here:
            raise Interrupted(f"{url} ended after {size} bytes, and the server does not confirm that these are all")


def _first_missing_byte(expected: _Expected, part: PartialFile, known: RemoteVersion | None) -> int:
    """Return the number of received bytes that can be kept."""
    if not known or known.url != expected.url or not (known.validator or expected.has_checksum):
        return 0
    if part.size and part.size == known.length and not expected.has_checksum:
        return part.size - 1  # the last byte is requested again, to learn whether the file has this length
    return part.size


def _receive(
    response: http.client.HTTPResponse, part: PartialFile, url: str, total: int | None, progress: Progress | None
) -> None:
    limit = total or MAX_BYTES
    while data := read_chunk(response, url, CHUNK):
        if part.size + len(data) > limit:
            part.discard()
            raise DownloadError(f"{url} sends more than the expected {limit} bytes. The download was cancelled.")
        part.write(data)
        if progress:
            progress(part.size, total)
