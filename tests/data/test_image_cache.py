import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from i2i.data.dataset import DataConfig, OneWayConfig, PairedConfig, PhotosConfig, TrainingPictures, UnpairedConfig
from i2i.data.image_cache import Packed, home, pack
from i2i.data.layout import Layout, layout, locate
from i2i.data.loader import batches
from i2i.errors import CacheError, PictureError
from tests.conftest import picture, write_pictures

SIDE = 18


def make(root: Path, how: str = "stretch", **more: Any) -> Packed:
    return pack(layout(root), SIDE, how, more.pop("tell", lambda text: None), **more)  # type: ignore[arg-type]


def packs() -> list[str]:
    """Names of the packs, and of whatever else is not hidden, beside them."""
    return sorted(path.name for path in home().iterdir() if not path.name.startswith("."))


def leftovers() -> list[str]:
    return [path.name for path in home().iterdir() if path.is_dir() and path.name.startswith(".")]


def assert_holds(packed: Packed, root: Path) -> None:
    """Every sample of an epoch equals the one from the files."""
    found = layout(root)
    config: DataConfig = (PairedConfig if found.kind == "paired" else UnpairedConfig)(size=16, jitter=SIDE / 16)
    files, cached = TrainingPictures(found, config, 0), TrainingPictures(found, config, 0, packed)
    for k in range(files.epoch_length):
        assert all(torch.equal(a, b) for a, b in zip(files[k], cached[k], strict=True))


def two_folders(root: Path) -> Path:
    write_pictures(root / "A", 4, seed=1)
    write_pictures(root / "B", 4, seed=2)
    return root


def draw(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(width, width, height).save(path)


def sets(root: Path) -> Iterator[tuple[str, Path]]:
    """One dataset of each layout, its pictures of several shapes."""
    shapes = [(30, 20), (24, 24), (19, 40), (17, 16)]
    for index, (width, height) in enumerate(shapes):
        draw(root / "joined" / "train" / f"{index}.png", 2 * height, height)
        for folder in ("A", "B"):
            draw(root / "twins" / folder / f"{index}.png", width, height)
        draw(root / "apart" / "trainA" / f"{index}.png", width, height)
        draw(root / "photos" / f"{index}.png", width, height)
    draw(root / "apart" / "trainB" / "0.png", 50, 21)
    draw(root / "apart" / "trainB" / "1.png", 21, 21)
    for name in ("joined", "twins", "apart", "photos"):
        yield name, root / name


@pytest.mark.parametrize("jitter", [1.0, 18 / 16, 1.5])
@pytest.mark.parametrize("how", ["stretch", "cover"])
def test_samples_from_a_pack_are_bit_equal_to_samples_from_files(tmp_path: Path, how: str, jitter: float) -> None:
    made: dict[str, type[UnpairedConfig]] = {"apart": OneWayConfig, "photos": PhotosConfig}
    for name, root in sets(tmp_path):
        found, kind = layout(root), made.get(name, PairedConfig)
        for turn in ({},) if name == "photos" else ({"direction": "AtoB"}, {"direction": "BtoA"}):
            config = kind(size=16, jitter=jitter, fit=how, **turn)  # type: ignore[arg-type]
            packed = pack(found, config.loaded(), config.fit, lambda text: None)
            files, cached = TrainingPictures(found, config, 5), TrainingPictures(found, config, 5, packed)
            for k in range(12):
                assert all(torch.equal(a, b) for a, b in zip(files[k], cached[k], strict=True))
            assert all(torch.equal(a, b) for a, b in zip(files.fixed(2), cached.fixed(2), strict=True))


def test_a_pack_is_opened_and_not_made_again(paired: Path) -> None:
    told: list[str] = []
    make(paired, tell=told.append)
    make(paired, tell=lambda text: pytest.fail(text))
    assert len(told) == 1
    assert "packing 5 training pictures" in told[0]


def test_a_pack_stands_in_datasets_or_where_I2I_CACHE_says(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make(paired).path.parent == tmp_path / "datasets" / ".packed"
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "elsewhere"))
    assert make(paired).path.parent == tmp_path / "elsewhere"
    assert make(paired).path.name.startswith("pairs-18-")


