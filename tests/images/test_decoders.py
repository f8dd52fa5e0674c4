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
from i2i.errors import ImageError
from i2i.images import DecoderPool, LoadedImage, load_image
from i2i.images.decoder_process import DecoderProcess
from tests.images.test_metadata import CREATOR, camera_exif, packet

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderPool]:
    with DecoderPool(2, max_pixels=10_000) as pool:
        yield pool


@pytest.fixture(scope="module")
def misbehaving() -> Iterator[DecoderPool]:
    with DecoderPool(1, max_pixels=10_000, seconds=0.3, reader="tests.images.misbehaving") as decoders:
        yield decoders


def equal(a: LoadedImage, b: LoadedImage) -> bool:
    alphas = [loaded.alpha.tobytes() if loaded.alpha else None for loaded in (a, b)]
    return np.array_equal(a.image, b.image) and alphas[0] == alphas[1] and a.source == b.source


def test_decoding_in_another_process_gives_the_same_image(tmp_path: Path, decoders: DecoderPool) -> None:
    glass = NOISE.copy()
    glass.putalpha(77)
    glass.save(tmp_path / "glass.png")
    NOISE.save(tmp_path / "photo.jpg", exif=camera_exif(), xmp=packet(CREATOR))
    for name in ("glass.png", "photo.jpg"):
        assert equal(decoders.read(tmp_path / name), load_image(tmp_path / name))
    assert decoders.probe(tmp_path / "photo.jpg") == ((24, 20), 1)


def test_reads_the_requested_frame(tmp_path: Path, decoders: DecoderPool) -> None:
    NOISE.save(tmp_path / "two.tif", save_all=True, append_images=[Image.new("RGB", (5, 5), "red")])
    assert decoders.probe(tmp_path / "two.tif")[1] == 2
    assert decoders.read(tmp_path / "two.tif", 1).image.getpixel((0, 0)) == (255, 0, 0)


def test_a_bad_file_raises_the_same_error_as_in_this_process(tmp_path: Path, decoders: DecoderPool) -> None:
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(ImageError) as expected:
        load_image(tmp_path / "text.png")
    with pytest.raises(ImageError) as raised:
        decoders.read(tmp_path / "text.png")
    assert str(expected.value) == str(raised.value)


def test_a_decompression_bomb_is_refused_by_its_size(tmp_path: Path, decoders: DecoderPool) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match="has 20000x20000 pixels; at most 10000 are read"):
        decoders.read(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "name", ["a b.png", "-dash.png", "new\nline.png", "émoji 🦓.png", os.fsdecode(b"\xff\xfe.png")]
)
def test_any_file_name_is_accepted(tmp_path: Path, decoders: DecoderPool, name: str) -> None:
    NOISE.save(tmp_path / name)
    assert np.array_equal(decoders.read(tmp_path / name).image, NOISE)


def test_several_threads_each_get_their_own_image(tmp_path: Path, decoders: DecoderPool) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(40)]
    for index, path in enumerate(paths):
        Image.new("RGB", (index + 1, 3), (index, 0, 0)).save(path)
    with ThreadPoolExecutor(5) as pool:
        loaded = list(pool.map(decoders.read, paths))
    assert [(item.image.width, item.image.getpixel((0, 0))[0]) for item in loaded] == [(i + 1, i) for i in range(40)]


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
def test_a_failure_of_the_decoder_raises_its_reason_and_the_next_file_is_read(
    misbehaving: DecoderPool, name: str, reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        misbehaving.read(Path(f"{name}.png"))
    assert misbehaving.read(Path("good.png")).image.size == (4, 3)


def test_output_printed_by_a_library_is_not_taken_for_a_reply(misbehaving: DecoderPool) -> None:
    assert misbehaving.read(Path("chatter.png")).image.size == (4, 3)


def test_modules_are_not_imported_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PIL.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    NOISE.save(tmp_path / "noise.png")
    with DecoderPool(1) as decoders:
        assert decoders.read(tmp_path / "noise.png").image.size == (24, 20)


def test_a_process_that_ends_while_idle_is_replaced(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "noise.png")
    with DecoderPool(1) as decoders:
        decoders.start()
        (worker,) = decoders._workers
        assert worker.process is not None
        worker.process.kill()
        worker.process.wait()
        assert decoders.read(tmp_path / "noise.png").image.size == (24, 20)


def test_a_file_that_breaks_its_decoder_does_not_affect_the_next_file(misbehaving: DecoderPool) -> None:
    assert misbehaving.read(Path("poison.png")).image.size == (4, 3)
    assert misbehaving.read(Path("good.png")).image.size == (4, 3)


def test_a_decoder_that_ignores_the_alarm_is_killed_and_only_its_own_file_times_out(
    misbehaving: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehaving.read(Path("good.png"))  # the process is running now
    monkeypatch.setattr(i2i.images.decoders, "_STARTUP_SECONDS", 0)
    with pytest.raises(ImageError, match="took too long"):
        misbehaving.read(Path("deaf.png"))
    monkeypatch.undo()
    assert misbehaving.read(Path("good.png")).image.size == (4, 3)


@pytest.mark.parametrize("reply", [b'{"size": [Infinity, 1], "frames": 1}', b"[" * 100_000, b'{"frames": "many"}'])
def test_an_invalid_reply_is_an_error_of_its_file(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    monkeypatch.setattr(DecoderProcess, "_request_once", lambda *_: json.loads(reply))
    with DecoderPool(1) as decoders, pytest.raises(ImageError, match=r"hostile\.png could not be read"):
        decoders.probe(Path("hostile.png"))


def test_a_decoder_that_cannot_be_started_is_an_error_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", full)
    with DecoderPool(1) as pool, pytest.raises(ImageError, match=r"photo\.png could not be read: no decoder can be"):
        pool.read(Path("photo.png"))


def test_an_image_that_does_not_fit_in_memory_fails_and_the_next_is_read(
    tmp_path: Path, decoders: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    NOISE.save(tmp_path / "noise.png")
    with monkeypatch.context() as patch:
        patch.setattr(DecoderProcess, "read_exactly", full)
        with pytest.raises(ImageError, match="takes more memory to decode than there is"):
            decoders.read(tmp_path / "noise.png")
    assert np.array_equal(decoders.read(tmp_path / "noise.png").image, NOISE)


def test_closing_ends_the_processes_and_starts_no_others(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "noise.png")
    with DecoderPool(1) as decoders:
        process = decoders._workers[0].start()
    assert process.poll() is not None
    with pytest.raises(ImageError, match="was not read: reading was given up"):
        decoders.read(tmp_path / "noise.png")
    assert decoders._workers[0].process is None


def test_closing_ends_a_read_of_another_thread(misbehaving: DecoderPool) -> None:
    decoders = DecoderPool(1, reader="tests.images.misbehaving")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(decoders.read, Path("hang.png"))
        while not decoders._workers[0].process:
            time.sleep(0.01)
        decoders.close()
        with pytest.raises(ImageError, match="was not read: reading was given up"):
            waiting.result()
