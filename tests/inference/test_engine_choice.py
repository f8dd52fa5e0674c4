"""The engine that computes a model on a CPU."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import i2i
from i2i.checkpoints.cleanup import remove
from i2i.engines import cache as cache_module
from i2i.engines.cache import EngineCache
from i2i.engines.cache_folder import cache_folder, plan_cache_removal
from i2i.errors import UsageError
from i2i.inference import engine_choice
from i2i.inference.loading import load_with_options
from i2i.inference.options import InferenceOptions
from tests.conftest import random_image

pytestmark = pytest.mark.slow


@pytest.fixture
def cached(exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cache copy files that are exported already."""
    pytest.importorskip("onnxruntime")

    def copy(path: Path, out: Path, options: cache_module.ExportOptions) -> None:
        shutil.copy(exported(options.format), out)

    monkeypatch.setattr(cache_module, "export_model", copy)
    monkeypatch.setattr(engine_choice, "installed_engines", lambda: ["onnxruntime"])


@pytest.mark.usefixtures("cached")
def test_an_engine_gives_the_results_of_torch(exportable_model: Path) -> None:
    photo = random_image(1, 45, 31)
    translate = i2i.load(exportable_model, device="cpu", precision="float32", engine="onnxruntime")
    expected = i2i.load(exportable_model, device="cpu", precision="float32")(photo)
    assert translate.runner.engine == "onnxruntime"
    assert np.abs(np.asarray(translate(photo)).astype(int) - np.asarray(expected)).max() <= 1
    translate.runner.limits.max_image_pixels = 100  # streamed, by torch
    assert np.abs(np.asarray(translate(photo)).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.usefixtures("cached")
def test_auto_does_not_measure_for_few_photos(exportable_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = InferenceOptions("cpu", "float32", engine="auto", expected_pixels=1000)
    translate = load_with_options(str(exportable_model), None, options)
    assert translate.runner.engine == ""
    assert "a comparison of engines would cost more" in caplog.text
    assert not cache_folder().exists()


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(("seconds", "engine"), [(0.5, "onnxruntime"), (2.0, "")])
def test_auto_takes_the_fastest_measured_engine(
    seconds: float,
    engine: str,
    exportable_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    measurements = []

    def measure(runs: dict[str, object], image: torch.Tensor, rounds: int = 3) -> dict[str, float]:
        measurements.append(list(runs))
        return {"torch": 1.0, "onnxruntime": seconds}

    monkeypatch.setattr(engine_choice, "interleaved_seconds", measure)
    monkeypatch.setattr(engine_choice, "MEASURED_SIDE", 32)
    caplog.set_level(logging.INFO)
    for _ in range(2):  # the second time, it is known
        translate = i2i.load(exportable_model, device="cpu", precision="float32", engine="auto")
        assert translate.runner.engine == engine
    assert measurements == [["torch", "onnxruntime"]]
    assert ("2.00 times as fast as torch" if engine else "engine: torch") in caplog.text


@pytest.mark.usefixtures("cached")
def test_auto_leaves_out_an_engine_with_other_results(
    exportable_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(engine_choice.EngineNetwork, "forward", lambda self, image: torch.zeros_like(image))
    monkeypatch.setattr(engine_choice, "MEASURED_SIDE", 32)
    caplog.set_level(logging.INFO)
    assert i2i.load(exportable_model, device="cpu", precision="float32", engine="auto").runner.engine == ""
    assert "onnxruntime is not used, as it differs by" in caplog.text


def test_prune_removes_the_files_of_engines(exportable_model: Path) -> None:
    cache = EngineCache(exportable_model, "AtoB")
    cache.keep_measurement("here", {"seconds": {}})
    assert EngineCache(exportable_model, "AtoB").measurement("here") == {"seconds": {}}
    (removal,) = plan_cache_removal()
    assert removal.path == cache.folder
    remove(removal)
    assert plan_cache_removal() == []


def test_the_identity_has_no_engine() -> None:
    with pytest.raises(UsageError, match="identity computes nothing"):
        i2i.load("identity", engine="onnxruntime")
