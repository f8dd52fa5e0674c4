from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from i2i.data.audit import audit
from tests.data.audit.images import finding_with, random_image, save_image, side_by_side


def test_the_conversion_of_each_colour_mode_is_reported(healthy: Path) -> None:
    for k, mode in enumerate(("L", "CMYK", "I;16", "RGBA", "LA")):
        image = random_image(500 + k)
        deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256)
        save_image(healthy / f"trainA/{mode[:2]}.tif", deep if mode == "I;16" else image.convert(mode))
    tifffile.imwrite(healthy / "trainA/rgb16.tif", np.asarray(random_image(510)).astype(np.uint16) * 257)
    report = audit(healthy)
    assert "2 images are grey (trainA/L.tif, trainA/LA.tif), and will be given three equal" in finding_with(
        report, "grey"
    )
    assert "trainA/CM.tif" in finding_with(report, "CMYK")
    deep = finding_with(report, "more than 8 bits")
    assert "2 images are of more than 8 bits (trainA/I;.tif, trainA/rgb16.tif), and will be kept with all" in deep
    assert "blended on white" in finding_with(report, "trainA/RG.tif")
    assert {finding.level for finding in report.findings} == {"note"}


def test_few_small_images_are_a_warning_and_a_dataset_of_small_images_gets_a_smaller_size(
    healthy: Path, tmp_path: Path
) -> None:
    save_image(healthy / "trainA/tiny.png", random_image(600, (100, 80)))
    assert "(100x80)" in finding_with(audit(healthy), "smaller than 256 pixels", "warning")
    for k in range(3):
        save_image(
            tmp_path / f"small/train/{k}.png",
            side_by_side(random_image(k, (150, 150)), random_image(50 + k, (150, 150))),
        )
    report = audit(tmp_path / "small")
    assert "train at 128 pixels" in finding_with(report, "smaller than 256 pixels", "note")
    assert "--size 128" in report.advice


def test_an_elongated_image_is_a_warning(healthy: Path) -> None:
    save_image(healthy / "trainA/long.png", random_image(700, (900, 300)))
    assert "trainA/long.png 900x300" in finding_with(audit(healthy), "--resize cover", "warning")


def test_identical_pairs_are_an_error_if_all_are_and_else_a_warning(tmp_path: Path) -> None:
    for k in range(3):
        save_image(tmp_path / f"train/{k}.jpg", side_by_side(random_image(k), random_image(k)))
    assert "All 3 pairs consist of the same image twice" in finding_with(audit(tmp_path), "same image", "error")
    save_image(tmp_path / "train/3.jpg", side_by_side(random_image(3), random_image(4)))
    assert "(train/0.jpg, train/1.jpg, train/2.jpg)" in finding_with(audit(tmp_path), "same image", "warning")


def test_side_by_side_pairs_of_the_wrong_shape_are_named(tmp_path: Path) -> None:
    for k in range(40):
        save_image(tmp_path / f"train/{k:02}.jpg", side_by_side(random_image(k), random_image(100 + k)))
    save_image(tmp_path / "train/01.jpg", random_image(1, (500, 256)))  # not one of the files that determine the layout
    report = audit(tmp_path)
    assert report.kind == "paired"
    assert "train/01.jpg 500x256" in finding_with(report, "not twice as wide", "warning")
    save_image(tmp_path / "train/00.jpg", random_image(0, (500, 256)))
    report = audit(tmp_path)
    assert report.kind == "clean"
    assert "38 images are twice as wide as high" in finding_with(report, "single photos", "warning")
