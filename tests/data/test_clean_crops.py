"""Drawn, grey and recoloured crops in the training of a restoration task."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.data.clean_crops import CleanCropConfig, enlarge, jitter_colours
from i2i.data.config import PairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.drawn_crops import draw_crop
from i2i.data.layout import detect_layout
from i2i.restoration import TASKS, Denoise
from tests.conftest import random_image

PHOTO = np.asarray(random_image(0, 32, 32))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_variation_the_crop_and_the_random_numbers_are_untouched() -> None:
    source = rng()
    assert CleanCropConfig().vary(PHOTO, source) is PHOTO
    assert source.random() == rng().random(), "samples of earlier runs stay the same"


@pytest.mark.parametrize("size", [8, 64])
def test_drawings_differ_are_sharp_and_reach_black_white_and_full_saturation(size: int) -> None:
    crops = [draw_crop(size, rng(seed)) for seed in range(60)]
    assert {(crop.shape, crop.dtype.str) for crop in crops} == {((size, size, 3), "|u1")}
    assert len({crop.tobytes() for crop in crops}) > 40
    levels = np.stack(crops)
    assert levels.min() == 0
    assert levels.max() == 255
    assert (np.ptp(levels, axis=3) == 255).any()
    flat = [crop for crop in crops if np.ptp(crop.reshape(-1, 3), axis=0).max() == 0]
    assert 3 <= len(flat) < 30


def test_a_drawing_is_a_function_of_its_random_numbers() -> None:
    assert np.array_equal(draw_crop(32, rng(5)), draw_crop(32, rng(5)))


def test_jitter_changes_hue_and_saturation_and_keeps_grey_grey() -> None:
    grey = np.repeat(PHOTO[..., :1], 3, 2)
    for seed in range(10):
        assert np.ptp(jitter_colours(grey, rng(seed)), axis=2).max() == 0
    varied = [jitter_colours(PHOTO, rng(seed)) for seed in range(10)]
    assert all(np.abs(image.astype(int) - PHOTO).mean() > 5 for image in varied)


def test_an_enlarged_crop_is_a_smaller_part_at_the_size_of_the_crop() -> None:
    ramp = np.repeat(np.arange(0, 256, 4, np.uint8)[None, :, None].repeat(64, 0), 3, 2)
    enlarged = [enlarge(ramp, rng(seed)) for seed in range(30)]
    assert {(image.shape, image.dtype.str) for image in enlarged} == {((64, 64, 3), "|u1")}
    slopes = [float(np.diff(image[32, 8:-8, 0].astype(int)).mean()) for image in enlarged]
    assert 1.9 < min(slopes) < 2.6
    assert 3.4 < max(slopes) < 4.1
    assert any(image[0, 0, 0] > 20 for image in enlarged)
    assert np.array_equal(CleanCropConfig(enlarged_fraction=1.0).vary(PHOTO, rng()).shape, PHOTO.shape)


def dataset(folder: Path, make_task: Callable[[], object], **fractions: float) -> TrainingDataset:
    (folder / "train").mkdir(parents=True)
    Image.fromarray(PHOTO).save(folder / "train" / "photo.png")
    config = PairedConfig(
        data=str(folder), size=16, flip=False, task=make_task(), clean_crops=CleanCropConfig(**fractions)
    )
    return TrainingDataset(detect_layout(folder), config, 0)


def is_grey(image: np.ndarray) -> bool:
    return bool(np.ptp(image, axis=0).max() == 0)


def test_the_training_sees_grey_crops_degraded_from_grey_ones(tmp_path: Path) -> None:
    data = dataset(tmp_path, lambda: Denoise(sigma=(0, 0), noise="gaussian"), grey_fraction=0.5)
    pairs = [data[k] for k in range(40)]
    grey = [is_grey(clean.numpy()) for _, clean in pairs]
    assert 10 < sum(grey) < 30
    assert all(np.array_equal(noisy.numpy(), clean.numpy()) for noisy, clean in pairs), "both are of the same crop"


def test_colorize_gets_no_grey_targets(tmp_path: Path) -> None:
    data = dataset(tmp_path, TASKS["colorize"], grey_fraction=1.0, drawn_fraction=1.0)
    assert not is_grey(data[0][1].numpy())
