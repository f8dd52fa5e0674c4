import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from i2i.data.config import DirectedConfig, PairedConfig, SingleDomainConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.image_cache import build_image_cache, cache_dir
from i2i.data.layout import detect_layout, find_dataset
from i2i.data.loader import data_loader
from i2i.errors import CacheError, ImageError
from tests.conftest import random_image
from tests.data.caching import SIDE, assert_equal_samples, build, cache_names, leftovers


def save_image(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random_image(width, width, height).save(path)


def datasets_of_each_layout(root: Path) -> Iterator[tuple[str, Path]]:
    """One dataset of each layout, with images of several sizes."""
    sizes = [(30, 20), (24, 24), (19, 40), (17, 16)]
    for index, (width, height) in enumerate(sizes):
        save_image(root / "side_by_side" / "train" / f"{index}.png", 2 * height, height)
        for folder in ("A", "B"):
            save_image(root / "two_folders" / folder / f"{index}.png", width, height)
        save_image(root / "unpaired" / "trainA" / f"{index}.png", width, height)
        save_image(root / "photos" / f"{index}.png", width, height)
    save_image(root / "unpaired" / "trainB" / "0.png", 50, 21)
    save_image(root / "unpaired" / "trainB" / "1.png", 21, 21)
    for name in ("side_by_side", "two_folders", "unpaired", "photos"):
        yield name, root / name


@pytest.mark.parametrize("resize_scale", [1.0, 18 / 16, 1.5])
@pytest.mark.parametrize("mode", ["stretch", "cover"])
def test_samples_from_a_cache_are_bit_equal_to_samples_from_files(
    tmp_path: Path, mode: str, resize_scale: float
) -> None:
    configs: dict[str, type[UnpairedConfig]] = {"unpaired": DirectedConfig, "photos": SingleDomainConfig}
    for name, root in datasets_of_each_layout(tmp_path):
        layout = detect_layout(root)
        config_class = configs.get(name, PairedConfig)
        for direction in ({},) if name == "photos" else ({"direction": "AtoB"}, {"direction": "BtoA"}):
            config = config_class(size=16, resize_scale=resize_scale, resize=mode, **direction)  # type: ignore[arg-type]
            cache = build_image_cache(layout, config.load_size, config.resize)
            uncached = TrainingDataset(layout, config, 5)
            cached = TrainingDataset(layout, config, 5, cache)
            for k in range(12):
                assert all(torch.equal(a, b) for a, b in zip(uncached[k], cached[k], strict=True))
            batches = zip(uncached.sample_batch(2), cached.sample_batch(2), strict=True)
            assert all(torch.equal(a, b) for a, b in batches)


def test_an_existing_cache_is_opened_and_not_built_again(paired: Path, caplog: pytest.LogCaptureFixture) -> None:
    build(paired)
    build(paired)
    (message,) = caplog.messages
    assert "caching 5 training images" in message


def test_a_cache_is_in_datasets_or_in_I2I_CACHE(paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build(paired).path.parent == tmp_path / "datasets" / ".packed"
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "elsewhere"))
    assert build(paired).path.parent == tmp_path / "elsewhere"
    assert build(paired).path.name.startswith("pairs-18-")


def test_building_a_cache_does_not_touch_the_source_folder(unpaired: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [unpaired, *unpaired.rglob("*")]}
    build(unpaired)
    assert {path: path.stat().st_mtime_ns for path in [unpaired, *unpaired.rglob("*")]} == before


def test_the_folder_of_caches_is_not_a_dataset(paired: Path) -> None:
    build(paired)
    assert find_dataset("pairs") is not None
    assert find_dataset(".packed") is None


@pytest.mark.parametrize("change", ["time", "pixels", "new file", "file removed", "file renamed"])
def test_a_changed_file_causes_a_new_cache_and_removes_the_old_one(paired: Path, change: str) -> None:
    build(paired)
    (before,) = cache_names()
    first = paired / "train" / "000.png"
    if change == "time":
        os.utime(first, ns=(0, 123))
    elif change == "pixels":
        mtime = first.stat().st_mtime_ns
        random_image(99, 32).save(first, compress_level=0)
        os.utime(first, ns=(mtime, mtime))
    elif change == "new file":
        random_image(99, 32).save(paired / "train" / "new.png")
    elif change == "file removed":
        first.unlink()
    else:
        first.rename(first.with_name("zzz.png"))
    assert_equal_samples(build(paired), paired)
    (after,) = cache_names()
    assert after != before


