import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import i2i.images.decoders
from i2i.errors import PictureError
from i2i.images import Decoders, Photo, read_photo
from tests.images.test_metadata import CREATOR, packet, taken

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def honest() -> Iterator[Decoders]:
    with Decoders(2, max_pixels=10_000) as decoders:
        yield decoders


@pytest.fixture(scope="module")
def misbehaving() -> Iterator[Decoders]:
    with Decoders(1, max_pixels=10_000, seconds=0.3, reader="tests.images.misbehaving") as decoders:
        yield decoders


def same(one: Photo, other: Photo) -> bool:
    alphas = [photo.alpha.tobytes() if photo.alpha else None for photo in (one, other)]
    return np.array_equal(one.image, other.image) and alphas[0] == alphas[1] and one.source == other.source


def test_a_photo_comes_out_of_another_process_as_out_of_this_one(tmp_path: Path, honest: Decoders) -> None:
    glass = NOISE.copy()
    glass.putalpha(77)
    glass.save(tmp_path / "glass.png")
    NOISE.save(tmp_path / "photo.jpg", exif=taken(), xmp=packet(CREATOR))
    for name in ("glass.png", "photo.jpg"):
        assert same(honest.read(tmp_path / name), read_photo(tmp_path / name))
    assert honest.look(tmp_path / "photo.jpg") == ((24, 20), 1)


def test_the_frame_asked_for_is_read(tmp_path: Path, honest: Decoders) -> None:
    NOISE.save(tmp_path / "two.tif", save_all=True, append_images=[Image.new("RGB", (5, 5), "red")])
    assert honest.look(tmp_path / "two.tif")[1] == 2
    assert honest.read(tmp_path / "two.tif", 1).image.getpixel((0, 0)) == (255, 0, 0)


def test_a_bad_file_is_refused_for_the_same_reason_and_the_process_goes_on(tmp_path: Path, honest: Decoders) -> None:
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(PictureError) as here:
        read_photo(tmp_path / "text.png")
    with pytest.raises(PictureError) as there:
        honest.read(tmp_path / "text.png")
    assert str(here.value) == str(there.value)


def test_a_bomb_is_refused_by_its_size(tmp_path: Path, honest: Decoders) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(PictureError, match="has 20000x20000 pixels; at most 10000 are read"):
        honest.read(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "name", ["a b.png", "-dash.png", "new\nline.png", "émoji 🦓.png", os.fsdecode(b"\xff\xfe.png")]
)
def test_any_name_gets_through(tmp_path: Path, honest: Decoders, name: str) -> None:
    NOISE.save(tmp_path / name)
    assert np.array_equal(honest.read(tmp_path / name).image, NOISE)


def test_several_threads_are_served_each_with_its_own_picture(tmp_path: Path, honest: Decoders) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(40)]
    for index, path in enumerate(paths):
        Image.new("RGB", (index + 1, 3), (index, 0, 0)).save(path)
    with ThreadPoolExecutor(5) as pool:
        photos = list(pool.map(honest.read, paths))
    assert [(photo.image.width, photo.image.getpixel((0, 0))[0]) for photo in photos] == [(i + 1, i) for i in range(40)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hang", "took too long"),
        ("crash", "crashed its decoder"),
        ("swell", "takes more memory"),
        ("fault", "could not be read: ZeroDivisionError: oops"),
        ("bad", "bad indeed"),
        ("lie", "crashed its decoder"),
    ],
)
def test_what_a_file_does_to_its_decoder_is_told_of_it_and_the_next_is_read(
    misbehaving: Decoders, name: str, reason: str
) -> None:
    with pytest.raises(PictureError, match=reason):
        misbehaving.read(Path(f"{name}.png"))
    assert misbehaving.read(Path("good.png")).image.size == (4, 3)


def test_what_a_library_prints_is_not_taken_for_an_answer(misbehaving: Decoders) -> None:
    assert misbehaving.read(Path("chatter.png")).image.size == (4, 3)


def test_modules_are_not_imported_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PIL.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    NOISE.save(tmp_path / "noise.png")
    with Decoders(1) as decoders:
        assert decoders.read(tmp_path / "noise.png").image.size == (24, 20)


def test_a_process_that_ends_while_nothing_is_asked_of_it_is_replaced(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "noise.png")
    with Decoders(1) as decoders:
        decoders.start()
        (worker,) = decoders._all
        assert worker.process is not None
        worker.process.kill()
        worker.process.wait()
        assert decoders.read(tmp_path / "noise.png").image.size == (24, 20)


def test_a_file_that_breaks_its_decoder_does_not_take_the_next_one_along(misbehaving: Decoders) -> None:
    assert misbehaving.read(Path("poison.png")).image.size == (4, 3)
    assert misbehaving.read(Path("good.png")).image.size == (4, 3)


def test_a_decoder_that_hears_no_alarm_is_killed_and_only_its_own_file_is_late(
    misbehaving: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehaving.read(Path("good.png"))  # no time is spent on starting
    monkeypatch.setattr(i2i.images.decoders, "_STARTING", 0)
    with pytest.raises(PictureError, match="took too long"):
        misbehaving.read(Path("deaf.png"))
    monkeypatch.undo()
    assert misbehaving.read(Path("good.png")).image.size == (4, 3)


@pytest.mark.parametrize("words", [b'{"size": [Infinity, 1], "frames": 1}', b"[" * 100_000, b'{"frames": "many"}'])
def test_an_answer_that_none_of_ours_would_give_is_a_failure_of_its_file(
    monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    monkeypatch.setattr(i2i.images.decoders._Worker, "_answer", lambda *_: json.loads(words))
    with Decoders(1) as decoders, pytest.raises(PictureError, match=r"hostile\.png could not be read"):
        decoders.look(Path("hostile.png"))


def test_a_decoder_that_cannot_be_started_is_told_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", full)
    with Decoders(1) as decoders, pytest.raises(PictureError, match=r"photo\.png could not be read: no decoder can be"):
        decoders.read(Path("photo.png"))


def test_a_picture_for_which_there_is_no_memory_left_fails_and_the_next_is_read(
    tmp_path: Path, honest: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    NOISE.save(tmp_path / "noise.png")
    with monkeypatch.context() as patch:
        patch.setattr(i2i.images.decoders._Worker, "take", full)
        with pytest.raises(PictureError, match="takes more memory to decode than there is"):
            honest.read(tmp_path / "noise.png")
    assert np.array_equal(honest.read(tmp_path / "noise.png").image, NOISE)


def test_closing_ends_the_processes_and_no_other_is_started(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "noise.png")
    with Decoders(1) as decoders:
        process = decoders._all[0].start()
    assert process.poll() is not None
    with pytest.raises(PictureError, match="was not read: reading was given up"):
        decoders.read(tmp_path / "noise.png")
    assert decoders._all[0].process is None


def test_closing_ends_what_another_thread_waits_for(misbehaving: Decoders) -> None:
    decoders = Decoders(1, reader="tests.images.misbehaving")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(decoders.read, Path("hang.png"))
        while not decoders._all[0].process:
            time.sleep(0.01)
        decoders.close()
        with pytest.raises(PictureError, match="was not read: reading was given up"):
            waiting.result()
