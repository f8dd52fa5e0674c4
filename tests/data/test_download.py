import errno
import json
import socket
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from filelock import FileLock

import i2i.data.partial_file as module
from i2i.data.download import download
from i2i.data.download_log import Received
from i2i.errors import DownloadError, I2IError
from tests.data.conftest import Fetch
from tests.data.http_site import BODY, SHA256, Site

HALF = len(BODY) // 2


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
    assert site.requests[1]["Range"] == f"bytes={len(BODY)}-"  # whether more follows


def test_a_short_body_of_unknown_length_is_continued(site: Site, path: Path, fetch: Fetch) -> None:
    site.sends_length, site.cuts = False, [HALF, 0]
    assert fetch() == SHA256
    assert path.read_bytes() == BODY


def test_a_body_of_unknown_length_is_refused_if_its_end_cannot_be_confirmed(
    site: Site, path: Path, fetch: Fetch
) -> None:
    site.sends_length, site.supports_ranges = False, False
    with pytest.raises(DownloadError, match="does not confirm that these are all"):
        fetch()
    assert not path.exists()
    assert fetch(sha256=SHA256) == SHA256


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


def test_a_complete_partial_file_of_known_checksum_is_used_without_a_request(site: Site, fetch: Fetch) -> None:
    interrupt(fetch, len(BODY))
    assert fetch(sha256=SHA256) == SHA256
    assert len(site.requests) == 1


def test_of_a_complete_partial_file_of_unknown_checksum_the_last_byte_is_requested(site: Site, fetch: Fetch) -> None:
    interrupt(fetch, len(BODY))
    assert fetch() == SHA256
    assert site.requests[1]["Range"] == f"bytes={len(BODY) - 1}-"


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


def test_what_a_download_left_that_was_killed_at_its_end_is_removed(path: Path, fetch: Fetch) -> None:
    fetch()
    leftovers = [path.with_name(path.name + suffix) for suffix in (".part", ".part.json", ".lock")]
    for leftover in leftovers:
        leftover.touch()
    with FileLock(leftovers[2]):
        fetch()
        assert all(leftover.exists() for leftover in leftovers)
    for leftover in leftovers:
        leftover.touch()
    fetch()
    assert list(path.parent.iterdir()) == [path]


def test_two_downloads_of_one_file_do_not_mix(path: Path, fetch: Fetch) -> None:
    with module.PartialFile(path), pytest.raises(DownloadError, match="Another process"):
        fetch()


@pytest.mark.parametrize("sends_length", [True, False])
def test_an_empty_body_is_refused(site: Site, path: Path, fetch: Fetch, sends_length: bool) -> None:
    site.body, site.sends_length = b"", sends_length
    with pytest.raises(DownloadError, match=r"is empty|sent no data"):
        fetch()
    assert file_names(path) == []


def test_an_existing_empty_file_is_refused(path: Path, fetch: Fetch) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(DownloadError, match="is empty"):
        fetch()


@pytest.mark.parametrize("validator", ['"one"', None])
def test_the_length_of_the_first_response_holds_for_later_ones_without_a_length(
    site: Site, path: Path, fetch: Fetch, validator: str | None
) -> None:
    site.etag, site.supports_ranges, site.cuts = validator, False, [HALF, 10, 10, 10, 10]
    site.changes = [{}, *[{"Content-Length": None}] * 4]
    with pytest.raises(DownloadError, match=f"10 of {len(BODY)} bytes"):
        fetch()
    assert not path.exists()


def test_bytes_that_the_next_call_cannot_continue_are_not_kept(site: Site, path: Path, fetch: Fetch) -> None:
    site.etag, site.cuts = None, [HALF] * 5
    with pytest.raises(DownloadError, match=f"{HALF} of {len(BODY)} bytes.$"):
        fetch()
    assert file_names(path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"ETag": '"two"'},
        {"ETag": None},
        {"Last-Modified": "Wed, 02 Aug 2017 10:00:00 GMT"},
        {"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/{len(BODY) + 1}"},
        {"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/*"},
        {"Content-Range": f"bytes {HALF}-{HALF}/{len(BODY)}"},
        {"Content-Range": f"bytes {HALF + 1}-{len(BODY) - 1}/{len(BODY)}"},
        {"Content-Range": "bytes"},
        {"Content-Range": None},
    ],
)
def test_a_part_that_may_be_of_another_version_is_never_added(
    site: Site, path: Path, fetch: Fetch, change: dict[str, str | None]
) -> None:
    site.last_modified, site.cuts, site.changes = "Tue, 01 Aug 2017 10:00:00 GMT", [HALF], [{}, change]
    assert fetch() == SHA256
    assert "Range" in site.requests[1]
    assert "Range" not in site.requests[2]
    assert path.read_bytes() == BODY


