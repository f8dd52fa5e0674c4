from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i2i.images.quality import PhotoQuality
from i2i.inference.auto import RestorationModel, Step, Trial, choose
from i2i.restoration.jpeg import Dejpeg
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from i2i.restoration.task import Task
from i2i.restoration.weather import Derain

CLEAN = PhotoQuality(
    width=900, height=600, grey=False, noise=0.8, noise_rgb=(0.8, 0.8, 0.8), coarse_noise=1.0, texture=3.0,
    coarse_texture=6.0, equal_share=0.0, sharpness=0.07,
)  # fmt: skip
NOISY = replace(CLEAN, noise=12.0, noise_rgb=(12.0, 12.0, 12.0), coarse_noise=9.0, texture=0.7, coarse_texture=0.8)
SMALL = replace(CLEAN, width=320, height=240)
TINY = replace(CLEAN, width=160, height=120)


def model(name: str, task: Task, takes_strength: bool = False) -> RestorationModel:
    return RestorationModel(name, Path(f"{name}.safetensors"), task, takes_strength)


DENOISE, DEJPEG = model("denoise", Denoise()), model("dejpeg", Dejpeg())
SUPERRES2, SUPERRES4 = model("superres2", Superres(scale=2)), model("superres4", Superres(scale=4))
ALL = [DEJPEG, DENOISE, model("rain", Derain()), SUPERRES2, SUPERRES4]


@pytest.mark.parametrize(
    ("quality", "chosen"),
    [
        (CLEAN, "identity"),
        (NOISY, "denoise"),
        (replace(CLEAN, jpeg_quality=23), "dejpeg"),
        (replace(CLEAN, jpeg_quality=92), "identity"),
        (replace(NOISY, jpeg_quality=23), "denoise+dejpeg"),
        (SMALL, "superres2"),
        (TINY, "superres4"),
        (replace(NOISY, width=320, height=240), "denoise+superres2"),
        (replace(NOISY, width=320, height=240, jpeg_quality=23), "denoise+dejpeg+superres2"),
        (replace(CLEAN, width=20, height=20), "identity"),
        (replace(SMALL, sharpness=0.002), "identity"),
        (replace(CLEAN, noise=20.0, texture=40.0), "identity"),
        (replace(NOISY, equal_share=0.6), "identity"),
        (replace(CLEAN, coarse_noise=9.0, coarse_texture=2.0), "denoise"),
        (replace(CLEAN, coarse_noise=9.0, coarse_texture=20.0), "identity"),
    ],
)
def test_the_models_follow_from_what_the_photo_shows(quality: PhotoQuality, chosen: str) -> None:
    assert choose(quality, ALL).model == chosen


def test_a_choice_is_one_line_with_its_reason_and_the_numbers() -> None:
    line = str(choose(replace(NOISY, width=320, height=240, jpeg_quality=23), ALL))
    assert line == (
        "denoise+dejpeg+superres2: noise of σ 12.0; strongly compressed JPEG (quality 23); small (320x240) "
        "[320x240, colour, noise σ 12.0 (R 12.0, G 12.0, B 12.0), at half size 9.0, JPEG quality 23, sharpness 0.070]"
    )
    assert str(choose(replace(CLEAN, grey=True), ALL)) == (
        "left as it is: no noise to remove [900x600, grey, noise σ 0.8, at half size 1.0, no JPEG, sharpness 0.070]"
    )


@pytest.mark.parametrize(
    ("quality", "models", "words"),
    [
        (
            replace(CLEAN, jpeg_quality=23),
            [DENOISE],
            "no dejpeg model is installed: i2i train regression --task dejpeg",
        ),
        (replace(CLEAN, jpeg_quality=60), ALL, "compressed JPEG (quality 60), better than what dejpeg was trained on"),
        (NOISY, [DEJPEG], "noise of σ 12.0; no denoise model is installed: i2i train regression --task denoise"),
        (NOISY, [model("heavy", Denoise(sigma=(30, 60)))], "weaker than what heavy was trained on"),
        (SMALL, [DENOISE], "small (320x240); no superres model is installed: i2i train regression --task superres"),
        (replace(SMALL, sharpness=0.002), ALL, "blurred or enlarged already, so that superres2 would add nothing"),
        (replace(SMALL, jpeg_quality=23), [SUPERRES2], "but superres2 would enlarge its artefacts too"),
    ],
)
def test_what_no_installed_model_can_do_is_said(
    quality: PhotoQuality, models: list[RestorationModel], words: str
) -> None:
    choice = choose(quality, models)
    assert choice.is_unchanged
    assert words in str(choice)


@pytest.mark.parametrize(
    ("sigma", "chosen"), [(10, "weak"), (25, "shipped"), (60, "strong"), (90, "strong"), (4, "weak")]
)
def test_a_model_is_chosen_that_was_trained_on_such_noise(sigma: float, chosen: str) -> None:
    models = [model("shipped", Denoise(sigma=(20, 50))), model("weak", Denoise(sigma=(0, 15))),
              model("strong", Denoise(sigma=(40, 70)))]  # fmt: skip
    assert choose(replace(NOISY, noise=float(sigma), coarse_noise=0.0), models).model == chosen


