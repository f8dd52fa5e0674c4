"""``i2i.load_auto`` and the models that it chooses among, from files."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import i2i
from i2i.errors import ArgumentTypeError, ImageError, UsageError
from i2i.inference.auto import installed_models
from i2i.restoration import TASKS
from i2i.restoration.noise import Denoise
from tests.conftest import random_image
from tests.inference.test_restoration import save_task_model


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models of several tasks in the folder of runs, and no shipped ones."""
    monkeypatch.setattr("i2i.checkpoints.shipped.SHIPPED_MODELS", ())
    monkeypatch.setenv("I2I_CHECKPOINTS", str(tmp_path / "runs"))
    tasks = ("denoise", "inpaint", "dejpeg", "colorize", "superres")
    for time, task in enumerate(tasks):
        path = save_task_model(tmp_path / "runs" / f"my-{task}" / "weights.safetensors", TASKS[task]())
        os.utime(path, (1e9 + time, 1e9 + time))
    (tmp_path / "runs" / "damaged").mkdir()
    (tmp_path / "runs" / "damaged" / "weights.safetensors").write_bytes(b"damaged")
    return list(tasks)


def noisy(sigma: float, width: int = 64, height: int = 480) -> Image.Image:
    pixels = np.full((height, width, 3), 120) + sigma * np.random.default_rng(0).standard_normal((height, width, 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def test_models_that_need_no_mask_are_offered_the_last_trained_first(own_models: list[str]) -> None:
    names = [model.name for model in installed_models()]
    assert names == ["my-superres", "my-colorize", "my-dejpeg", "my-denoise"]


def test_the_shipped_models_are_offered_first_and_no_animals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(tmp_path / "runs"))
    save_task_model(tmp_path / "runs" / "mine" / "weights.safetensors", Denoise())
    names = [model.name for model in installed_models()]
    assert {"denoise", "superres2"} <= set(names)
    assert "horse2zebra" not in names
    assert names[-1] == "mine"


def test_each_photo_is_translated_by_the_model_that_is_explained(own_models: list[str]) -> None:
    auto = i2i.load_auto(device="cpu", precision="float32")
    photo = noisy(20)
    choice = auto.explain(photo)
    assert choice.model == "my-denoise"
    assert np.array_equal(auto(photo), i2i.load("my-denoise", device="cpu", precision="float32")(photo))
    clean = random_image(0, 500, 64)
    unchanged, restored = auto([clean, np.asarray(photo)])
    assert np.array_equal(unchanged, clean)
    assert isinstance(restored, np.ndarray)
    assert "my-denoise" in repr(auto)


def test_the_quality_of_a_jpeg_is_known_from_its_file(own_models: list[str], tmp_path: Path) -> None:
    random_image(0, 500, 64).save(tmp_path / "photo.jpg", quality=20)
    auto = i2i.load_auto(device="cpu")
    with Image.open(tmp_path / "photo.jpg") as opened:
        for photo in (tmp_path / "photo.jpg", str(tmp_path / "photo.jpg"), opened):
            assert auto.explain(photo).model == "my-dejpeg"
        assert auto.explain(opened.copy()).quality.jpeg_quality is None


def test_a_model_that_takes_the_strength_gets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("i2i.checkpoints.shipped.SHIPPED_MODELS", ())
    monkeypatch.setenv("I2I_CHECKPOINTS", str(tmp_path / "runs"))
    save_task_model(tmp_path / "runs" / "known" / "weights.safetensors", Denoise(noise_level_input=True))
    auto = i2i.load_auto(device="cpu", precision="float32")
    photo = noisy(20)
    assert auto.explain(photo).model == "known:20"
    expected = i2i.load("known", strength=20, device="cpu", precision="float32")(photo)
    assert np.array_equal(auto(photo), expected)


def test_wrong_arguments_are_errors_in_words(own_models: list[str], tmp_path: Path) -> None:
    auto = i2i.load_auto(device="cpu")
    with pytest.raises(ArgumentTypeError, match="an image is a PIL image, a path"):
        auto.explain(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="2 photos; explain takes one photo"):
        auto.explain(np.zeros((2, 32, 32, 3), np.uint8))
    with pytest.raises(ImageError, match="does not exist"):
        auto.explain(tmp_path / "missing.png")
    with pytest.raises(UsageError, match=r"i2i\.load_auto\(\)"):
        i2i.load("auto")
