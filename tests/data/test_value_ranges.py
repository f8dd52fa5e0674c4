"""All files of a dataset share one value range for each sample type."""

import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile

from i2i.data.config import PairedConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.image_cache import build_image_cache
from i2i.data.layout import detect_layout
from i2i.data.value_ranges import NO_RANGES, DomainRanges, dataset_ranges
from i2i.errors import ConfigError, UsageError
from tests.conftest import write_random_images


def dataset_of(tmp_path: Path, a: list[np.ndarray], b: list[np.ndarray]) -> Path:
    for domain, images in (("A", a), ("B", b)):
        (tmp_path / f"train{domain}").mkdir(parents=True)
        for index, image in enumerate(images):
            tifffile.imwrite(tmp_path / f"train{domain}" / f"{index}.tif", image)
    return tmp_path


def ramp(low: float, high: float, dtype: str = "float32") -> np.ndarray:
    return np.linspace(low, high, 256).reshape(16, 16).astype(dtype)


def levels(root: Path, ranges: DomainRanges) -> list[list[int]]:
    """Return the smallest and largest level of the images of each domain, as the training sees them."""
    data = TrainingDataset(detect_layout(root), UnpairedConfig(size=16, resize_scale=1, flip=False), 0, ranges=ranges)
    images = data.sample_batch(2)
    return [[int(image.min()) for image in images[0]] + [int(image.max()) for image in images[0]],
            [int(image.min()) for image in images[1]] + [int(image.max()) for image in images[1]]]  # fmt: skip


def test_a_dark_float_image_has_the_scale_of_its_dataset(tmp_path: Path) -> None:
    root = dataset_of(tmp_path, [ramp(0, 1), ramp(0, 255)], [ramp(0, 51), ramp(0, 102)])
    ranges = dataset_ranges(detect_layout(root))
    assert ranges == ({"float": (0.0, 255.0)}, {"float": (0.0, 255.0)})
    assert levels(root, ranges) == [[0, 0, 1, 255], [0, 0, 51, 102]]


def test_8_bit_and_16_bit_images_keep_the_range_of_their_type(tmp_path: Path) -> None:
    root = dataset_of(tmp_path, [ramp(0, 255, "uint8")] * 2, [ramp(0, 65535, "uint16")] * 2)
    assert dataset_ranges(detect_layout(root)) == NO_RANGES


def test_a_stated_range_applies_to_the_types_that_can_hold_it(tmp_path: Path) -> None:
    root = dataset_of(tmp_path, [ramp(0, 255, "uint8")] * 2, [ramp(0, 4095, "uint16")] * 2)
    ranges = dataset_ranges(detect_layout(root), (0, 4095))
    assert ranges == ({}, {"uint16": (0.0, 4095.0)})
    assert levels(root, ranges) == [[0, 0, 255, 255]] * 2


def test_each_domain_can_have_a_range_of_its_own(tmp_path: Path) -> None:
    root = dataset_of(tmp_path, [ramp(-1000, 3000, "int16")] * 2, [ramp(0, 20, "uint8")] * 2)
    ranges = dataset_ranges(detect_layout(root), None, (-1000, 3000), (0, 20))
    assert ranges == ({"int16": (-1000.0, 3000.0)}, {"uint8": (0.0, 20.0)})
    assert levels(root, ranges) == [[0, 0, 255, 255]] * 2


def test_a_stated_range_that_no_image_can_hold_is_refused(unpaired: Path) -> None:
    with pytest.raises(UsageError, match=r"--value-range 0 4095 fits no image .* uint8, which cannot be 4095"):
        dataset_ranges(detect_layout(unpaired), (0, 4095))


@pytest.mark.parametrize("limits", [[4095, 0], [3, 3]])
def test_black_must_be_below_white(limits: list[float]) -> None:
    with pytest.raises(ConfigError, match="black below that of white"):
        PairedConfig(value_range=tuple(limits))


def test_narrow_values_are_named_with_the_range_to_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = dataset_of(tmp_path, [ramp(0, 4000, "uint16")] * 2, [ramp(0, 60000, "uint16")] * 2)
    with caplog.at_level(logging.WARNING):
        dataset_ranges(detect_layout(root))
    assert "trainA/0.tif" in caplog.text  # the files of B use the whole range, and those of A come out nearly black
    assert "trainB" not in caplog.text
    assert "--value-range-a 0 4095" in caplog.text
    caplog.clear()
    for path in (root / "trainB").iterdir():
        tifffile.imwrite(path, ramp(0, 3000, "uint16"))
    with caplog.at_level(logging.WARNING):
        dataset_ranges(detect_layout(root))
    assert "trainA/0.tif" in caplog.text
    assert "nearly black" in caplog.text
    assert "--value-range 0 4095" in caplog.text


def test_the_image_cache_of_another_range_is_another_one(tmp_path: Path, work_dir: Path) -> None:
    root = dataset_of(tmp_path / "data", [ramp(0, 4095, "uint16")] * 2, [ramp(0, 4095, "uint16")] * 2)
    layout = detect_layout(root)
    caches = [
        build_image_cache(layout, 16, "stretch", ranges=ranges)
        for ranges in (NO_RANGES, ({"uint16": (0.0, 4095.0)}, {}), ({}, {"uint16": (0.0, 4095.0)}))
    ]
    brightest = [[int(cache.images(domain, 0)[0].max()) for domain in (0, 1)] for cache in caches]
    assert brightest == [[16, 16], [255, 16], [16, 255]]
    assert all(cache.path.exists() for cache in caches)


def test_photos_are_not_decoded_to_find_their_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_random_images(tmp_path / "trainA", 2)
    write_random_images(tmp_path / "trainB", 2)
    monkeypatch.setattr("i2i.data.value_ranges.read_summary", lambda path: pytest.fail("decoded"))
    assert dataset_ranges(detect_layout(tmp_path)) == NO_RANGES
