"""Recipes that were renamed: their former names in commands, runs and files."""

import json
from pathlib import Path

import pytest

from i2i.checkpoints.config_file import encode_config
from i2i.errors import ConfigError, UsageError
from i2i.recipes import find_recipe, recipe_from_json, recipes_of
from i2i.recipes.config_file import load_base_recipe
from i2i.recipes.launch import new_training, resume_training
from i2i.training.progress import TrainingProgress
from tests.conftest import write_random_images

SMALL = {
    "data": {"data": "data", "size": 16, "resize_scale": 1.0},
    "model": {
        "generator": {"ngf": 2, "blocks": 1},
        "discriminator": {"network": "patchgan", "ndf": 2, "receptive_field": 16},
        "nce_layers": "0",
        "nce_dim": 4,
    },
    "training": {"steps": 1, "device": "cpu", "precision": "float32", "workers": 0},
}


def test_a_former_name_finds_the_recipe_and_is_not_listed() -> None:
    assert find_recipe("cut", "projected") is find_recipe("cut", "fast")
    assert "projected" not in recipes_of("cut")


def test_saved_settings_with_a_former_name_are_read(tmp_path: Path) -> None:
    recipe = find_recipe("cut", "fast")
    saved = {**recipe.to_json(), "recipe": "projected"}
    assert recipe_from_json(saved) == recipe
    path = tmp_path / "config.json"
    path.write_bytes(encode_config(saved))
    for name in (None, "projected", "fast"):
        assert load_base_recipe("cut", name, path) == recipe
    with pytest.raises(UsageError, match="settings of the recipe fast, not tiny"):
        load_base_recipe("cut", "tiny", path)


def test_a_run_that_was_started_under_a_former_name_goes_on(work_dir: Path) -> None:
    for domain in ("trainA", "trainB"):
        write_random_images(Path("data") / domain, 2, 16)
    trainer = new_training("cut", "projected", SMALL, "run", TrainingProgress())
    trainer.train()
    trainer.run.unlock()
    path = Path("checkpoints/run/config.json")
    saved = json.loads(path.read_text())
    path.write_bytes(encode_config({name: saved[name] for name in saved if name != "sha256"} | {"recipe": "projected"}))
    longer = {"training": {"steps": 2}}
    with pytest.raises(ConfigError, match="was started with --recipe fast, not paper"):
        resume_training("cut", "paper", longer, "run", TrainingProgress())
    for name, steps in (("projected", 2), ("fast", 3)):
        trainer = resume_training("cut", name, {"training": {"steps": steps}}, "run", TrainingProgress())
        trainer.train()
        trainer.run.unlock()
        assert trainer.step == steps
