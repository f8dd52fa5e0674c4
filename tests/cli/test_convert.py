import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import i2i.images
from i2i.cli import app
from i2i.convert.options import chosen_existing, made_by, pixels_of
from i2i.errors import UsageError
from i2i.images import Here, Provenance, Writer
from tests.conftest import picture, write_pictures


class Nearby(Here):
    """The reader in this process, called as the one in others."""

    def __init__(self, count: int, *, max_pixels: int) -> None:
        super().__init__(max_pixels)

    def start(self) -> None: ...

    def __enter__(self) -> "Nearby":
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i2i.images, "Decoders", Nearby)


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["convert", "identity", "in", "--out", "out", "--device", "cpu", *words])


def report(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", *words).stdout)
    return found


def test_the_report_lists_every_file_once_and_stands_alone_on_standard_output(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 2)
    (tmp_path / "in" / "text.png").write_text("text")
    (tmp_path / "in" / "page.jpg").write_text("<html>")
    told = report()
    assert set(told) == {"converted", "failed", "skipped", "seconds"}
    assert told["converted"] == [{"source": f"in/00{i}.png", "output": f"out/00{i}.png"} for i in range(2)]
    assert [set(entry) for entry in told["failed"]] == [{"source", "reason"}] * 2
    assert "a web page" in told["failed"][0]["reason"]
    assert told["seconds"] > 0
    assert [entry["source"] for entry in report()["skipped"]] == ["in/000.png", "in/001.png"]


def test_the_exit_code_tells_whether_every_file_was_converted(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 1)
    assert run().exit_code == 0
    assert run().exit_code == 0
    (tmp_path / "in" / "empty.png").touch()
    failed = run()
    assert failed.exit_code == 1
    assert "in/empty.png" in failed.stderr
    assert "is empty (0 bytes)" in failed.stderr
    assert run("--overwrite", "--skip-existing").exit_code != 0


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 2)
    told = report("--dry-run", "--format", "webp")
    assert told["planned"] == [{"source": f"in/00{i}.png", "output": f"out/00{i}.webp"} for i in range(2)]
    assert told["converted"] == []
    assert run("--dry-run").stdout.splitlines() == ["in/000.png -> out/000.png", "in/001.png -> out/001.png"]
    assert not (tmp_path / "out").exists()
    run("--pattern", "*0.png")
    assert [entry["source"] for entry in report("--dry-run")["planned"]] == ["in/001.png"]


def test_a_dry_run_leaves_out_a_clip_that_is_there_as_the_conversion_would(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "there.mp4").touch()
    (tmp_path / "in" / "new.mp4").touch()
    words = ["convert", "identity", "in/there.mp4", "in/new.mp4", "--out", "out", "--device", "cpu", "--dry-run"]
    assert CliRunner().invoke(app, words).stdout.splitlines() == ["in/new.mp4 -> out/new.mp4"]


def test_names_that_are_no_text_or_hold_commands_for_a_terminal_are_told_harmlessly(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in (os.fsdecode(b"\xff\x1b[31m.png"), "new\nline.png", "[bold].png"):
        (tmp_path / "in" / name).write_text("text")
    told = run("--json")
    assert {entry["source"] for entry in json.loads(told.stdout)["failed"]} == {
        "in/\udcff\x1b[31m.png", "in/new\nline.png", "in/[bold].png",
    }  # fmt: skip
    assert "\x1b" not in told.stderr
    assert r"new\nline.png" in told.stderr
    assert "[bold].png" in told.stderr


def test_every_frame_is_converted_where_all_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = [picture(seed) for seed in range(3)]
    frames[0].save(tmp_path / "in" / "pages.tif", save_all=True, append_images=frames[1:])
    run("--frames", "all")
    for index, frame in enumerate(frames, 1):
        with Image.open(tmp_path / "out" / f"pages.{index:03}.png") as image:
            assert np.array_equal(np.asarray(image), np.asarray(frame))
    run("--format", "tif")
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} == {"pages.tif"}


def test_a_picture_larger_than_asked_for_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 1, width=40)
    assert "40x16 pixels; at most 600 are read" in report("--max-pixels", "600")["failed"][0]["reason"]


@pytest.mark.parametrize(
    ("text", "pixels"), [("89MP", 89_000_000), ("2.5e8", 250_000_000), ("1000", 1000), (" 0.5 mp ", 500_000)]
)
def test_a_number_of_pixels_may_be_given_in_millions(text: str, pixels: int) -> None:
    assert pixels_of(text) == pixels


@pytest.mark.parametrize("text", ["", "many", "-5", "0", "1e30", "89GB"])
def test_another_text_is_no_number_of_pixels(text: str) -> None:
    with pytest.raises(UsageError, match="--max-pixels is"):
        pixels_of(text)


def test_makings_differ_with_model_state_direction_and_way_of_writing() -> None:
    models = [
        None,
        Provenance("a AtoB", "1", "i2i"),
        Provenance("a BtoA", "1", "i2i"),
        Provenance("a AtoB", "2", "i2i"),
    ]
    writers = [Writer(), Writer(suffix=".jpg"), Writer(suffix=".jpg", quality=5), Writer(policy="strip")]
    assert len({made_by(model, writer) for model in models for writer in writers}) == 16
    assert made_by(None, Writer(quality=5)) == made_by(None, Writer())  # PNG has none


def test_makings_differ_with_the_strength_and_the_masks_that_were_asked_for(tmp_path: Path) -> None:
    mask, other = write_pictures(tmp_path / "masks", 2)
    ways: list[dict[str, Any]] = [{}, {"strength": 25.0}, {"strength": 50.0}]
    ways += [{"mask": path} for path in (mask, other, mask.parent)]
    made = [made_by(None, Writer(), **way) for way in ways]
    picture(5, 40).save(mask)
    made += [made_by(None, Writer(), mask=mask), made_by(None, Writer(), mask=mask.parent)]
    assert len(set(made)) == len(made)


def test_redoing_and_leaving_exclude_each_other() -> None:
    assert [chosen_existing(*flags) for flags in ((False, False), (True, False), (False, True))] == [
        "continue", "overwrite", "skip",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="give one of them"):
        chosen_existing(True, True)
