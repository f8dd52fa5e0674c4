"""Tasks whose degradation is a transform or a pipeline of Albumentations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i.augmentations.degradation import apply_transform
from i2i.checkpoints.model_file import load_model_info
from i2i.config import from_json, merge
from i2i.data.config import PairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import detect_layout
from i2i.errors import ConfigError
from i2i.inference.restoration import task_of
from i2i.recipes import launch
from i2i.restoration.degrader import Degrader
from i2i.restoration.library import (
    AlbumentationsTask,
    Deglass,
    Depixelate,
    Deposterize,
    Despatter,
    Dewebp,
    Dezoom,
)
from i2i.training.progress import TrainingProgress
from tests.augmentations.pipelines import compose, text, transform
from tests.conftest import write_random_images
from tests.restoration.test_tasks import photo, rng

INVERT = transform("InvertImg", p=1)


def test_depixelate_and_deposterize_have_the_given_resolution_and_levels() -> None:
    pixelated = Depixelate().degrade(photo(), rng(), 0.25)
    assert np.array_equal(pixelated, pixelated[::4, ::4].repeat(4, 0).repeat(4, 1))
    assert len(np.unique(Deposterize().degrade(photo(), rng(), 2.0))) <= 4


def test_a_zoom_blurs_the_border_and_leaves_the_centre() -> None:
    clean = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    difference = np.abs(Dezoom().degrade(clean, rng(), 1.1).astype(float) - clean).mean(2)
    assert difference[22:26, 22:26].mean() < difference[:4].mean() / 1.5


def test_glass_exchanges_pixels_of_the_given_distance_only() -> None:
    clean = np.zeros((48, 48, 3), np.uint8)
    clean[:, 24:] = 255
    degraded = Deglass().degrade(clean, rng(), 2.0)
    assert not degraded[:, : 24 - 6].any()
    assert (degraded[:, 24 + 6 :] == 255).all()
    assert len(np.unique(degraded)) > 10


def test_webp_and_the_kind_of_spatter_can_be_chosen() -> None:
    errors = [np.abs(Dewebp().degrade(photo(), rng(), q).astype(float) - photo()).mean() for q in (1, 100)]
    assert errors[0] > errors[1]
    grey = np.full((48, 48, 3), 128, np.uint8)
    mud = Despatter(spatter="mud").degrade(grey, rng(), 1.0).reshape(-1, 3).min(0)
    assert mud[0] > mud[2]  # brown, not blue
    rain = Despatter(spatter="rain").degrade(grey, rng(), 1.0)
    assert rain.max() > 128


def test_a_transform_does_not_change_its_image_and_depends_on_its_generator_alone() -> None:
    clean = photo()
    results = [apply_transform("GlassBlur", clean, rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(clean, photo())
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("none.json", "does not exist; it must be a file in JSON or YAML"),
        (text(transform("HorizontalFlip", p=1)), "HorizontalFlip moves pixels, and the clean photo"),
        (text(transform("InvertImage")), "Did you mean InvertImg"),
        (json.dumps({"source": compose(INVERT)}), "must be a single pipeline"),
        (text(transform("os.system", command="touch sprung")), "nothing else of a file is imported"),
    ],
)
def test_a_pipeline_that_cannot_degrade_is_refused_in_words(pipeline: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        merge(PairedConfig(), {"task": {"task": "albumentations", "pipeline": pipeline}})
    task = from_json(AlbumentationsTask, {"pipeline": pipeline})  # as of a model file: nothing is read
    with pytest.raises(ConfigError):
        task.degrade(photo(), rng())


def test_the_task_albumentations_needs_a_pipeline_before_a_training(tmp_path: Path) -> None:
    write_random_images(tmp_path / "photos", 2, width=40)
    layout = detect_layout(tmp_path / "photos", "clean")
    with pytest.raises(ConfigError, match="needs --pipeline FILE"):
        TrainingDataset(layout, PairedConfig(task=AlbumentationsTask(), size=16), 0)


def test_a_model_keeps_the_pipeline_that_it_was_trained_on(tmp_path: Path) -> None:
    write_random_images(tmp_path / "photos", 2, width=40)
    Path("mine.json").write_text(json.dumps(compose(INVERT)))
    overrides: dict[str, Any] = {
        "data": {"data": "photos", "size": 32, "task": {"task": "albumentations", "pipeline": "mine.json"}},
        "model": {"generator": {"width": 4, "depth": 1}},
        "training": {"steps": 1, "device": "cpu", "precision": "float32", "workers": 0},
    }
    trainer = launch.new_training("regression", None, overrides, "run", TrainingProgress())
    trainer.train()
    trainer.run.unlock()
    Path("mine.json").unlink()
    assert trainer.run.path.name == "run"
    task = task_of("run", load_model_info(trainer.run.weights_path))
    assert np.array_equal(task.degrade(photo(), rng()), 255 - photo())


def test_degrade_applies_a_pipeline_to_photos_of_any_size(tmp_path: Path) -> None:
    image = Image.fromarray(photo()[:31, :37])
    result = Degrader(AlbumentationsTask(pipeline=text(INVERT)))(image)
    assert np.array_equal(np.asarray(result), 255 - np.asarray(image))
    with pytest.raises(ConfigError, match="needs --pipeline FILE"):
        Degrader(AlbumentationsTask())
