from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.images import DecoderPool, LoadedImage, load_image
from i2i.images.quality import PhotoQuality, measure_quality
from i2i.images.quality.assessment import assess_image, assess_photo
from i2i.images.quality.photo_quality import is_grey
from i2i.images.quality.sharpness import estimate_sharpness
from tests.conftest import random_image


def noisy(sigma: tuple[float, float, float], side: int = 96) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((side, side, 3)) * sigma
    return (np.asarray(random_image(1, side, side)) // 2 + 60 + noise).round().clip(0, 255).astype(np.uint8)


def test_each_channel_has_its_own_noise() -> None:
    quality = measure_quality(noisy((2, 6, 12)))
    assert quality.noise_rgb == (pytest.approx(2, rel=0.2), pytest.approx(6, rel=0.2), pytest.approx(12, rel=0.2))
    assert quality.noise == pytest.approx(np.sqrt((4 + 36 + 144) / 3), rel=0.2)
    assert not quality.grey


def test_a_grey_photo_has_the_noise_of_one_channel(tmp_path: Path) -> None:
    grey = noisy((8, 8, 8))[..., :1].repeat(3, axis=2)
    quality = measure_quality(grey)
    assert quality.grey
    assert quality.noise == quality.noise_rgb[0] == quality.noise_rgb[2] == pytest.approx(8, rel=0.2)
    Image.fromarray(grey).save(tmp_path / "grey.jpg", quality=60)
    assert is_grey(np.asarray(Image.open(tmp_path / "grey.jpg")))


def test_noise_of_the_colours_alone_makes_no_grey_photo() -> None:
    assert not measure_quality(np.full((64, 64, 3), 128, np.uint8) + noisy((9, 9, 9), 64) // 9).grey


def test_stains_of_colour_are_noise_and_a_grey_photo_has_none() -> None:
    coarse = np.random.default_rng(0).standard_normal((48, 48)).repeat(4, 0).repeat(4, 1)
    stained = np.stack([128 + 12 * coarse, 128 - 8 * coarse, 128 + 6 * coarse], 2).round().clip(1, 254).astype(np.uint8)
    assert measure_quality(stained).colour_noise > 10
    assert measure_quality(np.full((192, 192, 3), 128, np.uint8)).colour_noise == 0


def test_only_the_opaque_part_of_a_photo_is_measured() -> None:
    photo = Image.fromarray(noisy((12, 12, 12), 128))
    fading = Image.fromarray(np.tile(np.linspace(0, 255, 128), (128, 1)).round().astype(np.uint8))
    quality = assess_image(LoadedImage(photo, fading))
    assert quality.noise == pytest.approx(12, rel=0.2)
    assert not quality.grey
    assert assess_image(LoadedImage(photo, fading.point(lambda value: value // 2))).width == 128


def test_enlargement_and_blur_take_the_finest_detail() -> None:
    rng = np.random.default_rng(0)
    power = np.fft.fft2(rng.standard_normal((128, 128))) / np.maximum(
        np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None]), 1 / 128
    )
    natural = np.fft.ifft2(power).real
    image = Image.fromarray(((natural - natural.min()) / np.ptp(natural) * 255).astype(np.uint8))
    enlarged = image.resize((256, 256), Image.Resampling.BICUBIC)
    assert estimate_sharpness(np.asarray(image)) > 0.1
    assert estimate_sharpness(np.asarray(enlarged)) < 0.007
    assert estimate_sharpness(np.zeros((20, 20))) == estimate_sharpness(np.zeros((3, 99))) == 0


def test_a_file_is_measured_in_a_decoder_process_as_in_this_one(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(noisy((5, 5, 5), 64)).save(path, quality=71)
    expected = assess_photo(path, load_image(path))
    with DecoderPool(1) as pool:
        found = pool.assess(path)
        small = pool.assess(path, max_side=32)
    assert found == PhotoQuality.from_json(expected.to_json())
    assert (found.width, found.height, found.jpeg_quality) == (64, 64, 71)
    assert (small.width, small.height, small.jpeg_quality) == (32, 32, None)


@pytest.mark.parametrize(
    "change", [{"noise": "3"}, {"noise": float("nan")}, {"noise_rgb": [1, 2]}, {"jpeg_quality": []}]
)
def test_measurements_of_another_form_are_refused(change: dict[str, object]) -> None:
    data = measure_quality(noisy((1, 1, 1), 32)).to_json()
    assert PhotoQuality.from_json(data).to_json() == data
    with pytest.raises((ValueError, TypeError)):
        PhotoQuality.from_json(data | change)
