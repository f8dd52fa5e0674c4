import errno
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import i2i.data.partial_file as module
from i2i.data.download import download
from i2i.errors import DownloadError, I2IError

BODY = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2
Fetch = Callable[..., str]


@dataclass
class Site:
    """A server of one file that misbehaves on demand.

    Attributes:
        cuts: number of bytes after which each of the next responses breaks off.
        statuses: status codes of the next responses.
    """

    url: str = ""
    body: bytes = BODY
    etag: str | None = '"one"'
    last_modified: str | None = None
    content_type: str = "application/zip"
    supports_ranges: bool = True
    sends_length: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(request.headers))
        start = self._start(request)
        if self.statuses or start > len(self.body):
            request.send_error(self.statuses.pop(0) if self.statuses else 416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        headers = {"ETag": self.etag, "Last-Modified": self.last_modified, "Content-Type": self.content_type}
        if self.sends_length:
            headers["Content-Length"] = str(len(self.body) - start)
        for name, value in headers.items():
            if value:
                request.send_header(name, value)
        request.end_headers()
        request.wfile.write(self.body[start:][: self.cuts.pop(0) if self.cuts else None])

    def _start(self, request: BaseHTTPRequestHandler) -> int:
        """The first byte to send. As in RFC 9110, If-Range with another version means from the start."""
        condition = request.headers.get("If-Range")
        if not self.supports_ranges or (condition and condition not in (self.etag, self.last_modified)):
            return 0
        return int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.respond(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/set.zip"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "set.zip"


@pytest.fixture
def delays() -> list[float]:
    return []


@pytest.fixture
def fetch(site: Site, path: Path, delays: list[float]) -> Fetch:
    def call(**options: Any) -> str:
        return download(site.url, path, sleep=delays.append, **options)

    return call


def interrupt(fetch: Fetch, at: int) -> None:
    """Start a download and interrupt it once ``at`` bytes are received."""

    def progress(received: int, total: int | None) -> None:
        if received >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(progress=progress)


def file_names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_a_complete_download_leaves_one_file_and_returns_its_checksum(path: Path, fetch: Fetch) -> None:
    calls: list[tuple[int, int | None]] = []
    assert fetch(bytes=len(BODY), sha256=SHA256, progress=lambda *call: calls.append(call)) == SHA256
    assert (path.read_bytes(), file_names(path)) == (BODY, ["set.zip"])
    assert calls == sorted(calls)
    assert calls[-1] == (len(BODY), len(BODY))


def test_a_file_of_unknown_length_and_checksum_is_accepted(site: Site, path: Path, fetch: Fetch) -> None:
    site.sends_length = False
    assert fetch() == SHA256
    assert path.read_bytes() == BODY


def test_a_busy_server_is_retried(site: Site, fetch: Fetch, delays: list[float]) -> None:
    site.statuses = [503, 500]
    assert fetch() == SHA256
    assert delays == [1.0, 2.0]


def test_a_broken_connection_continues_with_the_rest_only(
    site: Site, path: Path, fetch: Fetch, delays: list[float]
) -> None:
    site.cuts = [HALF]
    assert fetch(sha256=SHA256) == SHA256
    assert site.requests[1]["Range"] == f"bytes={HALF}-"
    assert site.requests[1]["If-Range"] == '"one"'
    assert path.read_bytes() == BODY
    assert delays == [1.0]


def test_an_interrupted_download_continues_at_the_next_call(site: Site, path: Path, fetch: Fetch) -> None:
    interrupt(fetch, HALF)
    part = path.with_name("set.zip.part").stat().st_size
    assert 0 < part < len(BODY)
    assert not path.exists()
    assert fetch() == SHA256
    assert site.requests[1]["Range"] == f"bytes={part}-"
    assert file_names(path) == ["set.zip"]


def test_a_complete_partial_file_is_used_without_a_request(site: Site, path: Path, fetch: Fetch) -> None:
    interrupt(fetch, len(BODY))
    assert fetch() == SHA256
    assert len(site.requests) == 1


def test_last_modified_is_the_validator_if_the_etag_is_weak(site: Site, fetch: Fetch) -> None:
    site.etag, site.last_modified, site.cuts = 'W/"one"', "Tue, 01 Aug 2017 10:00:00 GMT", [HALF]
    assert fetch() == SHA256
    assert site.requests[1]["If-Range"] == "Tue, 01 Aug 2017 10:00:00 GMT"


def test_without_a_validator_a_download_continues_only_with_a_known_checksum(
    site: Site, path: Path, fetch: Fetch
) -> None:
    site.etag, site.cuts = None, [HALF]
    fetch()
    assert "Range" not in site.requests[1]
    path.unlink()
    site.cuts = [HALF]
    assert fetch(sha256=SHA256) == SHA256
    assert site.requests[3]["Range"] == f"bytes={HALF}-"


def test_without_range_support_the_download_starts_again(site: Site, path: Path, fetch: Fetch) -> None:
    site.supports_ranges, site.cuts = False, [HALF]
    assert fetch(sha256=SHA256) == SHA256
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_file_that_changed_between_tries_is_downloaded_from_the_start(
    site: Site, path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, honours_if_range: bool
) -> None:
    interrupt(fetch, HALF)
    site.body, site.etag = BODY[::-1], '"two"'
    if not honours_if_range:
        monkeypatch.setattr(site, "_start", lambda request: HALF if "Range" in request.headers else 0)
    fetch()
    assert path.read_bytes() == BODY[::-1]


def test_after_a_range_past_the_end_the_download_starts_again(site: Site, path: Path, fetch: Fetch) -> None:
    site.sends_length, site.body = False, BODY + b"more"
    interrupt(fetch, len(BODY))
    site.body = BODY[:HALF]
    fetch()
    assert path.read_bytes() == BODY[:HALF]


def test_a_wrong_checksum_names_both_and_leaves_nothing(path: Path, fetch: Fetch) -> None:
    with pytest.raises(DownloadError, match=f"{SHA256}, expected {'0' * 64}"):
        fetch(sha256="0" * 64)
    assert file_names(path) == []


@pytest.mark.parametrize("expected", [len(BODY) - 1, len(BODY) + 1])
def test_a_wrong_length_is_rejected_before_reading(path: Path, fetch: Fetch, expected: int) -> None:
    with pytest.raises(DownloadError, match=f"{len(BODY)} bytes, expected {expected}"):
        fetch(bytes=expected)
    assert file_names(path) == []


def test_a_body_longer_than_expected_is_rejected(site: Site, path: Path, fetch: Fetch) -> None:
    site.sends_length = False
    with pytest.raises(DownloadError, match=f"more than the expected {HALF} bytes"):
        fetch(bytes=HALF)
    assert file_names(path) == []


def test_after_repeated_short_bodies_the_download_fails_and_keeps_the_partial_file(
    site: Site, path: Path, fetch: Fetch, delays: list[float]
) -> None:
    site.cuts = [HALF, 0, 0, 0]
    with pytest.raises(DownloadError, match=f"{HALF} of {len(BODY)} bytes.*continues from there"):
        fetch(attempts=3)
    assert path.with_name("set.zip.part").stat().st_size == HALF
    assert delays == [1.0, 1.0, 2.0]


def test_a_missing_file_is_not_retried(site: Site, path: Path, fetch: Fetch, delays: list[float]) -> None:
    site.statuses = [404]
    with pytest.raises(DownloadError, match=r"set\.zip cannot be downloaded: the server answered 404"):
        fetch()
    assert (delays, file_names(path)) == ([], [])


def test_a_refused_connection_is_retried_and_then_reported(
    path: Path, delays: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as unused:  # bound but not listening: connections to it are refused
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/set.zip"
        with pytest.raises(DownloadError, match=r"set\.zip cannot be reached: Connection refused"):
            download(url, path, sleep=delays.append)
    assert (delays, file_names(path)) == ([1.0, 2.0, 4.0], [])


def test_a_web_page_instead_of_the_file_keeps_the_partial_file(site: Site, path: Path, fetch: Fetch) -> None:
    interrupt(fetch, HALF)
    site.content_type, site.supports_ranges = "text/html", False
    with pytest.raises(DownloadError, match="web page"):
        fetch()
    assert path.with_name("set.zip.part").stat().st_size >= HALF


def test_addresses_other_than_http_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not an http"):
        download("file:///etc/hostname", tmp_path / "copy")


def test_a_full_disk_is_reported(path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", disk_full)
    with pytest.raises(I2IError, match="disk is full"):
        fetch()
    assert file_names(path) == ["set.zip.part", "set.zip.part.json"]


def test_an_existing_file_is_verified_and_kept(site: Site, path: Path, fetch: Fetch) -> None:
    path.parent.mkdir()
    path.write_bytes(BODY)
    assert fetch(bytes=len(BODY), sha256=SHA256) == SHA256
    path.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="4 bytes, expected"):
        fetch(bytes=len(BODY))
    assert path.read_bytes() == b"mine"
    assert site.requests == []


def test_two_downloads_of_one_file_do_not_mix(path: Path, fetch: Fetch) -> None:
    with module.PartialFile(path), pytest.raises(DownloadError, match="Another process"):
        fetch()