def test_caches_of_other_sizes_modes_and_datasets_are_kept(paired: Path, unpaired: Path, tmp_path: Path) -> None:
    namesake = shutil.copytree(paired, tmp_path / "more" / "pairs")
    os.utime(namesake / "train" / "000.png", ns=(0, 1))
    build(paired)
    build(paired, "cover")
    build_image_cache(detect_layout(paired), 20, "stretch")
    build(unpaired)
    build(namesake)
    os.utime(paired / "train" / "000.png", ns=(0, 2))
    before = cache_names()
    build(paired)
    assert len(before) == 5
    assert len(set(cache_names()) & set(before)) == 4


@pytest.mark.parametrize(
    "damage", ["short", "long", "no index", "truncated index", "other index", "wrong index", "no pixels"]
)
def test_a_damaged_cache_is_built_again(paired: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    path = build(paired).path
    pixels = path / "pictures.u8"
    index = path / "index.json"
    if damage == "short":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "long":
        pixels.write_bytes(pixels.read_bytes() + b"0")
    elif damage == "no index":
        index.unlink()
    elif damage == "truncated index":
        index.write_bytes(index.read_bytes()[:50])
    elif damage == "other index":
        index.write_text("[1, 2, 3]")
    elif damage == "wrong index":
        content = json.loads(index.read_text())
        content["pictures"][3][0] += 1
        index.write_text(json.dumps(content))
    else:
        pixels.unlink()
    caplog.clear()
    assert_equal_samples(build(paired), paired)
    assert len(caplog.messages) == 1
    assert cache_names() == [path.name]
    assert not leftovers()


def test_images_that_cannot_be_decoded_are_named_and_nothing_is_left(paired: Path) -> None:
    for name in ("001.png", "003.png"):
        bad = paired / "train" / name
        bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(ImageError, match=r"train/003\.png is damaged"):
        build(paired)
    assert cache_names() == leftovers() == []


def test_an_interrupted_build_leaves_nothing(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("i2i.data.image_cache.write_atomic", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(paired)
    assert cache_names() == leftovers() == []


def test_a_cache_needs_free_disk_space_of_its_size_and_a_tenth(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 5 * 2 * 3 * SIDE**2
    for free, enough in ((int(1.1 * size) - 1, False), (int(1.1 * size) + 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        if enough:
            assert (build(paired).path / "pictures.u8").stat().st_size == size
        else:
            with pytest.raises(CacheError, match="0 MB free"):
                build(paired)


def test_the_size_is_known_before_the_build_in_mode_cover_too(tmp_path: Path) -> None:
    for _, root in datasets_of_each_layout(tmp_path):
        size = (build(root, "cover").path / "pictures.u8").stat().st_size
        shutil.rmtree(cache_dir())
        with pytest.raises(CacheError, match="the limit is"):
            build(root, "cover", limit=size - 1)
        build(root, "cover", limit=size)


def test_a_full_disk_and_an_unwritable_folder_are_reported(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("i2i.data.image_cache.write_atomic", disk_full)
        with pytest.raises(CacheError, match="No space left on device"):
            build(paired)
    assert cache_names() == leftovers() == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(CacheError, match="file/below cannot be written"):
        build(paired)


def test_a_cache_is_pickled_without_its_pixels(unpaired: Path) -> None:
    cache = build(unpaired)
    expected = cache.images(0, 0)[0]
    pickled = pickle.dumps(cache)
    assert expected.tobytes()[:64] not in pickled
    assert np.array_equal(pickle.loads(pickled).images(0, 0)[0], expected)


def test_a_cache_that_was_removed_raises_a_cache_error(unpaired: Path) -> None:
    cache = build(unpaired)
    shutil.rmtree(cache_dir())
    dataset = TrainingDataset(detect_layout(unpaired), UnpairedConfig(size=16, resize_scale=SIDE / 16), 0, cache)
    with pytest.raises(CacheError, match="is missing"):
        next(data_loader(dataset, 1, 0, 0))
