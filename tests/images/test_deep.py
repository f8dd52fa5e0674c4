import numpy as np
import pytest
from PIL import Image

from i2i.images.deep import DeepImage, as_deep_as, image_from_levels
from tests.conftest import random_image

LEVELS = np.random.default_rng(0).integers(0, 65536, (12, 16, 4), dtype=np.uint16)


@pytest.mark.parametrize("channels", [3, 4])
def test_levels_are_those_that_the_image_was_made_of(channels: int) -> None:
    image = DeepImage(LEVELS[..., :channels])
    assert np.array_equal(np.asarray(image), LEVELS[..., :channels])
    assert np.array_equal(np.asarray(image.copy()), LEVELS[..., :channels])
    assert np.array_equal(np.asarray(image.convert("RGB")), LEVELS[..., :3])
    assert np.array_equal(np.asarray(image.crop((2, 3, 7, 9))), LEVELS[3:9, 2:7, :channels])
    assert (image.size, image.mode) == ((16, 12), "RGBA"[:channels])


def test_8_bits_are_rounded_and_other_methods_work_on_them() -> None:
    image = DeepImage(LEVELS[..., :3])
    rounded = np.asarray(image.to_8bit())
    assert np.array_equal(rounded, np.floor(LEVELS[..., :3] / 257 + 0.5).astype(np.uint8))
    assert np.array_equal(np.asarray(image.getchannel("G")), rounded[..., 1])
    photo = random_image(0)
    assert np.array_equal(np.asarray(DeepImage.from_8bit(photo).to_8bit()), np.asarray(photo))


def test_an_image_is_resized_with_all_its_bits() -> None:
    photo = random_image(1, 32, 24)
    small = DeepImage.from_8bit(photo).resize((16, 12), Image.Resampling.BICUBIC)
    expected = np.asarray(photo.resize((16, 12), Image.Resampling.BICUBIC)) * 257.0
    assert np.abs(np.asarray(small) - expected).max() <= 2 * 257
    assert (np.asarray(small) % 257 != 0).mean() > 0.9


def test_an_image_gets_the_bits_of_another_one() -> None:
    deep, plain = DeepImage(LEVELS), image_from_levels(np.zeros((2, 2, 3), np.uint8))
    assert isinstance(image_from_levels(LEVELS), DeepImage)
    assert isinstance(as_deep_as(deep, plain), DeepImage)
    assert not isinstance(as_deep_as(plain, deep), DeepImage)
