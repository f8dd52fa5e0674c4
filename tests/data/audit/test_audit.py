import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2i.data.audit import audit
from i2i.data.audit.advice import _augmentation_advice
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.data.layout import Layout
from i2i.data.synthetic import generate
from i2i.errors import DatasetError
from tests.data.audit.images import finding_with, random_image, save_image


def test_a_healthy_dataset_has_no_findings_and_its_training_is_suggested(healthy_template: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = audit(healthy_template, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k, 104) for k in range(1, 105)]
    assert report.findings == []
    assert report.ok
    assert report.counts == {"train": {"A": 50, "B": 50}, "test": {"A": 2, "B": 2}}
    assert report.sizes["train"]["A"].median == (256, 256)
    assert report.modes == {"RGB": 104}
    assert f"`i2i train cyclegan --data {healthy_template}`" in report.advice


def test_only_a_missing_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        audit(tmp_path / "nowhere")


def test_an_unknown_layout_is_an_error_and_images_of_unsupported_formats_are_named(tmp_path: Path) -> None:
    save_image(tmp_path / "trainA/1.png", random_image(1))
    (tmp_path / "trainA/2.psd").write_bytes(b"8BPS\0\1")
    report = audit(tmp_path)
    assert (report.kind, report.ok, report.counts) == (None, False, {})
    assert "has no trainB/" in report.findings[0].text
    assert "trainA/ and trainB/" in report.advice
    assert "Photoshop: trainA/2.psd" in finding_with(report, "convert")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_text("not found\n"), "is not an image that i2i reads (trainA/0.jpg: a text)"),
        (lambda path: path.write_text("<!DOCTYPE html><html>"), "trainA/0.jpg: a web page"),
        (lambda path: path.write_bytes(b"8BPS\0\1"), "trainA/0.jpg: a Photoshop image"),
        (lambda path: path.write_bytes(b""), "1 file is empty (trainA/0.jpg)"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-500]),
            "1 file cannot be decoded (trainA/0.jpg: image file is truncated",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes()[:9]),
            "trainA/0.jpg: a JPEG file that is truncated or damaged at its start",
        ),
        (lambda path: (path.unlink(), os.mkfifo(path)), "trainA/0.jpg: is not a regular file"),
        (lambda path: (path.unlink(), path.symlink_to("gone")), "trainA/0.jpg: is a symbolic link to a missing file"),
    ],
)
def test_an_unreadable_file_is_an_error_with_its_name(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    for k, name in enumerate(("trainA/0.jpg", "trainA/1.jpg", "trainB/0.jpg")):
        save_image(tmp_path / name, random_image(k))
    damage(tmp_path / "trainA/0.jpg")
    report = audit(tmp_path)
    assert not report.ok
    assert words in finding_with(report, "trainA/0.jpg", "error")


def test_an_image_with_an_unknown_suffix_is_named(healthy: Path) -> None:
    (healthy / "trainA/0.jpg").rename(healthy / "trainA/0.photo")
    (healthy / "trainA/notes.txt").write_text("P6 is not an image here")
    os.mkfifo(healthy / "trainA/pipe")
    assert "1 image is ignored because of an unknown suffix (trainA/0.photo)" in finding_with(
        audit(healthy), "ignored", "warning"
    )


def test_imbalance_a_missing_test_split_and_few_images_are_reported(tmp_path: Path) -> None:
    for k in range(5):
        save_image(tmp_path / f"trainA/{k}.jpg", random_image(k))
    for k in range(2):
        save_image(tmp_path / f"trainB/{k}.jpg", random_image(100 + k))
    report = audit(tmp_path)
    assert "max(|A|, |B|) = 5 samples" in finding_with(report, "epoch", "warning")
    assert "5 images in trainA/ and 2 images in trainB/" in finding_with(report, "models overfit soon", "note")
    assert finding_with(report, "no test split", "note")


def test_an_unused_folder_named_like_a_split_is_reported(healthy: Path) -> None:
    shutil.rmtree(healthy / "testB")
    assert "testA/ holds 2 images that belong to no split" in finding_with(
        audit(healthy), "belong to no split", "warning"
    )


def test_the_hidden_targets_of_a_synthetic_dataset_are_not_reported(tmp_path: Path) -> None:
    generate("stripes", tmp_path / "stripes", size=16, train=2, test=2)
    assert (tmp_path / "stripes" / "truth").is_dir()
    assert not [found for found in audit(tmp_path / "stripes").findings if "no split" in found.text]


def test_two_folders_are_paired_by_name_and_mismatches_are_named(tmp_path: Path) -> None:
    for k in range(3):
        save_image(tmp_path / f"A/{k}.png", random_image(k))
        save_image(tmp_path / f"B/{k}.png", random_image(100 + k))
    save_image(tmp_path / "A/alone.png", random_image(9))
    save_image(tmp_path / "A/0.jpg", random_image(10))
    save_image(tmp_path / "B/1.png", random_image(101, (512, 512)))
    save_image(tmp_path / "B/2.png", random_image(102, (512, 256)))
    report = audit(tmp_path)
    assert report.counts == {"train": {"pairs": 3}}
    assert "1 image has no partner of the same name in the other folder (A/alone.png)" in finding_with(
        report, "no partner"
    )
    assert "A/0.jpg, A/0.png" in finding_with(report, "only by their suffix")
    assert "1 pair has images of different shape (A/2.png 256x256, B/2.png 512x256)" in finding_with(report, "shape")
    assert "learns to translate A (A/) to B (B/); `--direction BtoA`" in report.advice


def test_for_photos_alone_restoration_and_generation_are_suggested(tmp_path: Path) -> None:
    for k in range(2):
        save_image(tmp_path / f"horses/{k}.jpg", random_image(k, (400, 300)))
        save_image(tmp_path / f"zebras/{k}.jpg", random_image(100 + k, (400, 300)))
    report = audit(tmp_path)
    assert report.kind == "clean"
    assert f"`i2i train regression --data {tmp_path} --task denoise` trains denoising" in report.advice
    assert f"`i2i train gan --data {tmp_path}` trains a generator" in report.advice
    assert "horses, zebras" in finding_with(report, "two domains")


def test_unprintable_file_names_do_not_break_the_report(healthy: Path) -> None:
    Path(os.fsdecode(os.fsencode(healthy) + b"/trainA/\xff\x1b[2J.jpg")).write_bytes(b"")
    report = audit(healthy)
    assert "trainA/??[2J.jpg" in finding_with(report, "empty")
    json.dumps(report.to_json(), ensure_ascii=False).encode()
    report.text().encode()


def test_corrupted_files_never_raise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("png", "jpeg", "webp", "bmp", "tiff", "jp2", "ppm", "avif"):
        for k in range(12):
            path = save_image(tmp_path / f"{k}.{kind}", random_image(1, (40, 20)))
            data = np.frombuffer(path.read_bytes(), np.uint8).copy()
            data[rng.integers(0, min(len(data), 400), 6)] = rng.integers(0, 256, 6)
            path.write_bytes(data.tobytes())
    assert not audit(tmp_path).ok


def test_a_damaged_header_that_prevents_layout_detection_is_an_error_with_the_files_name(tmp_path: Path) -> None:
    path = save_image(tmp_path / "train/1.avif", random_image(1, (40, 20)))
    path.write_bytes(path.read_bytes().replace(b"pitm", b"free"))
    assert finding_with(audit(tmp_path), "train/1.avif", "error")


def test_the_text_has_counts_sizes_findings_and_advice(healthy: Path) -> None:
    save_image(healthy / "trainA/grey.png", random_image(800, (300, 280)).convert("L"))
    report = audit(healthy)
    lines = report.text().splitlines()
    assert lines[0] == f"{healthy}: unpaired data: trainA/ and trainB/"
    assert "  train      51 A       256x256 to 300x280 pixels, median 256x256, 2 sizes" in lines
    assert lines[-3].startswith("note: 1 image is grey")
    assert lines[-1] == report.advice
    assert json.loads(json.dumps(report.to_json()))["sizes"]["train"]["A"]["largest"] == [300, 280]


def test_an_audit_does_not_import_torch(healthy_template: Path) -> None:
    code = "import sys, pathlib, i2i.data.audit as a; a.audit(pathlib.Path(sys.argv[1])); print('torch' in sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code, healthy_template / "testA"], capture_output=True, text=True, check=True
    )
    assert process.stdout == "False\n"


@pytest.mark.parametrize(("smallest", "suggested"), [(1, True), (499, True), (500, False), (0, False)])
def test_augmentation_is_suggested_for_few_training_images(tmp_path: Path, smallest: int, suggested: bool) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(600)]
    layout = Layout(tmp_path, "unpaired", "", {"train": ([(p,) for p in paths], [(p,) for p in paths[:smallest]])})
    assert (
        f"({smallest}), `--augment diffaugment`" in _augmentation_advice(DatasetSnapshot(tmp_path, layout))
    ) == suggested


def test_the_augmentation_advice_is_in_the_line_that_names_the_training(healthy_template: Path) -> None:
    advice = audit(healthy_template).advice
    assert "(50), `--augment diffaugment`" in advice
    assert "\n" not in advice
