"""The check of a dataset says which channels and depth it has, and which flags suit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from i2i.data.audit import Report, audit


def field(channels: int, number: int) -> np.ndarray:
    """Waves from 0 to 1, (32, 32, channels)."""
    y, x = np.mgrid[:32, :32]
    return np.stack([np.sin(x / (5 + number) + k) + np.cos(y / (3 + number)) for k in range(channels)], 2) / 4 + 0.5


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(values.squeeze()).save(path)
    elif values.shape[2] == 1:
        tifffile.imwrite(path, values[..., 0])
    else:
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")


def report_on(root: Path, image: Callable[[int], np.ndarray], suffix: str = ".tif") -> Report:
    """Return the report on pairs whose images A are ``image(number)``, and whose images B are RGB."""
    for number in range(3):
        save(root / "A" / f"{number}{suffix}", image(number))
        save(root / "B" / f"{number}.png", (field(3, number) * 255).astype(np.uint8))
    return audit(root)


def texts(report: Report, level: str) -> str:
    return "\n".join(finding.text for finding in report.findings if finding.level == level)


@pytest.mark.parametrize(
    ("image", "suffix", "level", "words"),
    [
        (lambda n: (field(1, n) * 4095).astype(np.uint16), ".tif", "warning", "`--value-range 0 4095`"),
        (lambda n: (field(1, n) * 4000 - 1024).astype(np.int16), ".tif", "warning", "`--value-range -1017 2975`"),
        (lambda n: (field(1, n) * 60000 - 30000).astype(np.int16), ".tif", "note", "hold int16 values from -2"),
        (lambda n: (field(1, n) * 9).astype(np.uint8), ".png", "note", "at most 9 different values each"),
        (lambda n: (field(4, n) * 255).astype(np.uint8), ".png", "note", "are RGBA. Alpha is blended on white"),
        (lambda n: (field(8, n) * 60000).astype(np.uint16), ".tif", "note", "The images A have 8 channels of uint16"),
        (lambda n: field(5, n).astype(np.float32), ".tif", "note", "hold float values from 0"),
        (lambda n: (field(1, n) * (255 if n else 9e4)).clip(0, 65535).astype(np.uint8 if n else np.uint16), ".tif",
         "note", "1 of uint16 (A/0.tif); 2 of uint8 (A/1.tif, A/2.tif)"),
        (lambda n: (field(4 + (n == 2), n) * 9999).astype(np.uint16), ".tif", "error",
         "2 files have 4 channels (A/0.tif, A/1.tif); 1 file has 5 channels (A/2.tif)"),
    ],
)  # fmt: skip
def test_channels_and_depth_are_named_with_the_flags_that_suit(
    tmp_path: Path, image: Callable[[int], np.ndarray], suffix: str, level: str, words: str
) -> None:
    assert words in texts(report_on(tmp_path, image, suffix), level)


def test_images_of_eight_bands_are_no_error(tmp_path: Path) -> None:
    report = report_on(tmp_path, lambda n: (field(8, n) * 60000).astype(np.uint16))
    assert report.ok
    assert "scaled to 8 bits" not in texts(report, "note")


def test_grey_images_keep_one_channel_unless_some_are_in_colour(tmp_path: Path) -> None:
    report = report_on(tmp_path / "grey", lambda n: (field(1, n) * 255).astype(np.uint8), ".png")
    assert "three equal channels" not in texts(report, "note")
    report = report_on(tmp_path / "mixed", lambda n: (field(1 if n else 3, n) * 255).astype(np.uint8), ".png")
    assert "three equal channels" in texts(report, "note")


def test_photos_keep_their_findings(tmp_path: Path) -> None:
    report = report_on(tmp_path, lambda n: (field(3, n) * 255).astype(np.uint8), ".png")
    assert "channels" not in texts(report, "note")


def test_bands_without_a_second_domain_get_no_advice_to_train_a_restoration(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.tif", (field(8, number) * 60000).astype(np.uint16))
    report = audit(tmp_path)
    assert "--task" not in report.advice
    assert "Translation needs a second domain" in report.advice


def test_the_named_range_is_the_one_that_both_domains_share(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "A" / f"{number}.tif", (field(1, number) * 60000 - 30000).astype(np.float32))
        save(tmp_path / "B" / f"{number}.tif", (field(2, number) * 250).astype(np.float32))
    note = texts(audit(tmp_path), "note")
    assert "-32768 is read as black" in note
    assert "0 is read as black" not in note


@pytest.mark.parametrize(
    ("palette", "void", "flags"), [(True, False, "--labels 4`"), (False, True, "--labels 4 --ignore-label 255`")]
)
def test_class_ids_name_the_flags_of_label_maps(tmp_path: Path, palette: bool, void: bool, flags: str) -> None:
    for number in range(2):
        ids = np.arange(64, dtype=np.uint8).reshape(8, 8) % (3 + number)
        ids[0] = 255 if void else 0
        image = Image.fromarray(ids)
        if palette:
            image.putpalette(list(range(256)) * 3)
        for name, picture in (("A", image), ("B", Image.fromarray(ids * 50))):
            path = tmp_path / "d" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    findings = [finding.text for finding in audit(tmp_path / "d").findings if "class ids" in finding.text]
    assert flags in findings[0]


def test_class_ids_are_not_said_to_be_nearly_black(tmp_path: Path) -> None:
    report = report_on(tmp_path, lambda number: (field(1, number) * 4).astype(np.uint8), ".png")
    assert "nearly black" not in texts(report, "warning")
    assert "--labels" in texts(report, "note")


def test_floats_that_all_lie_beyond_white_get_a_range(tmp_path: Path) -> None:
    report = report_on(tmp_path, lambda number: (270 + 60 * field(1, number)).astype(np.float32))
    assert "nearly black" in texts(report, "warning")
    assert "--value-range" in texts(report, "warning")
