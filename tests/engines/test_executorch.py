"""Programs for ExecuTorch: the results of torch, metadata, and the limits of their inputs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.checkpoints.model_file import load_model_file
from i2i.engines.example import usage_example
from i2i.engines.export import ExportOptions, export_model
from i2i.engines.metadata import ExportInfo
from i2i.engines.parity import parity_images
from i2i.errors import UsageError
from i2i.model_networks import build_translator
from i2i.networks import prepare_for_inference
from tests.conftest import random_image
from tests.engines.fixtures import NETWORKS, write_model

pytestmark = pytest.mark.slow


def test_a_limit_below_the_images_of_the_comparison_is_refused(exportable_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-side 64 is too small for zebra: it needs 72 or more"):
        export_model(exportable_model, tmp_path / "zebra.pte", ExportOptions(format="executorch", max_side=64))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_program_has_the_results_of_torch_and_says_how_to_use_it(name: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("executorch.runtime").Runtime.get()
    path = tmp_path / "model.pte"
    config, size, task = NETWORKS[name]
    source = write_model(tmp_path, name, config, size, task)
    export = export_model(source, path, ExportOptions(format="executorch", max_side=128, without_dropout=True))
    assert export.difference < 1e-4
    program = runtime.load_program(path)
    texts = json.loads(program.load_method("metadata").execute([])[0])
    assert ExportInfo.from_strings(texts, str(path)) == export
    assert (texts["max_side"], texts["max_batch"]) == ("128", "2")
    network = prepare_for_inference(*build_translator(source, load_model_file(source), "AtoB"))
    for image in parity_images(export.channels, export.conditioning, export.size_multiple):
        (result,) = program.load_method("forward").execute([image])
        if name != "unet":  # it has dropout
            torch.testing.assert_close(result, network(image), atol=1e-4, rtol=0)


def test_the_program_that_an_export_prints_makes_the_result_of_i2i(exportable_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("executorch.runtime")
    path = tmp_path / "zebra.pte"
    export = export_model(exportable_model, path, ExportOptions(format="executorch", max_side=128))
    random_image(1, 51, 38).save("photo.jpg", quality=100)
    exec(compile(usage_example("executorch", path, export), "example", "exec"), {})
    photo = Image.open("photo.jpg").crop((0, 0, 48, 36))
    expected = np.asarray(i2i.load(exportable_model, precision="float32")(photo)).astype(int)
    assert np.abs(np.asarray(Image.open("result.png")) - expected).max() <= 1