def test_packing_leaves_the_source_folder_as_it_was(unpaired: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [unpaired, *unpaired.rglob("*")]}
    make(unpaired)
    assert {path: path.stat().st_mtime_ns for path in [unpaired, *unpaired.rglob("*")]} == before


def test_a_packs_folder_is_no_dataset(paired: Path) -> None:
    make(paired)
    assert locate("pairs") is not None
    assert locate(".packed") is None


@pytest.mark.parametrize("change", ["time", "pixels", "new file", "file gone", "other name"])
def test_a_changed_file_is_packed_anew_and_the_older_pack_goes(paired: Path, change: str) -> None:
    make(paired)
    (before,) = packs()
    first = paired / "train" / "000.png"
    if change == "time":
        os.utime(first, ns=(0, 123))
    elif change == "pixels":
        stamp = first.stat().st_mtime_ns
        picture(99, 32).save(first, compress_level=0)
        os.utime(first, ns=(stamp, stamp))
    elif change == "new file":
        picture(99, 32).save(paired / "train" / "new.png")
    elif change == "file gone":
        first.unlink()
    else:
        first.rename(first.with_name("zzz.png"))
    assert_holds(make(paired), paired)
    (after,) = packs()
    assert after != before


def test_packs_of_other_sizes_fits_and_datasets_stay(paired: Path, unpaired: Path, tmp_path: Path) -> None:
    namesake = shutil.copytree(paired, tmp_path / "more" / "pairs")
    os.utime(namesake / "train" / "000.png", ns=(0, 1))
    make(paired)
    make(paired, "cover")
    pack(layout(paired), 20, "stretch", lambda text: None)
    make(unpaired)
    make(namesake)
    os.utime(paired / "train" / "000.png", ns=(0, 2))
    before = packs()
    make(paired)
    assert len(before) == 5
    assert len(set(packs()) & set(before)) == 4


@pytest.mark.parametrize("damage", ["short", "longer", "no index", "cut index", "foreign index", "wrong index", "gone"])
def test_a_damaged_pack_is_packed_anew(paired: Path, damage: str) -> None:
    path = make(paired).path
    pixels, index = path / "pictures.u8", path / "index.json"
    if damage == "short":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "longer":
        pixels.write_bytes(pixels.read_bytes() + b"0")
    elif damage == "no index":
        index.unlink()
    elif damage == "cut index":
        index.write_bytes(index.read_bytes()[:50])
    elif damage == "foreign index":
        index.write_text("[1, 2, 3]")
    elif damage == "wrong index":
        about = json.loads(index.read_text())
        about["pictures"][3][0] += 1
        index.write_text(json.dumps(about))
    else:
        pixels.unlink()
    told: list[str] = []
    assert_holds(make(paired, tell=told.append), paired)
    assert len(told) == 1
    assert packs() == [path.name]
    assert not leftovers()


def child(code: str, root: Path, **environment: str) -> "subprocess.Popen[str]":
    """A process that packs ``root``, after it has run ``code``, which may replace ``packed.opened``."""
    program = f"""
import os, signal, sys, time
from pathlib import Path
from i2i.data import image_cache as packed
from i2i.data.layout import layout
opened, seen, tell = packed.opened, [], lambda text: None
def until(name):
    end = time.monotonic() + 60
    while not Path(name).exists() and time.monotonic() < end:
        time.sleep(0.005)
    assert Path(name).exists(), name
{code}
packed.pack(layout(Path(sys.argv[1])), {SIDE}, "stretch", tell)
"""
    return subprocess.Popen([sys.executable, "-c", program, str(root)], stderr=subprocess.PIPE, text=True)


