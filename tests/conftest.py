"""Fixtures: images of 16 pixels, tiny networks, and a separate working directory for every test."""

import gc
import json
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tiny networks are slower on two threads

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from xdist.scheduler import LoadFileScheduling

from i2i.training import samples
from tests.engines.fixtures import exportable_model, exported  # noqa: F401
from tests.images.shared_decoders import SharedDecoders

torch.set_num_threads(1)

SIZE = 16
# Files whose slow imports one process does for all of them: of compilers and engines; of the web page and its server.
FAMILIES = (
    ("tests/engines/", "tests/inference/test_exported.py", "tests/docs/test_browser_example.py",
     "tests/docs/test_commands.py", "tests/training/test_cuda_graphs.py"),
    ("tests/demo/",),
)  # fmt: skip
TINY_NETWORKS = {
    "generator": {"ngf": 2},
    "discriminator": {"ndf": 2, "receptive_field": 16},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put families and files with slow tests first: at the end of a run no process is left alone with one of them."""
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    long = tuple(path for paths in FAMILIES for path in paths)
    items.sort(key=lambda item: 0 if item.nodeid.startswith(long) else 1 if item.path in slow_files else 2)


class FamilyScheduling(LoadFileScheduling):
    """Distributes files, and each family of FAMILIES as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        return next((paths[0] for paths in FAMILIES if nodeid.startswith(paths)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return FamilyScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Exclude imports and tests from garbage collection: its passes over them took a tenth of the time of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def fast_files() -> Iterator[None]:
    """Do not wait for the disk, and do not enlarge the images of sample grids: trainings write many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor) and None)  # fails if the file is closed
        patch.setattr(samples, "MIN_SHOWN_SIZE", SIZE)
        yield


@pytest.fixture(autouse=True)
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the test's temporary folder the working directory, so that runs and datasets are written there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("I2I_CHECKPOINTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))  # the files of engines
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".state"))  # the log of downloads
    return tmp_path


def random_image(seed: int, width: int = SIZE, height: int = SIZE) -> Image.Image:
    """Return a smooth random image."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def write_random_images(folder: Path, count: int, width: int = SIZE, seed: int = 0) -> list[Path]:
    """Write random images 000.png, 001.png … into ``folder``, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:03}.png" for index in range(count)]
    for index, path in enumerate(paths):
        random_image(seed * 1000 + index, width).save(path)
    return paths


def write_model_file(path: Path, metadata: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Path:
    """Write a model file of format 2 without a check of its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"i2i": json.dumps({"format": 2, **metadata})})
    return path


def write_unpaired(root: Path) -> Path:
    """Write a dataset with two unpaired domains, and return its folder."""
    for seed, (name, count) in enumerate({"trainA": 5, "trainB": 4, "testA": 4, "testB": 4}.items()):
        write_random_images(root / name, count, seed=seed)
    return root


@pytest.fixture
def unpaired(tmp_path: Path) -> Path:
    """A dataset with two unpaired domains."""
    return write_unpaired(tmp_path / "datasets" / "two")


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    """A dataset of side-by-side pairs."""
    root = tmp_path / "datasets" / "pairs"
    write_random_images(root / "train", 5, width=2 * SIZE, seed=7)
    write_random_images(root / "test", 4, width=2 * SIZE, seed=8)
    return root


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """The file system of memory://, empty."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture(scope="session")
def changes() -> Callable[..., dict[str, Any]]:
    """A function that returns the overrides of a recipe for a tiny training.

    Its arguments are the data and further settings of the section "training".
    """

    def make(data: Path | str, **training: Any) -> dict[str, Any]:
        return {
            "data": {"data": str(data), "size": SIZE, "resize_scale": 18 / 16},
            "model": {"generator": {"network": "resnet", "blocks": 1, "dropout": 0.5, **TINY_NETWORKS["generator"]},
                      "discriminator": TINY_NETWORKS["discriminator"]},
            "training": {"steps": 6, "ema": 0.9, "precision": "float32", "sample_every": 100, "log_every": 2,
                         "device": "cpu", **training},
        }  # fmt: skip

    return make


@pytest.fixture(scope="session")
def decoder_processes() -> Iterator[None]:
    """Ends the processes of ``SharedDecoders`` after the tests."""
    yield
    while not SharedDecoders.processes.empty():
        SharedDecoders.processes.get().close()


@pytest.fixture
def shared_decoders(decoder_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let conversions and the demo decode with ``SharedDecoders``."""
    for module in ("i2i.convert.api", "i2i.convert.conversion", "i2i.demo.uploads"):
        monkeypatch.setattr(f"{module}.DecoderPool", SharedDecoders)


@pytest.fixture(scope="session")
def perceptual_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random LPIPS weights that have the right names and shapes."""
    rng = torch.Generator().manual_seed(0)
    shapes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    tensors = {}
    for index, (layer, (out, channels, side)) in enumerate(shapes.items()):
        scale = (2 / (channels * side * side)) ** 0.5
        tensors[f"features.{layer}.weight"] = torch.randn(out, channels, side, side, generator=rng) * scale
        tensors[f"features.{layer}.bias"] = torch.randn(out, generator=rng) * 0.1
        tensors[f"lin{index}.model.1.weight"] = torch.rand(1, out, 1, 1, generator=rng)
    folder = tmp_path_factory.mktemp("weights")
    save_file(tensors, folder / "lpips-alexnet-v0.1.safetensors")
    return folder


@pytest.fixture
def perceptual_weights(perceptual_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``perceptual_folder``, set as $I2I_WEIGHTS."""
    monkeypatch.setenv("I2I_WEIGHTS", str(perceptual_folder))
    return perceptual_folder
