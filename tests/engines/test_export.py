"""Exported files: the results of torch, metadata that say how to use them, and refusals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import i2i
from i2i.checkpoints.model_file import load_model_file
from i2i.engines import parity
from i2i.engines.export import ExportOptions, export_model, run_file
from i2i.engines.metadata import TOLERANCE, ExportInfo
from i2i.engines.parity import check_parity, parity_images
from i2i.engines.pt2_format import read_pt2
from i2i.engines.sessions import open_session
from i2i.engines.tracing import to_portable, trace
from i2i.errors import I2IError, UsageError
from i2i.model_networks import build_translator
from i2i.networks import UnetConfig, prepare_for_inference
from tests.conftest import random_image
from tests.engines.fixtures import NETWORKS, write_model

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["resnet-parts", "unet"])
def test_networks_have_the_results_of_torch_as_onnx(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    config, size, task = NETWORKS[name]
    path = write_model(tmp_path, name, config, size, task)
    export = export_model(path, tmp_path / f"{name}.onnx", ExportOptions(format="onnx", without_dropout=True))
    assert export.difference < 1e-4


@pytest.mark.parametrize("name", ["level", "mask", "compact"])
def test_restoration_networks_have_the_results_of_torch_when_they_are_traced(name: str) -> None:
    config, size, _ = NETWORKS[name]
    network = prepare_for_inference(config.build(size), config)
    channels = 3 if name == "compact" else 4
    program = trace(to_portable(network, name), channels, config.size_multiple(size), name).module()
    for image in parity_images(channels, name, config.size_multiple(size)):
        torch.testing.assert_close(program(image), network(image))


def test_colours_can_be_traced(tmp_path: Path) -> None:
    from i2i.networks import RestorerConfig

    config = RestorerConfig(width=4, levels=1, depth=1, prediction="chroma")
    network = to_portable(prepare_for_inference(config.build(32), config), "colours")
    program = trace(network, 3, config.size_multiple(32), "colours")
    image = torch.rand(1, 3, 20, 24) * 2 - 1
    torch.testing.assert_close(program.module()(image), network(image))


@pytest.mark.parametrize("format", ["onnx", "openvino", "pt2"])
def test_an_exported_file_takes_any_batch_height_and_width(
    format: str, exportable_model: Path, exported: Callable[[str], Path]
) -> None:
    network = prepare_for_inference(*build_translator(exportable_model, load_model_file(exportable_model), "AtoB"))
    run = run_file(exported(format), format)  # type: ignore[arg-type]
    for shape in ((1, 3, 16, 16), (3, 3, 20, 72), (1, 3, 104, 36)):
        image = torch.rand(shape) * 2 - 1
        torch.testing.assert_close(run(image), network(image), atol=1e-4, rtol=0)


@pytest.mark.parametrize("format", ["onnx", "openvino", "pt2"])
def test_the_metadata_say_how_to_use_a_file(
    format: str, exportable_model: Path, exported: Callable[[str], Path]
) -> None:
    path = exported(format)
    texts = read_pt2(path)[0] if format == "pt2" else open_session(format, path, threads=1).metadata  # type: ignore[arg-type]
    found = {name: texts[name] for name in ("value_range", "layout", "size_multiple", "min_side", "scale", "direction")}
    assert found == {"value_range": "-1 1", "layout": "NCHW RGB", "size_multiple": "4", "min_side": "16",
                     "scale": "1", "direction": "AtoB"}  # fmt: skip
    assert texts["title"] == "Stripes for spots"
    export = ExportInfo.from_strings(texts, str(path))
    assert export is not None
    assert export.info == load_model_file(exportable_model).info
    assert export.difference <= TOLERANCE


@pytest.mark.parametrize("format", ["onnx", "openvino", "pt2"])
def test_a_file_names_no_folder_of_this_machine(format: str, exported: Callable[[str], Path]) -> None:
    assert b"instance_norm.py" not in exported(format).read_bytes()


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_half_stores_the_weights_in_float16_and_computes_in_float32(
    format: str, exportable_model: Path, tmp_path: Path
) -> None:
    if format == "onnx":
        pytest.importorskip("onnxscript")
    path = tmp_path / f"half.{format}"
    export = export_model(exportable_model, path, ExportOptions(format=format, half=True))  # type: ignore[arg-type]
    assert export.precision == "float16"
    assert 0 < export.difference <= TOLERANCE
    photo = random_image(3, 40, 24)
    result, expected = (np.asarray(i2i.load(file, precision="float32")(photo)) for file in (path, exportable_model))
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_dropout_at_inference_is_refused_by_name(tmp_path: Path) -> None:
    path = write_model(tmp_path, "facades", UnetConfig(ngf=2), 32)
    with pytest.raises(UsageError, match=r"facades uses dropout at inference .* --without-dropout"):
        export_model(path, tmp_path / "facades.pt2", ExportOptions(format="pt2"))


def test_a_file_that_differs_by_more_than_one_level_is_not_written(
    exportable_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = lambda network, image: torch.zeros_like(image) + 0.5  # noqa: E731
    monkeypatch.setattr(parity, "reference_output", wrong)
    with pytest.raises(I2IError, match=r"differs from that of torch by .* levels of 255 .* Nothing was written"):
        export_model(exportable_model, tmp_path / "zebra.pt2", ExportOptions(format="pt2"))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".zebra", "zebra"))] == []


def test_one_level_of_255_is_the_limit() -> None:
    check_parity(2 / 255, (1, 3, 16, 16), "an engine")
    with pytest.raises(I2IError, match="1x3x16x16"):
        check_parity(2.01 / 255, (1, 3, 16, 16), "an engine")


def test_parity_is_measured_at_five_sizes_of_the_right_multiple() -> None:
    shapes = {tuple(image.shape) for image in parity_images(4, "mask", 24)}
    assert len(shapes) == 5
    assert all(height % 24 == width % 24 == 0 for _, _, height, width in shapes)
    assert {count for count, *_ in shapes} == {1, 2}


def test_a_direction_that_a_model_lacks_is_named(exportable_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="zebra has no direction 'BtoA'; it has AtoB"):
        export_model(exportable_model, tmp_path / "zebra.pt2", ExportOptions(format="pt2", direction="BtoA"))
