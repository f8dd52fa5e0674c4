"""16-pixel data, networks of a few weights, and a place of its own for every test."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tiny networks are slower on two threads

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)

SIZE = 16
TINY_NETWORKS = {
    "generator": {"ngf": 2},
    "discriminator": {"ndf": 2, "receptive_field": 16},
}


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs and datasets of a test go under its own folder, which is also the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("I2I_CHECKPOINTS", raising=False)
    return tmp_path


def picture(seed: int, width: int = SIZE, height: int = SIZE) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def write_pictures(folder: Path, count: int, width: int = SIZE, seed: int = 0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:03}.png" for index in range(count)]
    for index, path in enumerate(paths):
        picture(seed * 1000 + index, width).save(path)
    return paths


@pytest.fixture
def unpaired(tmp_path: Path) -> Path:
    root = tmp_path / "datasets" / "two"
    for place, (name, count) in enumerate({"trainA": 5, "trainB": 4, "testA": 4, "testB": 4}.items()):
        write_pictures(root / name, count, seed=place)
    return root


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    root = tmp_path / "datasets" / "pairs"
    write_pictures(root / "train", 5, width=2 * SIZE, seed=7)
    write_pictures(root / "test", 4, width=2 * SIZE, seed=8)
    return root


@pytest.fixture
def changes() -> Callable[..., dict[str, Any]]:
    """Settings of a training that takes milliseconds a step; data and further training settings as arguments."""

    def make(data: Path | str, **training: Any) -> dict[str, Any]:
        return {
            "data": {"data": str(data), "size": SIZE, "jitter": 18 / 16},
            "model": {"generator": {"network": "resnet", "blocks": 1, "dropout": 0.5, **TINY_NETWORKS["generator"]},
                      "discriminator": TINY_NETWORKS["discriminator"]},
            "training": {"steps": 6, "ema": 0.9, "precision": "float32", "sample_every": 100, "log_every": 2,
                         "device": "cpu", **training},
        }  # fmt: skip

    return make


@pytest.fixture(scope="session")
def perceptual_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with LPIPS weights of the right names and shapes, drawn at random."""
    from safetensors.torch import save_file

    rng = torch.Generator().manual_seed(0)
    shapes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    tensors = {}
    for index, (place, (out, channels, side)) in enumerate(shapes.items()):
        scale = (2 / (channels * side * side)) ** 0.5
        tensors[f"features.{place}.weight"] = torch.randn(out, channels, side, side, generator=rng) * scale
        tensors[f"features.{place}.bias"] = torch.randn(out, generator=rng) * 0.1
        tensors[f"lin{index}.model.1.weight"] = torch.rand(1, out, 1, 1, generator=rng)
    folder = tmp_path_factory.mktemp("weights")
    save_file(tensors, folder / "lpips-alexnet-v0.1.safetensors")
    return folder


@pytest.fixture
def perceptual_weights(perceptual_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as $I2I_WEIGHTS."""
    monkeypatch.setenv("I2I_WEIGHTS", str(perceptual_folder))
    return perceptual_folder