def test_a_file_modified_in_the_second_of_the_response_is_not_continued(site: Site, fetch: Fetch) -> None:
    now = formatdate(time.time() + 60, usegmt=True)
    site.etag, site.last_modified, site.cuts = None, now, [HALF]
    assert fetch() == SHA256
    assert "Range" not in site.requests[1]


def test_shorter_ranges_than_requested_are_joined(site: Site, path: Path, fetch: Fetch) -> None:
    quarter = HALF + HALF // 2
    part = {"Content-Range": f"bytes {HALF}-{quarter - 1}/{len(BODY)}", "Content-Length": str(quarter - HALF)}
    site.cuts, site.changes = [HALF, quarter - HALF], [{}, part]
    assert fetch() == SHA256
    assert site.requests[2]["Range"] == f"bytes={quarter}-"


@pytest.mark.parametrize(
    "version",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"url": URL, "etag": 1, "length": 512000}',
        '{"url": URL, "etag": "\\"a\\r\\nX: y\\"", "length": 512000}',
        '{"url": URL, "etag": "\\"\\ud800\\"", "length": 512000}',
        '{"url": URL, "validator": ["one"], "length": 512000}',
        '{"url": URL, "etag": "\\"one\\"", "length": "x"}',
        '{"url": URL, "etag": "\\"one\\"", "length": true}',
        '{"url": URL, "etag": "\\"one\\"", "length": -1}',
        '{"url": URL, "etag": "\\"one\\"", "length": 1000}',
        '{"url": URL, "etag": "\\"one\\"", "length": 1}',
        '{"url": URL, "etag": "\\"one\\"", "length": ' + "9" * 4200 + "}",
        '{"url": URL, "last_modified": "\\u00e4\\n", "length": 512000}',
        '{"url": 1, "etag": "\\"one\\"", "length": 512000}',
    ],
)
def test_a_damaged_record_of_the_version_does_no_harm(site: Site, path: Path, fetch: Fetch, version: str) -> None:
    interrupt(fetch, HALF)
    path.with_name("set.zip.part").write_bytes(BODY[:1000])
    path.with_name("set.zip.part.json").write_text(version.replace("URL", f'"{site.url}"'))
    assert fetch() == SHA256
    assert file_names(path) == ["set.zip"]


@pytest.mark.parametrize("validator", ['"one"', "Tue, 01 Aug 2017 10:00:00 GMT"])
def test_a_partial_file_of_an_earlier_release_is_continued(
    site: Site, path: Path, fetch: Fetch, validator: str
) -> None:
    site.last_modified = "Tue, 01 Aug 2017 10:00:00 GMT"
    site.etag = '"one"' if validator == '"one"' else None
    path.parent.mkdir()
    path.with_name("set.zip.part").write_bytes(BODY[:HALF])
    record = {"url": site.url, "validator": validator, "length": len(BODY)}
    path.with_name("set.zip.part.json").write_text(json.dumps(record))
    assert fetch() == SHA256
    assert site.requests[0]["Range"] == f"bytes={HALF}-"


def test_a_file_larger_than_any_dataset_is_refused(site: Site, fetch: Fetch) -> None:
    site.changes = [{"Content-Length": str(10**15)}]
    with pytest.raises(DownloadError, match="at most"):
        fetch()


def test_another_file_than_the_one_received_before_is_refused(site: Site, path: Path, fetch: Fetch) -> None:
    before = Received(SHA256, len(BODY), "2026-01-02T00:00:00+00:00")
    assert fetch(earlier=before) == SHA256
    path.unlink()
    site.body = BODY[::-1]
    with pytest.raises(DownloadError, match=rf"not that of the file from 2026-01-02 .*{SHA256}.*--allow-changed"):
        fetch(earlier=before)
    site.body = BODY[:-1]
    with pytest.raises(DownloadError, match=f"has {len(BODY) - 1} bytes, not those of the file from 2026-01-02"):
        fetch(earlier=before)
    assert file_names(path) == []
