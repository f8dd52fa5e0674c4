import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from i2i.data.image_cache import home
from i2i.errors import CacheError
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

Changes = Callable[..., dict[str, Any]]


class Told(TrainingProgress):
    """Keeps the lines instead of printing them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def start(objective: str, changes: dict[str, Any], name: str, told: Told | None = None) -> Trainer:
    return launch.start(objective, "paper", changes, name, told or Told())


@pytest.fixture
def beside_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """What --cache auto decides for a machine with a GPU."""
    monkeypatch.setattr("i2i.recipes.launch.pick_device", lambda name: torch.device("cuda"))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))


@pytest.mark.parametrize("objective", ["cyclegan", "pix2pix"])
def test_a_training_from_a_pack_is_bit_equal_to_one_from_files(
    objective: str, unpaired: Path, paired: Path, changes: Changes
) -> None:
    data = unpaired if objective == "cyclegan" else paired
    states = []
    for cache in ("on", "off"):
        trainer = start(objective, changes(data, cache=cache), cache)
        assert (trainer.pictures.packed is not None) == (cache == "on")
        trainer.train()
        states.append(trainer.objective.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_auto_packs_beside_a_gpu(unpaired: Path, changes: Changes, beside_cuda: None) -> None:
    told = Told()
    assert start("cyclegan", changes(unpaired), "run", told).pictures.packed is not None
    assert "packing 9 training pictures" in told.lines[0]


def test_auto_packs_nothing_beside_a_cpu_and_off_nothing_anywhere(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start("cyclegan", changes(unpaired), "run").pictures.packed is None
    monkeypatch.setattr("i2i.recipes.launch.pick_device", lambda name: torch.device("cuda"))
    assert start("cyclegan", changes(unpaired, cache="off"), "other").pictures.packed is None
    assert not home().exists()


@pytest.mark.parametrize("reason", ["full", "too large", "not writable"])
def test_auto_says_in_one_line_that_it_loads_from_files_where_it_cannot_pack(
    unpaired: Path, changes: Changes, beside_cuda: None, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    if reason == "full":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    elif reason == "too large":
        monkeypatch.setattr("i2i.recipes.launch.AUTO_CACHE", 1000)
    else:
        Path("file").touch()
        monkeypatch.setenv("I2I_CACHE", "file/below")
    told = Told()
    trainer = start("cyclegan", changes(unpaired), "run", told)
    assert trainer.pictures.packed is None
    assert len(told.lines) == 1
    assert told.lines[0].startswith("The pictures are loaded from their files. ")
    assert trainer.train() is None


def test_on_is_refused_where_the_disk_is_full_and_no_run_is_made(
    unpaired: Path, changes: Changes, full_disk: None
) -> None:
    with pytest.raises(CacheError, match=r"MB free\. Make room.*--cache off"):
        start("cyclegan", changes(unpaired, cache="on"), "run")
    assert not Path("checkpoints/run").exists()


def test_on_packs_what_is_too_large_for_auto(unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.recipes.launch.AUTO_CACHE", 1000)
    assert start("cyclegan", changes(unpaired, cache="on"), "run").pictures.packed is not None


def test_a_resume_may_change_the_cache(unpaired: Path, changes: Changes) -> None:
    start("cyclegan", changes(unpaired, cache="off"), "run").run.unlock()
    resumed = launch.resume("cyclegan", None, {"training": {"cache": "on"}}, "run", Told())
    assert resumed.pictures.packed is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_beside_a_gpu_batches_come_pinned_and_channels_last_from_a_thread(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, device="cuda"), "run")
    batch = next(trainer._batches())
    assert all(pixels.is_contiguous(memory_format=torch.channels_last) for pixels in batch)
    assert trainer.train() is None
    assert all(math.isfinite(float(weight.abs().sum())) for weight in trainer.objective.parameters())
