import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from i2i.cli import app
from i2i.convert.options import existing_policy, parse_pixels
from i2i.convert.settings_hash import settings_hash
from i2i.errors import UsageError, WriteError
from i2i.images import Provenance, Writer
from tests.conftest import random_image, write_random_images
from tests.images.in_process_reader import InProcessReader


class InProcessPool(InProcessReader):
    """Reads in this process, with the interface of ``DecoderPool``."""

    def __init__(self, count: int, *, max_pixels: int, deep: bool = False) -> None:
        super().__init__(max_pixels, deep)

    def start(self) -> None: ...

    def __enter__(self) -> "InProcessPool":
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def use_in_process_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.convert.conversion.DecoderPool", InProcessPool)


def run(*args: str) -> Any:
    return CliRunner().invoke(app, ["convert", "identity", "in", "--out", "out", "--device", "cpu", *args])


def run_json(*args: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(run("--json", *args).stdout)
    return report


def test_the_json_report_lists_every_file_once_and_is_the_only_output(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 2)
    (tmp_path / "in" / "text.png").write_text("text")
    (tmp_path / "in" / "page.jpg").write_text("<html>")
    report = run_json()
    assert set(report) == {"converted", "failed", "skipped", "notices", "seconds"}
    assert report["converted"] == [{"source": f"in/00{i}.png", "output": f"out/00{i}.png"} for i in range(2)]
    assert [set(entry) for entry in report["failed"]] == [{"source", "reason"}] * 2
    assert "a web page" in report["failed"][0]["reason"]
    assert report["seconds"] > 0
    assert [entry["source"] for entry in run_json()["skipped"]] == ["in/000.png", "in/001.png"]


def test_the_exit_code_is_1_if_a_file_failed(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    assert run().exit_code == 0
    assert run().exit_code == 0
    (tmp_path / "in" / "empty.png").touch()
    failed = run()
    assert failed.exit_code == 1
    assert "in/empty.png" in failed.stderr
    assert "is empty (0 bytes)" in failed.stderr
    assert run("--overwrite", "--skip-existing").exit_code != 0


def test_a_dry_run_lists_what_would_be_converted_and_writes_nothing(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 2)
    report = run_json("--dry-run", "--format", "webp")
    assert report["planned"] == [{"source": f"in/00{i}.png", "output": f"out/00{i}.webp"} for i in range(2)]
    assert report["converted"] == []
    assert run("--dry-run").stdout.splitlines() == ["in/000.png -> out/000.png", "in/001.png -> out/001.png"]
    assert not (tmp_path / "out").exists()
    run("--pattern", "*0.png")
    assert [entry["source"] for entry in run_json("--dry-run")["planned"]] == ["in/001.png"]


def test_a_dry_run_skips_a_video_whose_result_exists_like_the_conversion(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "existing.mp4").touch()
    (tmp_path / "in" / "new.mp4").touch()
    args = ["convert", "identity", "in/existing.mp4", "in/new.mp4", "--out", "out", "--device", "cpu", "--dry-run"]
    assert CliRunner().invoke(app, args).stdout.splitlines() == ["in/new.mp4 -> out/new.mp4"]


def test_file_names_with_invalid_text_or_terminal_commands_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in (os.fsdecode(b"\xff\x1b[31m.png"), "new\nline.png", "[bold].png"):
        (tmp_path / "in" / name).write_text("text")
    result = run("--json")
    assert {entry["source"] for entry in json.loads(result.stdout)["failed"]} == {
        "in/\udcff\x1b[31m.png", "in/new\nline.png", "in/[bold].png",
    }  # fmt: skip
    assert "\x1b" not in result.stderr
    assert r"new\nline.png" in result.stderr
    assert "[bold].png" in result.stderr


def test_frames_all_converts_every_frame(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = [random_image(seed) for seed in range(3)]
    frames[0].save(tmp_path / "in" / "pages.tif", save_all=True, append_images=frames[1:])
    run("--frames", "all")
    for index, frame in enumerate(frames, 1):
        with Image.open(tmp_path / "out" / f"pages.{index:03}.png") as image:
            assert np.array_equal(np.asarray(image), np.asarray(frame))
    run("--format", "tif")
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} == {"pages.tif"}


def test_an_image_above_max_pixels_fails(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1, width=40)
    assert "40x16 pixels; at most 600 are read" in run_json("--max-pixels", "600")["failed"][0]["reason"]


@pytest.mark.parametrize(
    ("text", "pixels"), [("89MP", 89_000_000), ("2.5e8", 250_000_000), ("1000", 1000), (" 0.5 mp ", 500_000)]
)
def test_pixels_can_be_given_in_millions(text: str, pixels: int) -> None:
    assert parse_pixels(text) == pixels


@pytest.mark.parametrize("text", ["", "many", "-5", "0", "1e30", "89GB"])
def test_any_other_text_is_not_a_number_of_pixels(text: str) -> None:
    with pytest.raises(UsageError, match="--max-pixels is"):
        parse_pixels(text)


def test_the_settings_hash_depends_on_model_weights_direction_and_writer() -> None:
    models = [
        None,
        Provenance("a AtoB", "1", "i2i"),
        Provenance("a BtoA", "1", "i2i"),
        Provenance("a AtoB", "2", "i2i"),
    ]
    writers = [Writer(), Writer(suffix=".jpg"), Writer(suffix=".jpg", quality=5), Writer(policy="strip")]
    assert len({settings_hash(model, writer) for model in models for writer in writers}) == 16
    assert settings_hash(None, Writer(quality=5)) == settings_hash(None, Writer())  # PNG has no quality
    webps = [Writer(suffix=".webp"), Writer(suffix=".webp", lossless=True)]
    assert len({settings_hash(None, writer) for writer in webps}) == 2


def test_the_settings_hash_depends_on_the_strength_and_the_masks(tmp_path: Path) -> None:
    mask, other_mask = write_random_images(tmp_path / "masks", 2)
    settings: list[dict[str, Any]] = [{}, {"strength": 25.0}, {"strength": 50.0}]
    settings += [{"mask": path} for path in (mask, other_mask, mask.parent)]
    hashes = [settings_hash(None, Writer(), **kwargs) for kwargs in settings]
    random_image(5, 40).save(mask)
    hashes += [settings_hash(None, Writer(), mask=mask), settings_hash(None, Writer(), mask=mask.parent)]
    assert len(set(hashes)) == len(hashes)


def test_overwrite_and_skip_existing_exclude_each_other() -> None:
    assert [existing_policy(*flags) for flags in ((False, False), (True, False), (False, True))] == [
        "continue", "overwrite", "skip",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="use only one of them"):
        existing_policy(True, True)


def test_files_that_are_no_images_are_counted_and_named_at_the_end(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    (tmp_path / "in" / "raw.CR2").write_bytes(b"II*\0")
    (tmp_path / "in" / "notes.txt").write_text("hello")
    result = run()
    assert result.exit_code == 0
    line = "2 files skipped, no images that i2i reads: notes.txt (a text), raw.CR2 (a raw camera image)"
    assert line in result.stderr.splitlines()
    assert line in run("--dry-run").stderr.splitlines()
    skipped = {Path(entry["source"]).name: entry for entry in run_json()["skipped"]}
    assert set(skipped) == {"000.png", "notes.txt", "raw.CR2"}
    assert skipped["notes.txt"] == {
        "source": "in/notes.txt", "output": None, "reason": "is no image that i2i reads: a text"
    }  # fmt: skip


def convert_one(*args: str) -> Any:
    return CliRunner().invoke(app, ["convert", "identity", "in/000.png", "--device", "cpu", *args])


def test_one_photo_is_written_to_the_named_file_and_nothing_beside_it(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    assert convert_one("--out", "new/result.jpeg").exit_code == 0
    with Image.open("new/result.jpeg") as image:
        assert image.format == "JPEG"
    assert [path.name for path in Path("new").iterdir()] == ["result.jpeg"]
    Path("new/result.jpeg").write_text("mine")
    again = convert_one("--out", "new/result.jpeg")
    assert (again.exit_code, Path("new/result.jpeg").read_text()) == (0, "mine")
    assert "exists already (--overwrite replaces it)" in again.stderr
    assert convert_one("--out", "new/result.jpeg", "--overwrite").exit_code == 0
    with Image.open("new/result.jpeg") as image:
        assert image.size == (16, 16)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--out", "r.png", "--format", "webp"], "name different formats"),
        (["--out", "r.bmp"], "written as png, jpg, webp, avif, tif, gif, npy, not as bmp"),
        (["--out", "r.heic"], "not as heic"),
        (["in", "--out", "r.png"], "takes one photo; found 2 sources"),
    ],
)
def test_a_named_result_that_cannot_be_written_is_an_error_in_words(
    tmp_path: Path, args: list[str], words: str
) -> None:
    write_random_images(tmp_path / "in", 1)
    result = convert_one(*args)
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)


@pytest.mark.parametrize("out", ["file/results", "file/result.png"])
def test_a_folder_that_cannot_be_created_is_named_with_the_reason(tmp_path: Path, out: str) -> None:
    write_random_images(tmp_path / "in", 1)
    Path("file").write_text("")
    result = convert_one("--out", out)
    assert isinstance(result.exception, WriteError)
    assert "could not be created" in str(result.exception)
    assert "Choose another --out." in str(result.exception)


def test_max_side_downscales_before_translating_and_is_part_of_the_settings(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1, width=64)
    assert len(run_json("--max-side", "32")["converted"]) == 1
    with Image.open("out/000.png") as image:
        assert image.size == (32, 8)
    assert run_json("--max-side", "32")["converted"] == []
    assert len(run_json()["converted"]) == 1
    assert run("--max-side", "0").exit_code == 2
