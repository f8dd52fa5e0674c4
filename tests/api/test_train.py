"""``i2i.train`` takes the settings of ``i2i train`` and returns the run."""

import inspect
from pathlib import Path
from typing import Any

import pytest

import i2i
from i2i.augmentations import pipeline_title
from i2i.augmentations.library import albumentations
from i2i.checkpoints.model_file import load_model_info
from i2i.cli.method_commands import _recipe_options
from i2i.errors import ConfigError, DatasetError, UsageError
from i2i.recipes import RECIPES
from i2i.recipes.settings import setting_paths
from tests.conftest import SIZE, random_image

TINY: dict[str, Any] = {
    "size": SIZE, "resize_scale": 18 / 16, "generator": "resnet", "blocks": 1, "ngf": 2, "d_ndf": 2,
    "d_receptive_field": 16, "steps": 2, "device": "cpu", "precision": "float32", "progress": False,
}  # fmt: skip


def tiny(method: str) -> dict[str, Any]:
    known = setting_paths(method) | {"progress": ()}
    return {name: value for name, value in TINY.items() if name in known}


@pytest.mark.parametrize("method", RECIPES)
def test_the_settings_are_the_flags_of_the_command(method: str) -> None:
    flags = {option.flag.name.replace("-", "_"): option.path for option in _recipe_options(method)}
    assert setting_paths(method) == flags


def test_a_training_returns_its_run_which_loads_and_resumes(unpaired: Path) -> None:
    result = i2i.train("cyclegan", data=unpaired, name="mine", **tiny("cyclegan"))
    assert repr(result) == "<TrainingResult mine: 2 of 2 steps, in checkpoints/mine>"
    assert repr(result.run) == "<Run checkpoints/mine, with weights>"
    assert result.load("BtoA", device="cpu").direction == "BtoA"
    assert i2i.load(result, device="cpu")(random_image(0)).size == (SIZE, SIZE)
    again = i2i.train("cyclegan", name="mine", resume=True, steps=3, progress=False)
    assert (again.step, again.path) == (3, Path("checkpoints/mine"))
    assert i2i.train("cyclegan", name="mine", resume=True, progress=False).step == 3
    assert i2i.train("cyclegan", resume="mine", progress=False).step == 3
    other = i2i.train("cyclegan", config=again.path / "config.json", name="other", steps=1, progress=False)
    assert (other.name, other.step) == ("other", 1)
    with pytest.raises(UsageError, match="Two runs are named"):
        i2i.train("cyclegan", resume="mine", name="other")
    with pytest.raises(UsageError, match="Leave out config"):
        i2i.train("cyclegan", resume="mine", config="x.json")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"weight_cicle": 5}, r"train\(\) has no argument 'weight_cicle'. Did you mean weight_cycle"),
        ({"epoch": 5}, "Did you mean epochs"), ({"weight-cycle": 5}, "Did you mean weight_cycle"),
        ({"task": "denoise"}, "has no argument 'task'"),
        ({"time_limit": 3}, "time_limit is 3; it must be a text or None"),
        ({"name": 3}, "name is 3"), ({"resume": 3}, "resume is 3"), ({"progress": None}, "must be True or False"),
        ({"dataroot": "x"}, r"no argument 'dataroot'. `--dataroot` of the reference is `--data` in i2i"),
        ({"netG": "resnet_6blocks"}, "`--netG` of the reference is `--generator`"),
        ({"continue_train": True}, "is `--resume` in i2i"),
    ],
)  # fmt: skip
def test_an_unknown_setting_or_a_wrong_type_is_an_error_that_helps(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        i2i.train("cyclegan", data="stripes", **settings)
    assert not Path("checkpoints").exists()


def test_wrong_values_are_errors_in_words(unpaired: Path) -> None:
    with pytest.raises(ConfigError, match=r"size is '64'; it must be a whole number"):
        i2i.train("cyclegan", data=unpaired, size="64")
    with pytest.raises(UsageError, match="No method 'cyclgan'"):
        i2i.train("cyclgan", data=unpaired)
    with pytest.raises(DatasetError, match="No dataset 'strips'"):
        i2i.train("cyclegan", data="strips")
    assert "epochs=50" in (inspect.getdoc(i2i.train) or "")


def test_augmentations_may_be_a_pipeline_of_albumentations(paired: Path) -> None:
    A = albumentations()
    pipeline = A.Compose([A.VerticalFlip(), A.Affine(rotate=(-5, 5))], additional_targets={"target": "image"})
    run = i2i.train("pix2pix", data=paired, augmentations=pipeline, name="mine", **tiny("pix2pix"))
    settings = load_model_info(run.path / "weights.safetensors").settings
    assert pipeline_title(settings["data"]["augmentations"]) == "Compose(VerticalFlip, Affine)"
    with pytest.raises(ConfigError, match="Did you mean strong"):
        i2i.train("pix2pix", data=paired, augmentations="stron", name="other", **tiny("pix2pix"))
