"""Trainings of CUT: recipes, resuming, and the model file."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import i2i
from i2i.checkpoints.model_file import load_model_file
from i2i.recipes import RECIPES, launch
from i2i.training.progress import TrainingProgress
from i2i.training.schedule import lr_factor


def test_the_paper_recipes_have_the_published_length_and_schedule() -> None:
    cut, fast = RECIPES["cut"]["paper"].training, RECIPES["cut"]["fastcut"].training
    assert [lr_factor(cut, epoch * 10, 10) for epoch in range(400)] == [
        1 - max(0, epoch + 1 - 200) / 201 for epoch in range(400)
    ]
    assert [lr_factor(fast, epoch * 10, 10) for epoch in range(200)] == [
        1 - max(0, epoch + 1 - 150) / 51 for epoch in range(200)
    ]


@pytest.mark.parametrize("name", RECIPES["cut"])
def test_every_recipe_builds_networks_for_its_size(name: str, perceptual_weights: Path) -> None:
    with torch.device("meta"):
        RECIPES["cut"][name].build()


def tiny_settings(data: Path, changes: Callable[..., dict[str, Any]], **training: Any) -> dict[str, Any]:
    settings = changes(data, **training)
    settings["model"] |= {"nce_layers": "0,4,8", "nce_num_patches": 8, "nce_dim": 8}
    return settings


@pytest.mark.parametrize("name", ["paper", "fastcut"])
def test_a_training_stopped_and_resumed_is_bit_equal_to_an_uninterrupted_one(
    name: str, unpaired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    uninterrupted = launch.new_training(
        "cut", name, tiny_settings(unpaired, changes, steps=5), "whole", TrainingProgress()
    )
    uninterrupted.train()
    part = launch.new_training("cut", name, tiny_settings(unpaired, changes, steps=5), "part", TrainingProgress())
    run_training_step = part._run_step

    def interrupt_after_two(images: Any) -> None:
        run_training_step(images)
        if part.step == 2:
            signal.raise_signal(signal.SIGTERM)

    part._run_step = interrupt_after_two  # type: ignore[method-assign]
    assert part.train() == signal.SIGTERM
    part.run.unlock()
    torch.manual_seed(99)
    resumed = launch.resume_training("cut", None, {}, "part", TrainingProgress())
    assert resumed.step == 2
    resumed.train()
    for (key, a), b in zip(
        uninterrupted.method.state_dict().items(), resumed.method.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), key


def test_a_model_file_has_one_direction_and_translates(unpaired: Path, changes: Callable[..., dict[str, Any]]) -> None:
    trainer = launch.new_training("cut", "paper", tiny_settings(unpaired, changes, steps=1), "run", TrainingProgress())
    trainer.train()
    model_file = load_model_file(trainer.run.weights_path)
    assert model_file.info.directions == ("AtoB",)
    assert all(name.startswith("AtoB.") for name in model_file.tensors)
    assert model_file.state_dict("AtoB").keys() == trainer.method.G.state_dict().keys()
    card = (trainer.run.path / "card.md").read_text()
    assert "| directions | AtoB |" in card
    assert "BtoA" not in card.split("Settings")[0]
    translator = i2i.load("run", device="cpu")
    assert translator.direction == "AtoB"
