"""Files whose pages are channels are one image, and nothing of them is said to be left out."""

from pathlib import Path

import numpy as np
import tifffile
from typer.testing import CliRunner

from i2i.cli import app


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