KILLED = """
def patched(item, kind):
    seen.append(item)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return opened(item, kind)
packed.opened = patched
"""
KILLED_LATE = """
def patched(folder, wanted):
    os.kill(os.getpid(), signal.SIGKILL)
packed.Path.rename = patched
"""


@pytest.mark.parametrize("code", [KILLED, KILLED_LATE], ids=["while decoding", "before the rename"])
def test_a_packing_killed_in_the_middle_leaves_nothing_that_is_taken_for_a_pack(paired: Path, code: str) -> None:
    process = child(code, paired)
    assert process.wait(60) == -signal.SIGKILL
    assert packs() == []
    assert leftovers()
    assert_holds(make(paired), paired)
    assert len(packs()) == 1
    assert not leftovers()


def test_what_a_dead_process_left_of_another_dataset_is_cleared_too(paired: Path, unpaired: Path) -> None:
    process = child(KILLED, unpaired)
    assert process.wait(60) == -signal.SIGKILL
    assert leftovers() == [".two-18.unfinished"]
    make(paired)
    assert not leftovers()


FIRST = """
def tell(text):
    Path("first.packs").touch()
def patched(item, kind):
    until("second.waits")
    return opened(item, kind)
packed.opened = patched
"""
SECOND = """
def tell(text):
    assert "another process" in text, text
    Path("second.waits").touch()
def patched(item, kind):
    raise AssertionError("decoded a second time")
packed.opened = patched
until("first.packs")
"""


def test_of_two_processes_that_pack_the_same_one_packs_and_the_other_waits(paired: Path) -> None:
    processes = [child(FIRST, paired), child(SECOND, paired)]
    for process in processes:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    assert len(packs()) == 1
    assert not leftovers()
    assert_holds(make(paired, tell=lambda text: pytest.fail(text)), paired)


def test_a_process_at_work_on_another_dataset_keeps_its_unfinished_pack(paired: Path, unpaired: Path) -> None:
    code = """
def tell(text):
    Path("first.packs").touch()
def patched(item, kind):
    until("second.waits")
    return opened(item, kind)
packed.opened = patched
"""
    process = child(code, unpaired)
    try:
        while not Path("first.packs").exists():
            assert process.poll() is None
        make(paired)
    finally:
        Path("second.waits").touch()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert len(packs()) == 2


def test_a_picture_that_cannot_be_decoded_is_named_and_nothing_is_left(paired: Path) -> None:
    bad = paired / "train" / "003.png"
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(PictureError, match=r"train/003\.png is damaged"):
        make(paired)
    assert packs() == leftovers() == []


