"""``i2i.convert`` has the arguments of ``i2i convert``; the package of this name is called."""

import inspect
import pydoc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import i2i
from i2i.cli.convert import convert as command
from i2i.errors import UsageError
from i2i.restoration import TASKS
from tests.cli.test_convert import InProcessPool
from tests.conftest import write_random_images
from tests.inference.test_restoration import save_task_model

LOWER_HALF = Image.linear_gradient("L").resize((16, 16)).point(lambda level: 255 * (level > 127))  # a mask


@pytest.fixture(autouse=True)
def use_in_process_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.convert.conversion.DecoderPool", InProcessPool)


def test_the_arguments_are_the_flags_of_the_command() -> None:
    flags = set(inspect.signature(command).parameters) - {"json"}
    assert set(inspect.signature(i2i.convert).parameters) - {"progress", "unknown"} == flags


def test_photos_are_converted_and_the_result_says_so(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 2)
    steps: list[tuple[int, int, int]] = []
    plan = i2i.convert("identity", tmp_path / "in", "out", dry_run=True)
    assert repr(plan) == "<Result: 2 planned, 0 converted, 0 skipped, 0 failed>"
    assert not Path("out").exists()
    result = i2i.convert(
        "identity", str(tmp_path / "in"), "out", format="webp", progress=lambda *counts: steps.append(counts)
    )
    assert repr(result) == "<Result: 2 converted, 0 skipped, 0 failed>"
    assert result.converted[0] == (tmp_path / "in" / "000.png", Path("out/000.webp"))
    assert steps[-1] == (2, 0, 2)
    assert len(i2i.convert("identity", [tmp_path / "in"], "out", format="webp").skipped) == 2
    (tmp_path / "in" / "bad.png").write_text("text")
    assert [path.name for path, _ in i2i.convert("identity", tmp_path / "in", "out").failed] == ["bad.png"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"max_size": 3}, TypeError, r"convert\(\) has no argument 'max_size'. Did you mean max_side"),
        ({"strength": 3}, TypeError, "Did you mean degradation_level"),
        ({"format": "bmp"}, TypeError, "format is 'bmp'; it must be one of png"),
        ({"frames": 3}, TypeError, "frames is 3"),
        ({"quality": "90"}, TypeError, "quality is '90'; it must be a whole number"),
        ({"quality": 101}, UsageError, "quality is 101; it must be from 1 to 100"),
        ({"lossless": True, "format": "jpg"}, UsageError, "jpg cannot store an image without loss"),
        ({"depth": "16"}, TypeError, "depth is '16'; it must be one of auto, 8, 16"),
        ({"depth": 16, "format": "webp"}, UsageError, "webp holds 8 bits a channel"),
        ({"blend": 1.5}, UsageError, "blend is 1.5; it must be from 0"),
        ({"grain": -1}, UsageError, "grain is -1.0; it must be from 0 to 50"),
        ({"protect": "nowhere"}, UsageError, "nowhere does not exist. --protect takes an image"),
        ({"max_side": 0}, UsageError, "max_side is 0; it must be 16 or above"),
        ({"batch_size": -1}, UsageError, "batch_size is -1"),
        ({"overwrite": "no"}, TypeError, "overwrite is 'no'; it must be True or False"),
        ({"mask": 3}, TypeError, "mask is 3; it must be a path or None"),
        ({"value_range": 3}, TypeError, r"value_range is 3; it must be a tuple \(a number, a number\) or None"),
        ({"device": None}, TypeError, "device is None"),
        ({"model": 3}, TypeError, "model is 3; it must be the name of a model"),
        ({"model": lambda image: image}, TypeError, "or a Translator that i2i.load has returned"),
        ({"out": None}, TypeError, "out is None; it must be a path"),
        ({"sources": []}, UsageError, "No photo was named"),
        ({"degradation_level": 3.0}, UsageError, "identity does not take the degradation strength"),
        ({"overwrite": True, "skip_existing": True}, UsageError, "only one of them"),
    ],
)
def test_wrong_arguments_are_errors_in_words(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    write_random_images(tmp_path / "in", 1)
    with pytest.raises(error, match=words):
        i2i.convert(**{"model": "identity", "sources": "in", "out": "out", **arguments})
    assert not Path("out").exists()


def test_a_loaded_translator_can_be_given(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    path = save_task_model(tmp_path / "m.safetensors", TASKS["superres"]())
    upscale = i2i.load(path, device="cpu")
    assert len(i2i.convert(upscale, "in", "out").converted) == 1
    assert Image.open("out/000.png").size == (32, 32)
    assert len(i2i.convert(path, "in", "out", device="cpu").skipped) == 1  # the same model and settings
    with pytest.raises(UsageError, match=r"device is an option of i2i\.load"):
        i2i.convert(upscale, "in", "out", device="cpu")


def test_a_changed_blend_grain_or_protected_region_outdates_the_results(tmp_path: Path) -> None:
    paths = write_random_images(tmp_path / "in", 2)
    for path in write_random_images(tmp_path / "masks", 2):
        LOWER_HALF.save(path)
    model = save_task_model(tmp_path / "m.safetensors", TASKS["denoise"]())
    changes: list[dict[str, Any]] = [{}, {"blend": 0.5}, {"blend": 0.5, "grain": 30}, {"grain": 30, "protect": "masks"}]
    results = set()
    for options in changes:
        for count in (2, 0):
            assert len(i2i.convert(model, "in", "out", device="cpu", **options).converted) == count
        results.add(Path("out/000.png").read_bytes())
    assert len(results) == len(changes)
    photo, result = (np.asarray(Image.open(path)) for path in (paths[0], "out/000.png"))
    assert np.array_equal(result[8:], photo[8:])
    assert not np.array_equal(result[:8], photo[:8])
    Path("masks/001.png").unlink()
    outcome = i2i.convert(model, "in", "out", device="cpu", grain=30, protect="masks", format="webp")
    assert [reason.endswith("holds no image of the name 001.") for _, reason in outcome.failed] == [True]


def test_a_region_of_a_transparent_photo_or_of_each_frame_is_protected(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 4), dtype=np.uint8))
              for seed in range(2)]  # fmt: skip
    frames[0].save("pages.tif", save_all=True, append_images=frames[1:])
    LOWER_HALF.save("mask.png")
    i2i.convert("identity", "pages.tif", "out", format="tif", frames="all", grain=40, protect="mask.png", device="cpu")
    with Image.open("out/pages.tif") as result:
        for index, frame in enumerate(frames):
            result.seek(index)
            assert np.array_equal(np.asarray(result)[8:], np.asarray(frame)[8:])
            assert np.array_equal(np.asarray(result)[..., 3], np.asarray(frame)[..., 3])
            assert not np.array_equal(np.asarray(result)[:8], np.asarray(frame)[:8])


def test_a_video_has_no_protected_region(tmp_path: Path) -> None:
    Path("a.mp4").touch()
    with pytest.raises(UsageError, match=r"--protect takes photos; a.mp4 is a video"):
        i2i.convert("identity", "a.mp4", "out", protect="mask.png")


@pytest.mark.parametrize("first", ["", "import i2i.convert.plan;", "from i2i.convert import make_plan;"])
def test_the_name_is_the_function_whatever_was_imported_before(first: str) -> None:
    code = f"{first}import i2i, inspect; print(*inspect.signature(i2i.convert).parameters)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.startswith("model ")


def test_the_help_shows_the_arguments_of_the_call() -> None:
    assert "help(i2i.convert)" in pydoc.render_doc(i2i, renderer=pydoc.plaintext)
    assert "convert(model: " in pydoc.render_doc(i2i.convert, renderer=pydoc.plaintext)