def test_of_several_models_that_fit_the_first_is_chosen() -> None:
    assert choose(NOISY, [model("mine", Denoise()), DENOISE]).model == "mine"
    assert choose(TINY, [SUPERRES2]).model == "superres2"


def test_a_model_that_takes_the_strength_gets_what_was_measured_in_steps_of_five() -> None:
    known = model("known", Denoise(noise_level_input=True, sigma=(0, 50)), takes_strength=True)
    for noise, strength in ((12.6, 15), (3.0, 5), (70.0, 50)):
        assert choose(replace(NOISY, noise=noise, coarse_noise=0.0), [known]).model == f"known:{strength}"


@pytest.mark.parametrize(
    ("quality", "removed", "sigma"),
    [
        (replace(CLEAN, noise=9.0, texture=3.0), 0.9, 0.0),  # fine texture
        (replace(CLEAN, noise=9.0, texture=3.0), 2.1, 2.1),  # weak noise on it
        (replace(CLEAN, noise=9.0, texture=3.0), 7.0, 9.0),
        (replace(CLEAN, coarse_noise=72.0, coarse_texture=2.0), 2.0, 0.0),  # text
        (replace(CLEAN, noise=2.2, texture=1.0), 2.0, 2.0),
        (replace(CLEAN, coarse_noise=2.0, coarse_texture=12.0), 4.5, 4.5),  # smoothed by a camera
        (replace(CLEAN, colour_noise=20.0, colour_texture=4.0), 11.0, 11.0),
        (replace(CLEAN, noise=9.0, texture=3.0, jpeg_quality=30), 0.9, 0.0),
        (replace(CLEAN, coarse_noise=2.0, jpeg_quality=30), 9.0, 0.0),  # not suspected
        (replace(CLEAN, noise=9.0, texture=3.0, equal_share=0.6), 9.0, 0.0),
        (NOISY, 0.1, 12.0),  # certain without a trial
    ],
)
def test_a_trial_of_the_denoising_model_tells_noise_from_texture(
    quality: PhotoQuality, removed: float, sigma: float
) -> None:
    choice = choose(quality, [DENOISE], try_model=lambda step: Trial(step.name, removed))
    assert [step.reason for step in choice.steps] == ([f"noise of σ {sigma:.1f}"] if sigma else [])


def test_a_choice_tells_its_trial_and_texture_is_no_noise_for_super_resolution() -> None:
    def try_model(step: Step) -> Trial:
        return Trial(step.name, 0.9)

    textured = replace(CLEAN, noise=9.0, texture=3.0, width=320, height=240)
    choice = choose(textured, ALL, try_model=try_model)
    assert choice.model == "superres2"
    assert str(choice).endswith("denoise removes σ 0.9]")
    assert choice.to_json()["trial"] == {"model": "denoise", "removed": 0.9}
    assert choose(CLEAN, ALL, try_model=try_model).to_json()["trial"] is None


def test_a_jpeg_that_was_saved_again_is_restored_by_its_first_quality() -> None:
    saved = replace(CLEAN, jpeg_quality=95, earlier_quality=30)
    assert str(choose(saved, ALL)) == (
        "dejpeg: strongly compressed JPEG (quality 30, saved again since) [900x600, colour, noise σ 0.8 (R 0.8, G 0.8, "
        "B 0.8), at half size 1.0, JPEG quality 95, JPEG quality 30 before, sharpness 0.070]"
    )
    assert choose(replace(CLEAN, earlier_quality=60), [model("j", Dejpeg(quality=(5, 95)))]).model == "j"
    assert "JPEG quality 92 is high" in str(choose(replace(CLEAN, jpeg_quality=92), ALL))


def test_an_image_of_one_colour_is_not_enlarged_and_not_called_blurred() -> None:
    assert str(choose(replace(SMALL, sharpness=0.0), ALL)).startswith("left as it is: no noise to remove [")


def test_super_resolution_that_was_trained_on_such_a_photo_needs_no_other_model() -> None:
    realistic = model("realistic", Superres(scale=2, downscale="realistic", noise_sigma=(0, 8), quality=(40, 95)))
    mild: dict[str, Any] = {"width": 320, "height": 240, "noise": 6.0, "coarse_noise": 4.0}
    assert choose(replace(NOISY, **mild, jpeg_quality=50), [DENOISE, DEJPEG, realistic]).model == "realistic"
    assert choose(replace(NOISY, **mild, jpeg_quality=20), [DENOISE, realistic]).model == "denoise"
    assert choose(replace(NOISY, width=320, height=240), [DENOISE, realistic]).model == "denoise+realistic"


def test_nothing_is_enlarged_if_the_size_must_stay() -> None:
    assert choose(SMALL, ALL, may_enlarge=False).model == "identity"


def test_the_json_has_the_measurements() -> None:
    data = choose(NOISY, ALL).to_json()
    assert (data["model"], data["reason"], data["notes"]) == ("denoise", "noise of σ 12.0", [])
    assert data["measured"]["noise_rgb"] == [12.0, 12.0, 12.0]
    assert choose(CLEAN, ALL).to_json()["model"] is None
