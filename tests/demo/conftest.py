"""Tiny models, an upload store and uploaded files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.config import to_json
from i2i.demo.limits import Limits
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.server import Server
from i2i.demo.uploads import UploadStore
from i2i.networks import ResnetConfig
from tests.conftest import write_model_file


def write_model(folder: Path, directions: tuple[str, ...] = ("AtoB", "BtoA"), **metadata: Any) -> Path:
    """Write the model file of a run with random weights."""
    folder.mkdir(parents=True)
    config = ResnetConfig(ngf=2, blocks=1)
    torch.manual_seed(0)
    tensors = dict[str, torch.Tensor]()
    for direction in directions:
        weights = config.build(16).state_dict()
        tensors |= {f"{direction}.{name}": value for name, value in weights.items()}
    defaults = {
        "generator": to_json(config), "size": 16, "directions": list(directions), "data": {"name": "stripes"},
    }  # fmt: skip
    path = folder / "weights.safetensors"
    return write_model_file(path, {**defaults, **metadata}, tensors)


@pytest.fixture
def registry(work_dir: Path) -> ModelRegistry:
    """The model "both" with two directions, and the shipped models."""
    write_model(work_dir / "checkpoints" / "both")
    return ModelRegistry("cpu", max_loaded=2)


@pytest.fixture
def store(shared_decoders: None) -> Iterator[UploadStore]:
    """An upload store with small limits."""
    store = UploadStore(Limits(max_pixels=1_000_000, max_files=5, max_unpacked_bytes=10_000_000))
    yield store
    store.close()


def upload(store: UploadStore, name: str, data: bytes) -> Path:
    """Write a file where Gradio saves uploads."""
    path = store.new_path(name)
    path.write_bytes(data)
    return path


@pytest.fixture(scope="package")
def served_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoints folder with the model "both"."""
    folder = tmp_path_factory.mktemp("served")
    write_model(folder / "both")
    return folder


@pytest.fixture
def use_served_checkpoints(served_checkpoints: Path, work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(served_checkpoints))


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    """A running server with small limits. Its tests need ``use_served_checkpoints``."""
    limits = Limits(max_pixels=2_000_000, max_upload_bytes=1_000_000, max_queue=8, max_files=5)
    with Server(ModelRegistry("cpu", 2), UploadStore(limits)) as running:
        yield running
