import os
import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from i2i.demo.limits import Limits
from i2i.demo.uploads import UploadStore
from i2i.errors import I2IError, ImageError, UsageError
from i2i.images import encode
from tests.conftest import random_image
from tests.demo.conftest import upload


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("notes.jpg", b"not a picture at all, but text", r"^notes.jpg: not a"),
        ("large.png", encode(Image.new("RGB", (1100, 1000)), ".png"), r"^large.png has 1100x1000 pixels"),
        ("cut.png", encode(random_image(0, 64, 64), ".png")[:600], r"^cut.png is damaged"),
    ],
)
def test_an_unreadable_photo_is_reported_by_its_own_name(
    name: str, data: bytes, message: str, store: UploadStore
) -> None:
    with pytest.raises(ImageError, match=message):
        store.read(upload(store, name, data))


def test_only_uploads_and_images_of_the_page_are_opened(store: UploadStore, work_dir: Path) -> None:
    outside = work_dir / "secret.png"
    random_image(0).save(outside)
    missing = store.new_path("missing.png")
    private = store.temp_dir() / "private.png"
    random_image(0).save(private)
    for path in (outside, missing, private, "/etc/passwd", store.files / ".." / "assets", "", None):
        with pytest.raises(UsageError, match=r"[Uu]pload|Drop"):
            store.read(path)
    asset = store.assets / "asset.png"
    random_image(0).save(asset)
    assert store.read(asset).image.size == random_image(0).size


def test_expired_files_and_then_the_oldest_beyond_the_limit_are_deleted(store: UploadStore) -> None:
    files = [upload(store, f"{index}.png", bytes(1000)) for index in range(4)]
    for index, path in enumerate(files):
        os.utime(path, (time.time() - (7200 if index == 0 else 100 - index),) * 2)
    store.purge()
    assert [path.exists() for path in files] == [False, True, True, True]
    assert not files[0].parent.exists()
    store.limits = Limits(max_stored_bytes=2500)
    store.purge()
    assert [path.exists() for path in files] == [False, False, True, True]


def test_room_is_made_by_deleting_the_oldest_files(store: UploadStore) -> None:
    files = [upload(store, f"{index}.png", bytes(1000)) for index in range(3)]
    for index, path in enumerate(files):
        os.utime(path, (time.time() - 100 + index,) * 2)
    store.limits = Limits(max_stored_bytes=3500)
    store.make_room(500)
    assert all(path.exists() for path in files)
    store.make_room(1000)
    assert [path.exists() for path in files] == [False, True, True]
    with pytest.raises(I2IError, match="no room for 0 MB"):
        store.make_room(4000)


def test_a_disk_without_space_takes_no_uploads(store: UploadStore, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 50, store.limits.min_free_bytes + 1_000_000))
    store.make_room(1_000_000)
    with pytest.raises(I2IError, match="no room for 2 MB"):
        store.make_room(2_000_000)


def test_files_that_are_deleted_while_they_are_counted_do_no_harm(store: UploadStore) -> None:
    for _ in range(3):
        store.save(b"photo", "a.png")
    files = store._stored_files()
    _, size, _ = next(files)
    for folder in store.files.iterdir():
        shutil.rmtree(folder)
    assert (size, list(files)) == (5, [])
