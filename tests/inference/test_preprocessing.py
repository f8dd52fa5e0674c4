"""The extension of images before a network: edges are restored as well as the middle."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.inference import runner
from i2i.inference.options import InferenceOptions
from i2i.inference.preprocessing import MAX_MARGIN, Preprocessor
from i2i.inference.translator import Translator
from i2i.networks import GeneratorConfig, ResnetConfig, RestorerConfig, UnetConfig
from tests.conftest import random_image

SHALLOW = RestorerConfig(width=4, levels=1, depth=1)
CPU = InferenceOptions("cpu", "float32")


def translator(config: GeneratorConfig) -> Translator:
    torch.manual_seed(0)
    network = config.build(64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)  # so that zeros beyond the edge would be seen in the result
    return Translator(network, config, size=64, direction="AtoB", options=CPU)


@pytest.mark.parametrize("config", [SHALLOW, RestorerConfig(width=4, levels=1, depth=1, scale=2)])
@pytest.mark.parametrize("is_tiled", [False, True])
def test_a_field_of_one_colour_gets_no_frame(
    config: RestorerConfig, is_tiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.receptive_radius <= MAX_MARGIN
    if is_tiled:
        monkeypatch.setattr(runner, "MAX_PIXELS_UNTILED", 60**2)
    levels = np.asarray(translator(config)(Image.new("RGB", (61, 43), (255, 0, 255))))
    period = 2 * config.scale  # of the sub-pixel convolution
    assert all(np.ptp(levels[row::period, column::period].reshape(-1, 3), 0).max() == 0 for row in range(period)
               for column in range(period))  # fmt: skip


def test_a_photo_that_fits_the_network_keeps_its_middle() -> None:
    photo = random_image(0, 96, 64)
    restorer = translator(RestorerConfig(width=4, levels=2, depth=1))
    extended = np.asarray(restorer(photo))
    restorer.preprocessor.margin = 0
    radius = RestorerConfig(width=4, levels=2, depth=1).receptive_radius
    middle = slice(radius, -radius), slice(radius, -radius)
    assert np.abs(extended[middle].astype(int) - np.asarray(restorer(photo))[middle]).max() <= 1


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (ResnetConfig(ngf=2, blocks=1), (64, 48)),
        (UnetConfig(ngf=2), (64, 64)),
        (RestorerConfig(width=4, prediction="chroma"), (64, 48)),
    ],
)
def test_generators_and_networks_for_colours_see_the_image_alone(
    config: GeneratorConfig, size: tuple[int, int]
) -> None:
    assert Preprocessor(config, 64).padded_size(size) == size


def test_the_extension_of_a_photo_repeats_its_edges(tmp_path: Path) -> None:
    preprocessor = Preprocessor(SHALLOW, 64)
    photo = random_image(1, 40, 22)
    batch = preprocessor.preprocess([photo])
    (left, top), margin = batch.offsets[0], preprocessor.margin
    pixels, levels = batch.pixels[0].numpy(), np.asarray(photo)
    assert min(left, top) >= margin > 0
    assert np.array_equal(pixels[top : top + 22, left : left + 40], levels)
    assert np.array_equal(pixels[top - 1, left : left + 40], levels[0])
    assert np.array_equal(pixels[top : top + 22, left + 40 :][:, :margin], levels[:, ::-1][:, :margin])


def test_a_small_image_is_padded_until_a_deep_generator_can_reflect_it() -> None:
    config = ResnetConfig(ngf=1, blocks=1, downsamplings=4)
    assert Preprocessor(config, 64).padded_size((5, 40)) == (32, 48)
    config.build(32)(torch.zeros(1, 3, 32, 48))
