"""Tiny model files of every kind of network, and exported ones that several tests share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.model_file import ModelFile, save_model_file
from i2i.checkpoints.model_info import DataInfo, ModelInfo
from i2i.config import to_json
from i2i.networks import CompactConfig, ResnetConfig, RestorerConfig, UnetConfig

SMALL = {"width": 4, "levels": 2, "depth": 1}
RESNET = ResnetConfig(ngf=2, blocks=1)
# Between them, these networks have every layer of i2i's generators.
NETWORKS: dict[str, tuple[Any, int, dict[str, Any] | None]] = {
    "resnet": (RESNET, 16, None),
    "resnet-parts": (
        ResnetConfig(ngf=2, blocks=1, separable=True, skip_input=True, skip_reduction=8, antialias=True,
                     upsampling="bilinear", spectral_norm=True, residual_output=True, texture_mask=True,
                     norm_eps=0.5),
        16, None,
    ),
    "unet": (UnetConfig(ngf=2), 32, None),
    "level": (RestorerConfig(**SMALL, conditioning="level"), 32, {"task": "denoise"}),
    "mask": (RestorerConfig(**SMALL, conditioning="mask", prediction="masked_residual", unshuffle=1), 32,
             {"task": "inpaint"}),
    "compact": (CompactConfig(width=4, convolutions=1, scale=2), 32, {"task": "superres", "scale": 2}),
}  # fmt: skip


def write_model(
    folder: Path, name: str, config: Any = RESNET, size: int = 16, task: dict[str, Any] | None = None
) -> Path:
    """Write a model file with random weights, larger than initial ones, so that all layers matter."""
    torch.manual_seed(0)
    network = config.build(size)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    info = ModelInfo(
        method="cyclegan", title="Stripes for spots", size=size, directions=("AtoB",), generator=to_json(config),
        task=task, data=DataInfo("stripes", "", (5, 4)), version="0.1.0",
    )  # fmt: skip
    path = folder / f"{name}.safetensors"
    save_model_file(path, ModelFile.from_networks(info, [network]))
    return path


@pytest.fixture(scope="session")
def exportable_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with a residual generator and instance norm."""
    return write_model(tmp_path_factory.mktemp("models"), "zebra")


@pytest.fixture(scope="session")
def exported(exportable_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that returns ``exportable_model`` exported to a format, written once."""
    from i2i.engines.export import ExportOptions, export_model
    from i2i.engines.formats import FORMAT_SUFFIXES

    folder = tmp_path_factory.mktemp("exported")

    def export(format: Any) -> Path:
        if format == "onnx":
            pytest.importorskip("onnxscript")
            pytest.importorskip("onnxruntime")
        elif format == "openvino":
            pytest.importorskip("openvino")
        path = folder / f"zebra{FORMAT_SUFFIXES[format]}"
        if not path.exists():
            export_model(exportable_model, path, ExportOptions(format=format))
        return path

    return export