def test_an_interrupted_packing_leaves_nothing(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("i2i.data.image_cache.write_atomic", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(paired)
    assert packs() == leftovers() == []


def test_a_pack_needs_its_size_and_a_tenth_of_free_disk(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 5 * 2 * 3 * SIDE**2
    for free, enough in ((int(1.1 * size) - 1, False), (int(1.1 * size) + 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        if enough:
            assert (make(paired).path / "pictures.u8").stat().st_size == size
        else:
            with pytest.raises(CacheError, match="0 MB free"):
                make(paired)


def test_the_size_is_known_before_packing_under_cover_too(tmp_path: Path) -> None:
    for _, root in sets(tmp_path):
        size = (make(root, "cover").path / "pictures.u8").stat().st_size
        shutil.rmtree(home())
        with pytest.raises(CacheError, match="more than"):
            make(root, "cover", limit=size - 1)
        make(root, "cover", limit=size)


def test_a_disk_that_fills_up_and_a_place_that_cannot_be_written_are_told(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("i2i.data.image_cache.write_atomic", full)
        with pytest.raises(CacheError, match="No space left on device"):
            make(paired)
    assert packs() == leftovers() == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(CacheError, match="file/below cannot be written"):
        make(paired)


def test_a_pack_travels_to_another_process_without_its_pixels(unpaired: Path) -> None:
    packed = make(unpaired)
    expected = packed.pictures(0, 0)[0]
    sent = pickle.dumps(packed)
    assert expected.tobytes()[:64] not in sent
    assert np.array_equal(pickle.loads(sent).pictures(0, 0)[0], expected)


def test_a_pack_that_is_gone_when_it_is_read_says_so(unpaired: Path) -> None:
    packed = make(unpaired)
    shutil.rmtree(home())
    pictures = TrainingPictures(layout(unpaired), UnpairedConfig(size=16, jitter=SIDE / 16), 0, packed)
    with pytest.raises(CacheError, match="is gone"):
        next(batches(pictures, 1, 0, 0))


@pytest.fixture
def cached(unpaired: Path) -> TrainingPictures:
    config = UnpairedConfig(size=16, jitter=SIDE / 16)
    return TrainingPictures(layout(unpaired), config, 3, make(unpaired))


@pytest.mark.parametrize(("workers", "prefetch"), [(0, 1), (0, 3), (2, 0), (1, 2)])
def test_batches_are_the_same_for_any_number_of_workers_with_or_without_prefetch(
    cached: TrainingPictures, workers: int, prefetch: int
) -> None:
    plain, other = batches(cached, 3, 2, 0), batches(cached, 3, 2, workers, prefetch)
    for _ in range(5):
        for a, b in zip(next(plain), next(other), strict=True):
            assert torch.equal(a, b)
            assert a.stride() == b.stride()
    other.close()


def test_batches_are_channels_last_in_memory(cached: TrainingPictures) -> None:
    for pixels in next(batches(cached, 2, 0, 0)):
        assert (pixels.dtype, pixels.shape) == (torch.uint8, (2, 3, 16, 16))
        assert pixels.is_contiguous(memory_format=torch.channels_last)


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pictures in advance"]


class Watched(TrainingPictures):
    """Notes which samples were made, and by which thread."""

    def watch(self) -> "Watched":
        self.made: list[int] = []
        self.threads: set[threading.Thread] = set()
        return self

    def __getitem__(self, k: int) -> Any:
        self.made.append(k)
        self.threads.add(threading.current_thread())
        return super().__getitem__(k)


def test_a_thread_makes_at_most_the_asked_batches_in_advance_and_ends_with_the_iterator(
    cached: TrainingPictures,
) -> None:
    watched = Watched(cached.layout, cached.config, 0, cached.packed).watch()
    stream = batches(watched, 2, 0, 0, prefetch=3)
    next(stream)
    next(stream)
    (thread,) = running()
    while len(watched.made) < 2 * (2 + 3) and thread.is_alive():
        time.sleep(0.001)
    stream.close()
    assert running() == []
    assert watched.made == list(range(2 * (2 + 3)))
    assert threading.main_thread() not in watched.threads


def test_an_error_arrives_after_the_good_batches_before_it_and_ends_the_thread(unpaired: Path) -> None:
    found: Layout = layout(unpaired)
    pictures = TrainingPictures(found, UnpairedConfig(size=16, jitter=SIDE / 16), 3)
    order = [bytes(pictures[k][0].numpy()) for k in range(5)]
    whole = {path: path.read_bytes() for path in sorted((unpaired / "trainA").iterdir())}
    for path, data in whole.items():  # find the file of sample 3
        path.write_bytes(data[:100])
        if isinstance(pictures[3], PictureError):
            break
        path.write_bytes(data)
    stream = batches(pictures, 1, 0, 0, prefetch=8)
    assert [bytes(next(stream)[0].numpy()) for _ in range(3)] == order[:3]
    with pytest.raises(PictureError, match="trainA"):
        next(stream)
    assert running() == []


def test_a_bug_in_the_thread_is_raised_and_not_waited_for(
    cached: TrainingPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingPictures, "__getitem__", lambda self, k: 1 // (2 - k))
    with pytest.raises(TypeError):  # a sample that is no tuple
        next(batches(cached, 1, 0, 0, prefetch=2))
    stream = batches(cached, 3, 0, 0, prefetch=2)
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert running() == []
