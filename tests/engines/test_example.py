"""The program that an export prints works as it is printed, without i2i."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import i2i
from i2i.cli import main
from i2i.engines.example import usage_example
from i2i.engines.metadata import ExportInfo
from i2i.engines.pt2_format import read_pt2
from tests.conftest import random_image

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("format", ["onnx", "openvino", "pt2"])
def test_the_program_makes_the_result_of_i2i(
    format: str, exportable_model: Path, exported: Callable[[str], Path]
) -> None:
    path = exported(format)
    random_image(1, 51, 38).save("photo.jpg", quality=100)
    export = ExportInfo.from_strings(read_pt2(exported("pt2"))[0], str(path))
    assert export is not None
    exec(compile(usage_example(format, path, export), "example", "exec"), {})  # type: ignore[arg-type]
    photo = Image.open("photo.jpg").crop((0, 0, 48, 36))
    expected = np.asarray(i2i.load(exportable_model, precision="float32")(photo)).astype(int)
    assert np.abs(np.asarray(Image.open("result.png")) - expected).max() <= 1


def test_the_command_prints_a_program_that_runs(
    exportable_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["i2i", "models", "export", str(exportable_model), "--out", "zebra.pt2"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    printed = capsys.readouterr()
    assert re.search(r"largest difference from torch at five sizes: \S+ levels of 255", printed.err + printed.out)
    random_image(1, 32, 32).save("photo.jpg")
    exec(compile(printed.out, "printed", "exec"), {})
    assert Image.open("result.png").size == (32, 32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "a.onnx", "--format", "pt2"], "name different formats"),
        (["--out", "folder", "--direction", "AtoB"], "give --format"),
        (["--out", "a.pt2", "--int8"], "for the formats onnx and openvino"),
        (["--out", "a.onnx", "--int8"], "give --calibration"),
        (["--out", "a.onnx", "--max-loss", "1"], "are for --int8"),
        (["--out", "a.pte", "--half"], "--half is not for the format executorch"),
        (["--out", "a.pte", "--int8"], "for the formats onnx and openvino"),
        (["--out", "a.onnx", "--max-side", "64"], "--max-side is for the format executorch"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    words: list[str],
    message: str,
    exportable_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["i2i", "models", "export", str(exportable_model), *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_file_is_not_overwritten(
    exportable_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("zebra.pt2").write_bytes(b"mine")
    monkeypatch.setattr(sys, "argv", ["i2i", "models", "export", str(exportable_model), "--out", "zebra.pt2"])
    with pytest.raises(SystemExit):
        main()
    assert "exists already" in capsys.readouterr().err
    assert Path("zebra.pt2").read_bytes() == b"mine"
