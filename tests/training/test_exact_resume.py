"""A resumed training equals an uninterrupted one to the last bit, for every method, and at every kind of position.

One training of each method keeps a copy of its run at each position. From each copy it is resumed to the end.
"""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.log import read_log
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.augmentations.pipelines import RANDOM_PIPELINE
from tests.conftest import write_random_images
from tests.training.test_trainer import assert_equal_states

pytestmark = pytest.mark.slow

EPOCH = 5  # samples
BATCH = 2
STEPS = 7
POSITIONS = {  # steps that are done
    "before the first step": 0,
    "first step": 1,
    "last batch of an epoch": 2,  # samples 4 and 5: the next batch belongs to two epochs
    "mid-epoch": 3,
    "epoch edge": 5,
    "before the last step": STEPS - 1,
    "last step": STEPS,
}
VARIANT_POSITIONS = ("before the first step", "first step", "mid-epoch")
PATCHGAN = {"ndf": 2, "receptive_field": 16}
RESNET = {"network": "resnet", "ngf": 2, "blocks": 1, "dropout": 0.5}
DCGAN = {"generator": {"ngf": 2, "latent": 4}, "discriminator": {"ndf": 2}}
METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {  # method, data, model
    "cyclegan": ("cyclegan", "unpaired", {
        "generator": RESNET, "discriminator": PATCHGAN, "pool_size": 3,
        "adversarial": {"augment": "ada", "ada_images": 8},
    }),
    "cut": ("cut", "unpaired", {
        "generator": {"ngf": 2, "blocks": 1}, "discriminator": PATCHGAN, "nce_layers": "0,4", "nce_dim": 4,
        "adversarial": {"augment": "diffaugment"}, "reconstruction_steps": 2, "flip_equivariance": True,
    }),
    "pix2pix": ("pix2pix", "paired", {
        "generator": RESNET, "discriminator": {**PATCHGAN, "spectral_norm": True}, "adversarial": {"d_steps": 2},
    }),
    "regression": ("regression", "paired", {"generator": {"network": "restorer", "width": 4, "depth": 1}}),
    "augmented": ("regression", "paired", {"generator": {"network": "restorer", "width": 4, "depth": 1}}),
    "task": ("regression", "photos", {"generator": {"width": 4, "depth": 1}}),
    "gan": ("gan", "photos", {
        "networks": {"network": "mlp", "generator": {"width": 4}, "discriminator": {"width": 4}},
    }),
    "dcgan": ("gan", "photos", {"networks": DCGAN}),
    "wgan": ("gan", "photos", {"networks": DCGAN, "adversarial": {"loss": "wgan", "d_steps": 2}}),
    "wgan-gp": ("gan", "photos", {
        "networks": {**DCGAN, "discriminator": {"ndf": 2, "norm": "none"}}, "adversarial": {"loss": "wgan-gp"},
    }),
}  # fmt: skip


def write_data(kind: str) -> Path:
    root = Path("datasets") / kind
    if kind == "unpaired":
        for seed, (name, count) in enumerate({"trainA": EPOCH, "trainB": 4, "testA": 2, "testB": 2}.items()):
            write_random_images(root / name, count, seed=seed)
    else:
        write_random_images(root / "train", EPOCH, width=32 if kind == "paired" else 16, seed=7)
    return root


def settings(name: str) -> tuple[str, dict[str, Any]]:
    method, kind, model = METHODS[name]
    data = {"data": str(write_data(kind)), "size": 16, "resize_scale": 18 / 16}
    if name == "augmented":
        data["augmentations"] = "strong"
    if name == "task":
        data["augmentations"] = RANDOM_PIPELINE
        data["task"] = {"task": "denoise"}
        data["size"] = 32
        del data["resize_scale"]
    training = {
        "steps": STEPS, "batch_size": BATCH, "ema": 0.9, "precision": "float32", "device": "cpu", "log_every": 2,
        "sample_every": 100, "cache": "off", "workers": 0,
        "optimizer": "rmsprop" if name == "wgan" else "adam",
    }  # fmt: skip
    return method, {"data": data, "model": model, "training": training}


def train_and_copy(trainer: Trainer, positions: Collection[int]) -> dict[int, Path]:
    """Train to the end. Return a copy of the run after each number of steps in ``positions``."""
    copies: dict[int, Path] = {}

    def copy() -> None:
        trainer.save()
        copies[trainer.step] = trainer.run.path.with_name(f"after-{trainer.step}")
        shutil.copytree(trainer.run.path, copies[trainer.step])

    run_actions = trainer._run_due_actions

    def run_actions_and_copy(*arguments: Any) -> None:
        run_actions(*arguments)
        if trainer.step in positions:
            copy()

    trainer._run_due_actions = run_actions_and_copy  # type: ignore[method-assign]
    if trainer.step in positions:
        copy()
    trainer.train()
    trainer.run.unlock()
    return copies


def log_rows(trainer: Trainer) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "time"} for row in read_log(trainer.run.path)]


@pytest.mark.parametrize("name", METHODS)
def test_a_resumed_training_equals_an_uninterrupted_one(name: str) -> None:
    method, overrides = settings(name)
    whole = launch.new_training(method, None, overrides, "whole", TrainingProgress())
    positions = POSITIONS if name == "cyclegan" else VARIANT_POSITIONS  # the loader does not know the method
    copies = train_and_copy(whole, [POSITIONS[position] for position in positions])
    assert len(copies) == len(positions)
    for step, copy in copies.items():
        torch.manual_seed(99)  # the state of the global generator must not matter
        workers = 2 if step == POSITIONS["mid-epoch"] and name in ("cyclegan", "task") else 0
        resumed = launch.resume_training(
            method, None, {"training": {"workers": workers}}, copy.name, TrainingProgress()
        )
        assert resumed.step == step
        resumed.train()
        resumed.run.unlock()
        assert_equal_states(whole, resumed)
        assert log_rows(resumed) == log_rows(whole), step
        for file in ("weights.safetensors", "samples/0000007.png"):
            if not workers or "weights" not in file:  # the model file holds the settings, with the workers
                assert (resumed.run.path / file).read_bytes() == (whole.run.path / file).read_bytes(), (step, file)
