from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.images import LoadedImage
from i2i.inference.auto.models import RestorationModel
from i2i.inference.auto.steps import Step
from i2i.inference.auto.trial import TrialTranslators, try_model
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.restoration.noise import Denoise
from tests.conftest import random_image
from tests.inference.test_restoration import save_task_model


class Darken:
    """A translator that takes 6 levels off, and counts pixels."""

    pixels = 0

    def with_finishing(self, finishing: object) -> "Darken":
        return self

    def translate(self, images: list[Image.Image]) -> list[Image.Image]:
        self.pixels += sum(image.width * image.height for image in images)
        return [image.point(lambda value: max(0, value - 6)) for image in images]


STEP = Step(RestorationModel("mine", Path("mine.safetensors"), Denoise()), "")


def removed(image: Image.Image, alpha: Image.Image | None = None, translator: Darken | None = None) -> float:
    loaded = LoadedImage(image, alpha)
    used: Translator = translator or Darken()  # type: ignore[assignment]
    return try_model(STEP, loaded, used).removed


def test_the_trial_is_measured_where_the_photo_shows_noise() -> None:
    photo = Image.fromarray(np.full((64, 64, 3), 128, np.uint8))
    assert removed(photo) == pytest.approx(6)
    photo.paste((0, 0, 0), (0, 0, 64, 40))
    photo.paste((255, 255, 255), (0, 40, 64, 50))
    assert removed(photo) == pytest.approx(6)
    assert removed(Image.new("RGB", (40, 30))) == 0
    cut_out = Image.new("L", (64, 64), 255)
    cut_out.paste(0, (0, 50, 32, 64))
    assert removed(photo, cut_out) == pytest.approx(6)


@pytest.mark.parametrize("size", [(900, 700), (5000, 20), (20, 5000), (300, 300)])
def test_of_a_large_photo_the_parts_are_tried_that_show_most(size: tuple[int, int]) -> None:
    photo = Image.new("RGB", size)
    photo.paste((120, 120, 120), (size[0] * 3 // 4, size[1] * 3 // 4, *size))
    translator = Darken()
    assert removed(photo, translator=translator) == pytest.approx(6)
    assert translator.pixels <= 4 * 128**2 or size[0] * size[1] <= 5000 * 20


def test_models_are_loaded_once_and_without_blend_and_grain(tmp_path: Path) -> None:
    path = save_task_model(tmp_path / "mine.safetensors", Denoise(noise_level_input=True))
    trials = TrialTranslators(InferenceOptions("cpu", "float32", blend=0.0, grain=20.0))
    step = Step(RestorationModel("mine", Path(path), Denoise(), takes_strength=True), "", 10.0)
    first = trials(step, LoadedImage(random_image(0, 48, 48)))
    assert first.model == "mine:10"
    assert 0 < first.removed < 15
    assert trials(step, LoadedImage(random_image(0, 48, 48))) == first
    assert list(trials._translators) == ["mine:10"]
