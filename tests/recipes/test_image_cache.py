import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from i2i.data.image_cache import cache_dir
from i2i.errors import CacheError
from i2i.recipes import launch
from i2i.training.batches import load_batches
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

Changes = Callable[..., dict[str, Any]]


def start(method: str, overrides: dict[str, Any], name: str) -> Trainer:
    return launch.new_training(method, "paper", overrides, name, TrainingProgress())


@pytest.fixture
def pretend_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make --cache auto decide as on a machine with a GPU."""
    monkeypatch.setattr("i2i.recipes.caching.resolve_device", lambda name: torch.device("cuda"))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_training_from_the_cache_is_bit_equal_to_training_from_files(
    method: str, unpaired: Path, paired: Path, changes: Changes
) -> None:
    data = unpaired if method == "cyclegan" else paired
    states = []
    for cache in ("on", "off"):
        trainer = start(method, changes(data, cache=cache), cache)
        assert (trainer.dataset.cache is not None) == (cache == "on")
        trainer.train()
        states.append(trainer.method.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_auto_caches_with_a_gpu(
    unpaired: Path, changes: Changes, pretend_cuda: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert start("cyclegan", changes(unpaired), "run").dataset.cache is not None
    assert "caching 9 training images" in caplog.messages[0]


def test_auto_does_not_cache_on_a_cpu_and_off_never_does(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start("cyclegan", changes(unpaired), "run").dataset.cache is None
    monkeypatch.setattr("i2i.recipes.caching.resolve_device", lambda name: torch.device("cuda"))
    assert start("cyclegan", changes(unpaired, cache="off"), "other").dataset.cache is None
    assert not cache_dir().exists()


@pytest.mark.parametrize("reason", ["full", "too large", "not writable"])
def test_auto_logs_one_line_and_loads_from_files_if_the_cache_cannot_be_made(
    unpaired: Path,
    changes: Changes,
    pretend_cuda: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reason: str,
) -> None:
    if reason == "full":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    elif reason == "too large":
        monkeypatch.setattr("i2i.recipes.caching.MAX_AUTO_CACHE_BYTES", 1000)
    else:
        Path("file").touch()
        monkeypatch.setenv("I2I_CACHE", "file/below")
    trainer = start("cyclegan", changes(unpaired), "run")
    assert trainer.dataset.cache is None
    (message,) = caplog.messages
    assert message.startswith("Training images are loaded from their files. ")
    assert trainer.train() is None


def test_on_with_a_full_disk_is_an_error_and_makes_no_run(unpaired: Path, changes: Changes, full_disk: None) -> None:
    with pytest.raises(CacheError, match=r"MB free\. Make room.*--cache off"):
        start("cyclegan", changes(unpaired, cache="on"), "run")
    assert not Path("checkpoints/run").exists()


def test_on_caches_more_than_auto_does(unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.recipes.caching.MAX_AUTO_CACHE_BYTES", 1000)
    assert start("cyclegan", changes(unpaired, cache="on"), "run").dataset.cache is not None


def test_a_resume_may_change_the_cache(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired, cache="off"), "run").run.unlock()
    resumed = launch.resume_training("cyclegan", None, {"training": {"cache": "on"}}, "run", TrainingProgress())
    assert resumed.dataset.cache is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_batches_for_a_gpu_are_channels_last(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, device="cuda"), "run")
    batch = next(load_batches(trainer.dataset, trainer.config, trainer.device, 0))
    assert all(pixels.is_contiguous(memory_format=torch.channels_last) for pixels in batch)
    assert trainer.train() is None
    assert all(math.isfinite(float(weight.abs().sum())) for weight in trainer.method.parameters())
