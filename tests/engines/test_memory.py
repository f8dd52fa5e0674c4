"""The memory of an exported file is measured, and images that do not fit are refused before they run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.engines import memory
from i2i.engines.memory import EngineMemory, available_bytes, peak_bytes
from i2i.errors import I2IError
from i2i.inference.loading import load

GIB = 2**30
pytestmark = pytest.mark.skipif(available_bytes() is None, reason="the memory is measured on Linux")


def test_peak_bytes_counts_what_is_freed_again() -> None:
    assert 60e6 <= peak_bytes(lambda: np.ones(8_000_000)) < 96e6


@pytest.fixture
def zebra_memory(monkeypatch: pytest.MonkeyPatch) -> EngineMemory:
    monkeypatch.setattr(EngineMemory, "bytes_per_pixel", 1000.0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 5 * GIB)
    return EngineMemory("onnx", Path("zebra.onnx"), multiple=4)


def test_an_image_that_fits_is_taken(zebra_memory: EngineMemory) -> None:
    zebra_memory.check(2000, 2000)


def test_a_side_that_fits_is_named(zebra_memory: EngineMemory) -> None:
    with pytest.raises(I2IError, match=r"4000x3000 pixels .* takes 11 GiB .*; 5\.0 GiB are available.*--max-side 2300"):
        zebra_memory.check(4000, 3000)
    zebra_memory.check(2300, 2300 * 3 // 4)


def test_what_cannot_be_measured_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1)
    EngineMemory("onnx", tmp_path / "missing.onnx").check(4000, 3000)


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_a_file_with_instance_norm_refuses_a_photo_above_the_memory(
    format: str, exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    translate = load(exported(format), device="cpu")
    photo = Image.new("RGB", (64, 48))
    monkeypatch.setattr(memory, "PIXELS_UNCHECKED", 1000)
    monkeypatch.setattr(memory, "SIDE", 256)
    assert translate(photo).size == (64, 48)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(I2IError, match="64x48 pixels needs the whole network in one pass"):
        translate(photo)
