"""Quantisation to int8 with control of its loss."""

from pathlib import Path

import pytest

from i2i.engines.export import ExportOptions, export_model, load_network
from i2i.errors import I2IError, UsageError
from i2i.networks import CompactConfig
from tests.conftest import write_random_images
from tests.engines.fixtures import write_model

pytestmark = pytest.mark.slow
pytest.importorskip("nncf")
pytest.importorskip("openvino")

from i2i.engines import quantization  # noqa: E402
from i2i.engines.quantization import Quantization  # noqa: E402


def test_int8_is_measured_on_the_photos_and_stated(tmp_path: Path) -> None:
    config = CompactConfig(width=4, convolutions=1)
    path = write_model(tmp_path, "denoise", config, 32, {"task": "denoise"})
    write_random_images(tmp_path / "photos", 4, 48)
    control = Quantization(tmp_path / "photos", "openvino", max_loss=3.0)
    export = export_model(path, tmp_path / "denoise.xml", ExportOptions(format="openvino", quantize=control.quantize))
    assert export.precision == "int8"
    assert "FakeQuantize" in (tmp_path / "denoise.xml").read_text()
    assert "has a PSNR of" in control.outcome


def test_int8_that_costs_too_much_is_refused(
    exportable_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_random_images(tmp_path / "photos", 4, 48)
    monkeypatch.setattr(quantization, "_quantize", lambda model, *_: model)
    monkeypatch.setattr(quantization, "_runner", lambda *_: lambda image: image)
    monkeypatch.setattr(quantization, "_has_int8", lambda *_: True)
    loaded = load_network(exportable_model, ExportOptions(format="openvino"))
    with pytest.raises(I2IError, match=r"less than 35.00 dB. Nothing was written"):
        Quantization(tmp_path / "photos", "openvino").quantize(None, loaded)


def test_the_limit_of_the_loss_fits_the_kind_of_model(exportable_model: Path, tmp_path: Path) -> None:
    loaded = load_network(exportable_model, ExportOptions(format="openvino"))
    with pytest.raises(UsageError, match=r"restores nothing, .* give --min-psnr"):
        Quantization(tmp_path, "openvino", max_loss=0.1).quantize(None, loaded)


def test_int8_needs_photos(exportable_model: Path, tmp_path: Path) -> None:
    write_random_images(tmp_path / "photos", 3, 48)
    loaded = load_network(exportable_model, ExportOptions(format="openvino"))
    with pytest.raises(UsageError, match="has 3 usable photos; --int8 needs 4"):
        Quantization(tmp_path / "photos", "openvino").quantize(None, loaded)
