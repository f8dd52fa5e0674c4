import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from i2i.data.audit import audit
from tests.data.audit.images import finding_with, save_image


def test_few_exact_copies_in_one_folder_are_a_note_and_many_a_warning(healthy: Path) -> None:
    shutil.copy(healthy / "trainA/0.jpg", healthy / "trainA/copy.jpg")
    Image.open(healthy / "trainA/1.jpg").save(healthy / "trainA/lossless.png")
    text = finding_with(audit(healthy), "exact copies", "note")
    assert "2 files" in text
    assert "trainA/0.jpg = trainA/copy.jpg" in text
    assert "trainA/1.jpg = trainA/lossless.png" in text
    for k in range(20):
        shutil.copy(healthy / f"trainB/{k}.jpg", healthy / f"trainB/again{k}.jpg")
    assert "trainB/0.jpg = trainB/again0.jpg and 19 more" in finding_with(audit(healthy), "exact copies", "warning")


def test_an_image_in_train_and_test_is_found_even_if_recompressed_or_resized(healthy: Path) -> None:
    shutil.copy(healthy / "trainA/3.jpg", healthy / "testA/exact.jpg")
    Image.open(healthy / "trainB/4.jpg").save(healthy / "testB/worse.jpg", quality=60)
    Image.open(healthy / "trainB/5.jpg").resize((300, 300)).save(healthy / "testB/larger.png")
    text = finding_with(audit(healthy), "in two splits", "warning")
    assert "3 images are in two splits, some recompressed or resized" in text
    assert "trainA/3.jpg = testA/exact.jpg, trainB/5.jpg ≈ testB/larger.png, trainB/4.jpg ≈ testB/worse.jpg" in text


def test_uniform_images_are_not_near_duplicates(healthy: Path) -> None:
    save_image(healthy / "trainA/flat.png", Image.new("RGB", (256, 256), (90, 90, 90)))
    save_image(healthy / "testA/flat.png", Image.new("RGB", (256, 256), (92, 92, 92)))
    assert audit(healthy).findings == []


def test_an_image_in_both_domains_is_named(healthy: Path) -> None:
    shutil.copy(healthy / "trainA/7.jpg", healthy / "trainB/7.jpg")
    assert "(trainA/7.jpg = trainB/7.jpg)" in finding_with(audit(healthy), "domain A and in domain B", "warning")


def installed_dataset(name: str) -> Path:
    for root in os.environ.get("I2I_DATASETS", "").split(os.pathsep):
        if root and (Path(root) / name).is_dir():
            return Path(root) / name
    pytest.skip(f"{name} is under no folder of $I2I_DATASETS")


def test_horse2zebra_has_24_copies_and_2_images_in_train_and_test() -> None:
    report = audit(installed_dataset("horse2zebra"))
    assert report.counts["train"] == {"A": 1067, "B": 1334}
    assert "24 files" in finding_with(report, "exact copies", "note")
    leaks = finding_with(report, "in two splits", "warning")
    assert "trainA/n02381460_3811.jpg ≈ testA/n02381460_1160.jpg" in leaks
    assert "trainB/n02391049_2136.jpg ≈ testB/n02391049_5240.jpg" in leaks
