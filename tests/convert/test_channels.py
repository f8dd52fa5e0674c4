"""Several pages and several files that are the channels of one image."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import i2i
from i2i.cli import app
from i2i.errors import UsageError


def notes_of(path: Path) -> str:
    args = ["convert", "identity", str(path), "--out", str(path.parent / "out"), "--device", "cpu"]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    return result.output


def test_pages_that_are_channels_are_not_said_to_be_left_out(tmp_path: Path) -> None:
    pages = np.arange(2 * 20 * 20, dtype=np.uint16).reshape(2, 20, 20)
    tifffile.imwrite(tmp_path / "cells.tif", pages, imagej=True, metadata={"axes": "CYX"})
    assert "left out" not in notes_of(tmp_path / "cells.tif")


def test_pages_that_are_left_out_come_without_advice_that_is_refused(tmp_path: Path) -> None:
    pages = np.arange(3 * 20 * 20 * 2, dtype=np.uint16).reshape(3, 20, 20, 2)
    with tifffile.TiffWriter(tmp_path / "slices.tif") as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", planarconfig="contig")
    notes = notes_of(tmp_path / "slices.tif")
    assert "2 of 3 frames or pages are left out" in notes
    assert "--frames all" not in notes


STACK = "{stem}_{B02,B03}.tif"


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Four scenes: "a" and "d" are whole, "b" lacks a band, and a band of "c" is cut off."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for scene in "abcd":
        for band in ("B02", "B03"):
            tifffile.imwrite(folder / f"{scene}_{band}.tif", np.full((8, 8), 9, np.uint16), metadata=None)
    (folder / "b_B03.tif").unlink()
    band = folder / "c_B02.tif"
    band.write_bytes(band.read_bytes()[:-20])
    return folder


def test_stacks_that_are_not_whole_fail_and_the_others_are_converted(scenes: Path, tmp_path: Path) -> None:
    result = i2i.convert("identity", scenes, tmp_path / "out", stack=STACK, format="tif")
    assert sorted(target.name for _, target in result.converted) == ["a.tif", "d.tif"]
    reasons = {path.name: reason for path, reason in result.failed}
    assert set(reasons) == {"b_{B02,B03}.tif", "c_{B02,B03}.tif"}
    assert "b_B03.tif is missing. An image of several files needs all of them." in reasons["b_{B02,B03}.tif"]
    assert "c_B02.tif is damaged" in reasons["c_{B02,B03}.tif"]
    shown = CliRunner().invoke(
        app, ["convert", "identity", str(scenes), "--stack", STACK, "--format", "tif", "--out", str(tmp_path / "again")]
    )
    assert shown.exit_code == 1
    assert "2 converted" in shown.output
    assert "2 failed" in shown.output


def test_a_result_of_a_stack_that_has_lost_a_file_stays(scenes: Path, tmp_path: Path) -> None:
    i2i.convert("identity", scenes, tmp_path / "out", stack=STACK, format="tif")
    (scenes / "a_B02.tif").unlink()
    result = i2i.convert("identity", scenes, tmp_path / "out", stack=STACK, format="tif")
    assert "a_{B02,B03}.tif" in {path.name for path, _ in result.failed}
    assert (tmp_path / "out" / "a.tif").exists()


@pytest.mark.parametrize("pattern", ["a_*", "a_B03.tif", "a_{B02,B03}.tif"])
def test_a_pattern_of_one_file_selects_its_stack(pattern: str, scenes: Path, tmp_path: Path) -> None:
    result = i2i.convert("identity", scenes, tmp_path / "out", stack=STACK, format="tif", pattern=pattern)
    assert [target.name for _, target in result.converted] == ["a.tif"]
    assert result.failed == []
    with pytest.raises(UsageError, match="holds no images that match"):
        i2i.convert("identity", scenes, tmp_path / "out", stack=STACK, format="tif", pattern="x*")
