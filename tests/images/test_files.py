import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from i2i.images import write_atomic


def test_write_atomic_writes_the_bytes_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.bin", b"old")
    write_atomic(tmp_path / "a.bin", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"new")]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.bin").write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "a.bin", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_two_threads_write_files_whose_names_begin_alike_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=10)
    monkeypatch.setattr(os, "fsync", lambda _: both.wait())
    names = ["n" * 60 + letter for letter in "ab"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: write_atomic(tmp_path / name, name.encode()), names))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: name for name in names}


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "画" * 83 + ".png"], ids=["ascii", "chinese"])
def test_write_atomic_takes_the_longest_name_the_disk_does(tmp_path: Path, name: str) -> None:
    write_atomic(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]
