import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from i2i.images import write_atomic
from i2i.images.files import atomic_folder, remove_unfinished, rename_folder, temporary_folder

DEAD = 2**22 + 1  # no process has this number


def test_write_atomic_writes_the_bytes_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.bin", b"old")
    write_atomic(tmp_path / "a.bin", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"new")]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def raise_disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.bin").write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), raise_disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "a.bin", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_two_threads_can_write_files_with_a_common_name_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = threading.Barrier(2, timeout=10)
    monkeypatch.setattr(os, "fsync", lambda _: barrier.wait())
    names = ["n" * 60 + letter for letter in "ab"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: write_atomic(tmp_path / name, name.encode()), names))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: name for name in names}


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "画" * 83 + ".png"], ids=["ascii", "chinese"])
def test_write_atomic_accepts_the_longest_file_name(tmp_path: Path, name: str) -> None:
    write_atomic(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_atomic_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "deep" / "set") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "set").exists()
    assert (tmp_path / "deep" / "set" / "a.txt").read_text() == "a"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["set"]


def test_an_atomic_folder_replaces_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with atomic_folder(tmp_path / "set") as folder:
        (folder / "a.txt").touch()
    with pytest.raises(OSError, match="not empty"), atomic_folder(tmp_path / "set"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "a.txt"]


def test_an_interrupted_atomic_folder_leaves_nothing(tmp_path: Path) -> None:
    def write_half() -> None:
        with atomic_folder(tmp_path / "set") as folder:
            (folder / "a.txt").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_what_is_moved_out_of_a_temporary_folder_remains(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "set") as folder:
        (folder / "top").mkdir()
        (folder / "rest.txt").touch()
        rename_folder(folder / "top", tmp_path / "set")
    assert [path.name for path in tmp_path.rglob("*")] == ["set"]


def test_only_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    dead, alive, other, own, mine = (
        tmp_path / name
        for name in (f".a.png.{DEAD}-1.part", f".a.png.{os.getppid()}-1.part", f".b.png.{DEAD}-1.part", ".a.part", "x")
    )
    for path in (dead, alive, other, own, mine):
        path.touch()
    (tmp_path / f".set.{DEAD}.unfinished" / "a").mkdir(parents=True)
    remove_unfinished([tmp_path, tmp_path / "missing"], "a.png")
    assert not dead.exists()
    assert all(path.exists() for path in (alive, other, own, mine))
    remove_unfinished([tmp_path])
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, own.name, mine.name, f".set.{DEAD}.unfinished"}


def test_a_temporary_folder_replaces_those_of_killed_processes(tmp_path: Path) -> None:
    for name in (f".set.{DEAD}.unfinished", f".other.{DEAD}.unfinished", f".set.{os.getppid()}.unfinished"):
        (tmp_path / name / "deep").mkdir(parents=True)
    with temporary_folder(tmp_path / "set"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {
        f".other.{DEAD}.unfinished", f".set.{os.getppid()}.unfinished"
    }  # fmt: skip
