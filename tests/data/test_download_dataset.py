import hashlib
import io
import json
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import i2i.data.download_dataset as module
from i2i.data.catalogue import CATALOGUE, CatalogueEntry
from i2i.data.download_dataset import download_dataset
from i2i.errors import DatasetError, DownloadError, I2IError, UsageError

SET = {"trainA/1.jpg": b"horse", "trainB/1.jpg": b"zebra"}


class SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL at which its files are served."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("i2i.data.download.FIRST_RETRY_DELAY", 0.0)
    served = tmp_path / "served"
    served.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SilentHandler, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "datasets" / "tiny"


def zip_of(files: dict[str, bytes], *, top: str = "tiny/") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return buffer.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"tiny/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def add_entry(monkeypatch: pytest.MonkeyPatch, url: str, data: bytes | None = None) -> CatalogueEntry:
    """Add the entry "tiny" to the catalogue; its size and checksum are known if ``data`` is given."""
    entry = CatalogueEntry(
        name="tiny",
        kind="unpaired",
        url=url,
        bytes=None if data is None else len(data),
        sha256=None if data is None else hashlib.sha256(data).hexdigest(),
        folder="tiny",
        summary="two images",
        note="for tests",
    )
    monkeypatch.setitem(CATALOGUE, "tiny", entry)
    return entry


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dataset_is_checked_unpacked_and_described(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zip_of(SET)
    (site[0] / "tiny.zip").write_bytes(data)
    entry = add_entry(monkeypatch, f"{site[1]}/tiny.zip", data)
    calls: list[tuple[int, int | None]] = []
    assert download_dataset("tiny", folder, progress=lambda *call: calls.append(call)) == folder
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").unlink()
    assert read_files(folder) == SET
    assert (about["made_by"], about["url"], about["sha256"]) == ("i2i", entry.url, entry.sha256)
    assert about["checksum_known_before"] is True
    assert calls[-1] == (len(data), len(data))
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_the_checksum_of_a_received_archive_is_recorded(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tar_of(SET)
    (site[0] / "tiny.tar.gz").write_bytes(data)
    add_entry(monkeypatch, f"{site[1]}/tiny.tar.gz")
    download_dataset("tiny", folder)
    about = json.loads((folder / "about.json").read_text())
    assert (about["sha256"], about["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert about["checksum_known_before"] is False


def test_a_later_download_from_the_same_address_must_give_the_same_archive(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "i2i")
    archive = site[0] / "tiny.zip"
    archive.write_bytes(zip_of(SET))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    add_entry(monkeypatch, f"{site[1]}/tiny.zip")
    download_dataset("tiny", folder)
    assert f"SHA-256 {digest} (compared at the next download)" in caplog.text
    download_dataset("tiny", folder.with_name("again"))
    assert f"SHA-256 {digest} (as before)" in caplog.text
    archive.write_bytes(zip_of({"trainA/1.jpg": b"mouse", "trainB/1.jpg": b"zebra"}))
    with pytest.raises(DownloadError, match=f"{digest}.*--allow-changed"):
        download_dataset("tiny", folder.with_name("changed"))
    assert not folder.with_name("changed").exists()
    for name in ("changed", "changed again"):
        download_dataset("tiny", folder.with_name(name), allow_changed=name == "changed")
        assert (folder.with_name(name) / "trainA" / "1.jpg").read_bytes() == b"mouse"


@pytest.mark.parametrize("top", ["", "./"])
def test_an_archive_without_a_top_folder_is_the_dataset_itself(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch, top: str
) -> None:
    (site[0] / "tiny.zip").write_bytes(zip_of({"train/1.jpg": b"pair"}, top=top))
    add_entry(monkeypatch, f"{site[1]}/tiny.zip")
    download_dataset("tiny", folder)
    assert (folder / "train" / "1.jpg").read_bytes() == b"pair"


def test_an_existing_empty_folder_is_used(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site[0] / "tiny.zip").write_bytes(zip_of(SET))
    add_entry(monkeypatch, f"{site[1]}/tiny.zip")
    folder.mkdir(parents=True)
    download_dataset("tiny", folder)
    assert (folder / "trainA" / "1.jpg").exists()


def test_a_folder_that_is_not_empty_is_rejected_before_any_download(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="not empty"):
        download_dataset("horse2zebra", folder)
    assert read_files(folder) == {"mine.jpg": b"mine"}


def test_an_archive_with_a_wrong_checksum_is_never_unpacked(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zip_of(SET)
    (site[0] / "tiny.zip").write_bytes(data.replace(b"horse", b"mouse"))
    add_entry(monkeypatch, f"{site[1]}/tiny.zip", data)
    monkeypatch.setattr(module, "unpack", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(DownloadError, match="SHA-256"):
        download_dataset("tiny", folder)
    assert not folder.exists()


def test_a_truncated_archive_of_unknown_checksum_leaves_no_folder_and_is_downloaded_again(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tar_of(SET)
    (site[0] / "tiny.tar.gz").write_bytes(data[:-4])
    add_entry(monkeypatch, f"{site[1]}/tiny.tar.gz")
    with pytest.raises(DownloadError, match="damaged or incomplete"):
        download_dataset("tiny", folder)
    assert read_files(folder.parent) == {}
    assert not folder.exists()
    (site[0] / "tiny.tar.gz").write_bytes(data)
    download_dataset("tiny", folder)
    assert (folder / "trainB" / "1.jpg").read_bytes() == b"zebra"


def test_a_failure_during_unpacking_leaves_no_folder_and_keeps_the_archive(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site[0] / "tiny.zip").write_bytes(zip_of(SET))
    add_entry(monkeypatch, f"{site[1]}/tiny.zip")

    def fill_the_disk(archive: Path, target: Path) -> None:
        (target / "trainA").mkdir()
        assert not folder.exists()
        raise I2IError("The disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(module, "unpack", fill_the_disk)
        with pytest.raises(I2IError, match="disk is full"):
            download_dataset("tiny", folder)
    assert list(read_files(folder.parent)) == [".downloads/tiny.zip"]
    (site[0] / "tiny.zip").unlink()
    download_dataset("tiny", folder)  # from the archive that was kept
    assert (folder / "trainA" / "1.jpg").exists()


def test_an_unreachable_host_gives_manual_instructions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("i2i.data.download.FIRST_RETRY_DELAY", 0.0)
    with socket.socket() as unused:  # bound but not listening: connections to it are refused
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/tiny.zip"
        add_entry(monkeypatch, url)
        with pytest.raises(DownloadError) as caught:
            download_dataset("tiny", folder)
    message = str(caught.value)
    for word in (url, "refused", str(folder / "trainA"), "I2I_DATASETS", "i2i data generate"):
        assert word in message
    assert not folder.exists()


def test_a_missing_archive_gives_manual_instructions(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_entry(monkeypatch, f"{site[1]}/gone.zip")
    with pytest.raises(DownloadError, match=r"404 [^$]*I2I_DATASETS"):
        download_dataset("tiny", folder)


def test_an_unknown_name_suggests_similar_names(folder: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean horse2zebra"):
        download_dataset("horses2zebra", folder)
    with pytest.raises(UsageError, match="It has: apple2orange, "):
        download_dataset("?", folder)


@pytest.mark.parametrize("has_archive", [True, False])
def test_a_download_that_was_killed_before_it_removed_the_archive_is_finished(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch, has_archive: bool
) -> None:
    data = zip_of(SET)
    (site[0] / "tiny.zip").write_bytes(data)
    add_entry(monkeypatch, f"{site[1]}/tiny.zip")
    download_dataset("tiny", folder)
    expected = read_files(folder)
    archive = folder.parent / ".downloads" / "tiny.zip"
    archive.parent.mkdir()
    if has_archive:
        archive.write_bytes(data)
    (folder.parent / ".tiny.4194305.unfinished").mkdir()  # no process has this number
    assert download_dataset("tiny", folder) == folder
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    assert read_files(folder) == expected
    archive.parent.mkdir()
    archive.write_bytes(data + b"more")
    with pytest.raises(DatasetError, match="already exists"):
        download_dataset("tiny", folder)
    assert archive.exists()


def test_what_a_killed_download_had_unpacked_is_removed(
    site: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site[0] / "tiny.zip").write_bytes(zip_of(SET))
    add_entry(monkeypatch, f"{site[1]}/tiny.zip")
    (folder.parent / ".tiny.4194305.unfinished" / "trainA").mkdir(parents=True)
    download_dataset("tiny", folder)
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
