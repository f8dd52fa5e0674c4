"""Results of grey images are grey."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.inference.loading import load
from i2i.inference.translator import Translator
from i2i.restoration import TASKS
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from tests.conftest import random_image
from tests.inference.test_restoration import save_noise, save_task_model

GREY_TASKS = {"denoise": Denoise(), "superres": Superres(scale=2), "inpaint": TASKS["inpaint"](),
              "oldphoto": TASKS["oldphoto"]()}  # fmt: skip


def network_output(translator: Translator, image: Image.Image) -> np.ndarray:
    """Return the output of the network for an image, without the padding."""
    batch = translator.preprocessor.preprocess([image])
    (left, top), scale = batch.offsets[0], translator.scale
    output = translator.runner.run(batch.pixels)[0].numpy().astype(int)
    return output[scale * top :, scale * left :][: scale * image.height, : scale * image.width]


@pytest.mark.parametrize("task", GREY_TASKS)
@pytest.mark.parametrize("piecewise", [False, True])
def test_the_result_of_a_grey_image_is_the_mean_of_the_predicted_channels(
    tmp_path: Path, task: str, piecewise: bool
) -> None:
    path = save_task_model(tmp_path / "m.safetensors", GREY_TASKS[task])
    translator = load(path, device="cpu", precision="float32")
    if piecewise:
        translator.runner.limits.max_image_pixels = 500
    mode = "RGBA" if task == "inpaint" else "RGB"
    grey = Image.open(save_noise(tmp_path / "grey.png", "L", (32, 24))).convert(mode)
    if task == "inpaint":
        grey.paste((200, 30, 30, 0), (4, 4, 20, 20))  # red paint
    output = network_output(translator, grey)
    assert np.ptp(output, 2).max() > 0
    result = np.asarray(translator.translate([grey])[0]).astype(int)
    assert np.ptp(result, 2).max() == 0
    masked = np.ones(output.shape[:2], bool) if task != "inpaint" else np.asarray(grey)[..., 3] == 0
    assert np.array_equal(result[masked], output.mean(2).round()[..., None].repeat(3, 2)[masked])


def test_an_image_with_one_coloured_pixel_is_not_grey(tmp_path: Path) -> None:
    translator = load(save_task_model(tmp_path / "m.safetensors", Denoise()), device="cpu", precision="float32")
    nearly_grey = Image.open(save_noise(tmp_path / "grey.png", "L", (32, 24))).convert("RGB")
    nearly_grey.putpixel((31, 23), (10, 20, 30))
    assert np.array_equal(np.asarray(translator(nearly_grey)), network_output(translator, nearly_grey))


def test_grey_and_coloured_images_of_a_batch_are_told_apart(tmp_path: Path) -> None:
    translator = load(save_task_model(tmp_path / "m.safetensors", Denoise()), device="cpu", precision="float32")
    grey = Image.open(save_noise(tmp_path / "grey.png", "L", (32, 24))).convert("RGB")
    colours = random_image(3, 32, 24)
    results = [np.asarray(result) for result in translator.translate([colours, grey, colours])]
    assert [int(np.ptp(result, 2).max()) > 0 for result in results] == [True, False, True]


def test_a_grey_photo_can_be_coloured(tmp_path: Path) -> None:
    translator = load(save_task_model(tmp_path / "m.safetensors", TASKS["colorize"]()), device="cpu")
    grey = Image.open(save_noise(tmp_path / "grey.png", "L", (32, 24))).convert("RGB")
    assert np.ptp(np.asarray(translator(grey)), 2).max() > 0
