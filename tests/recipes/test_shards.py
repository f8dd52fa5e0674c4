"""A training from shards is the training from the folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.data.pack import pack
from i2i.data.source import DataSource
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.training.test_exact_resume import train_and_copy

Changes = Callable[..., dict[str, Any]]


def start(method: str, overrides: dict[str, Any], name: str) -> Trainer:
    return launch.new_training(method, "paper", overrides, name, TrainingProgress())


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_weights_are_those_of_a_training_from_the_folder(
    method: str, unpaired: Path, paired: Path, tmp_path: Path, changes: Changes
) -> None:
    data = unpaired if method == "cyclegan" else paired
    pack(DataSource(data=str(data)).load(), tmp_path / "shards", shard_bytes=2000)
    states = []
    for name, folder in (("folder", data), ("shards", tmp_path / "shards")):
        trainer = start(method, changes(folder), name)
        trainer.train()
        states.append(trainer.method.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_training_by_shards_goes_on_with_the_very_next_sample(
    unpaired: Path, tmp_path: Path, changes: Changes
) -> None:
    pack(DataSource(data=str(unpaired)).load(), tmp_path / "shards", shard_bytes=1000)
    overrides = changes(tmp_path / "shards", steps=6)
    overrides["data"]["shuffle_window"] = 2
    whole = start("cyclegan", overrides, "whole")
    copies = train_and_copy(whole, [3])
    resumed = launch.resume_training("cyclegan", None, {}, copies[3].name, TrainingProgress())
    assert resumed.step == 3
    resumed.train()
    states = whole.method.state_dict(), resumed.method.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
