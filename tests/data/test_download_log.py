from pathlib import Path

import pytest

from i2i.data.download_log import DownloadLog, Received, default_download_log

URL = "http://example.org/set.zip"


def test_the_last_file_of_an_address_is_found(tmp_path: Path) -> None:
    log = DownloadLog(tmp_path / "new" / "downloads.jsonl")
    assert log.find(URL) is None
    for digest in ("a" * 64, "b" * 64, "b" * 64):
        log.add(URL, digest, 7)
    log.add(URL + "2", "c" * 64, 8)
    found = log.find(URL)
    assert isinstance(found, Received)
    assert (found.sha256, found.bytes) == ("b" * 64, 7)
    assert len(log.path.read_text().splitlines()) == 3


@pytest.mark.parametrize("line", ["[" * 10_000, "1", "{", '{"url": "http://example.org/set.zip"}', "\ud800"])
def test_damaged_lines_are_passed_over(tmp_path: Path, line: str) -> None:
    log = DownloadLog(tmp_path / "downloads.jsonl")
    log.add(URL, "a" * 64, 7)
    with log.path.open("ab") as file:
        file.write(line.encode(errors="surrogatepass"))  # without the end of the line
    log.add(URL, "b" * 64, 7)
    found = log.find(URL)
    assert found
    assert found.sha256 == "b" * 64


def test_a_log_that_cannot_be_written_is_only_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    DownloadLog(tmp_path / "file" / "downloads.jsonl").add(URL, "a" * 64, 7)
    assert "will not be compared" in caplog.text


def test_the_log_is_kept_in_the_users_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_download_log().path == tmp_path / "i2i" / "downloads.jsonl"


def test_a_line_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    path = tmp_path / "downloads.jsonl"
    path.write_text(f'{{"url": "{URL}", "sha256": "ab", "bytes": 7, "date": "2026-11-26T09:00:00+00:00"}}\n')
    assert DownloadLog(path).find(URL) == Received("ab", 7, "2026-11-26T09:00:00+00:00")
