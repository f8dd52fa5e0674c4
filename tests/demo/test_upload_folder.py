import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from i2i.demo.upload_folder import UploadFolder, sweep_stale_folders


@pytest.fixture(autouse=True)
def temp_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_of_an_ended_server_is_swept_and_that_of_a_running_one_is_not(temp_dir: Path) -> None:
    running, ended = UploadFolder(), UploadFolder()
    (ended.path / "files").mkdir()
    (ended.path / "files" / "photo.png").write_bytes(b"a")
    ended._lock.release()  # as the system does it when the process ends
    assert sweep_stale_folders() == [ended.path]
    assert list(temp_dir.iterdir()) == [running.path]
    running.delete()
    assert not running.path.exists()


def test_folders_that_are_not_of_this_module_are_left_alone(temp_dir: Path) -> None:
    target = temp_dir / "target"
    target.mkdir()
    (target / ".lock").touch()
    (temp_dir / "i2i-demo-link").symlink_to(target)
    foreign = temp_dir / "i2i-demo-notes"
    foreign.mkdir()
    (foreign / "notes.txt").touch()
    os.utime(foreign, (time.time() - 10_000,) * 2)
    (temp_dir / "i2i-demo-new").mkdir()
    (temp_dir / "i2i-demo-file").touch()
    empty = temp_dir / "i2i-demo-empty"
    empty.mkdir()
    os.utime(empty, (time.time() - 10_000,) * 2)
    assert sweep_stale_folders() == []
    names = {path.name for path in temp_dir.iterdir()}
    assert names == {"target", "i2i-demo-link", "i2i-demo-notes", "i2i-demo-new", "i2i-demo-file"}
    assert (target / ".lock").exists()


@pytest.mark.parametrize("sweep", [True, False])
def test_the_lock_is_deleted_last_so_that_an_interrupted_deletion_is_finished_later(
    temp_dir: Path, monkeypatch: pytest.MonkeyPatch, sweep: bool
) -> None:
    folder = UploadFolder()
    (folder.path / "files").mkdir()
    (folder.path / "photo.png").touch()
    left = []
    rmtree = shutil.rmtree

    def rmtree_and_list(path: Path, **options: bool) -> None:
        if path == folder.path:
            left.extend(path.iterdir())
        rmtree(path, **options)

    monkeypatch.setattr("i2i.demo.upload_folder.shutil.rmtree", rmtree_and_list)
    if sweep:
        folder._lock.release()  # as the system does for a killed process
        sweep_stale_folders()
    else:
        folder.delete()
    assert left in ([folder.path / ".lock"], [])
    assert list(temp_dir.iterdir()) == []
