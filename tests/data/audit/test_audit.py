import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.data.audit import Report, _augmentation, audit
from i2i.data.audit.snapshot import Survey
from i2i.data.layout import Layout
from i2i.errors import DatasetError


def noise(seed: int, size: tuple[int, int] = (256, 256)) -> Image.Image:
    """Smooth blobs, different for each seed."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def joined(a: Image.Image, b: Image.Image) -> Image.Image:
    both = Image.new("RGB", (a.width + b.width, a.height))
    both.paste(a, (0, 0))
    both.paste(b, (a.width, 0))
    return both


def said(report: Report, about: str, level: str = "") -> str:
    """The one finding in which ``about`` occurs."""
    (text,) = [f.text for f in report.findings if about in f.text and f.level == (level or f.level)]
    return text


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy unpaired set."""
    root = tmp_path_factory.mktemp("audit") / "healthy"
    for part, first, count in (("trainA", 0, 50), ("trainB", 100, 50), ("testA", 200, 2), ("testB", 300, 2)):
        for k in range(count):
            save(root / part / f"{k}.jpg", noise(first + k))
    return root


@pytest.fixture
def healthy(drawn: Path, tmp_path: Path) -> Path:
    return shutil.copytree(drawn, tmp_path / "set")


def test_a_healthy_set_has_no_findings_and_its_training_is_named(drawn: Path) -> None:
    told: list[tuple[int, int]] = []
    report = audit(drawn, progress=lambda done, total: told.append((done, total)))
    assert told == [(k, 104) for k in range(1, 105)]
    assert report.findings == []
    assert report.ok
    assert report.counts == {"train": {"A": 50, "B": 50}, "test": {"A": 2, "B": 2}}
    assert report.sizes["train"]["A"].median == (256, 256)
    assert report.modes == {"RGB": 104}
    assert f"`i2i train cyclegan --data {drawn}`" in report.advice


def test_only_a_missing_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        audit(tmp_path / "nowhere")


def test_an_unknown_layout_is_an_error_and_pictures_of_unknown_formats_are_named(tmp_path: Path) -> None:
    save(tmp_path / "trainA/1.png", noise(1))
    (tmp_path / "trainA/2.psd").write_bytes(b"8BPS\0\1")
    report = audit(tmp_path)
    assert (report.kind, report.ok, report.counts) == (None, False, {})
    assert "has no trainB/" in report.findings[0].text
    assert "trainA/ and trainB/" in report.advice
    assert "Photoshop: trainA/2.psd" in said(report, "convert")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_text("not found\n"), "no picture that i2i reads (trainA/0.jpg: a text)"),
        (lambda path: path.write_text("<!DOCTYPE html><html>"), "trainA/0.jpg: a web page"),
        (lambda path: path.write_bytes(b"8BPS\0\1"), "trainA/0.jpg: a Photoshop picture"),
        (lambda path: path.write_bytes(b""), "1 file is empty (trainA/0.jpg)"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-500]),
            "1 file cannot be decoded (trainA/0.jpg: image file is truncated",
        ),
        (lambda path: path.write_bytes(path.read_bytes()[:9]), "trainA/0.jpg: a JPEG file that breaks off"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "trainA/0.jpg: is not a regular file"),
        (lambda path: (path.unlink(), path.symlink_to("gone")), "trainA/0.jpg: is a link to nowhere"),
    ],
)
def test_a_file_that_is_no_picture_is_an_error_with_its_name(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    for k, name in enumerate(("trainA/0.jpg", "trainA/1.jpg", "trainB/0.jpg")):
        save(tmp_path / name, noise(k))
    damage(tmp_path / "trainA/0.jpg")
    report = audit(tmp_path)
    assert not report.ok
    assert words in said(report, "trainA/0.jpg", "error")


def test_a_picture_whose_ending_is_unknown_is_named(healthy: Path) -> None:
    (healthy / "trainA/0.jpg").rename(healthy / "trainA/0.picture")
    (healthy / "trainA/notes.txt").write_text("P6 is no picture here")
    os.mkfifo(healthy / "trainA/pipe")
    assert "1 picture is passed over for a name without a known ending (trainA/0.picture)" in said(
        audit(healthy), "passed over", "warning"
    )


def test_exact_copies_in_one_folder_are_a_note_until_they_are_many(healthy: Path) -> None:
    shutil.copy(healthy / "trainA/0.jpg", healthy / "trainA/copy.jpg")
    Image.open(healthy / "trainA/1.jpg").save(healthy / "trainA/lossless.png")
    text = said(audit(healthy), "exact copies", "note")
    assert "2 files" in text
    assert "trainA/0.jpg = trainA/copy.jpg" in text
    assert "trainA/1.jpg = trainA/lossless.png" in text
    for k in range(20):
        shutil.copy(healthy / f"trainB/{k}.jpg", healthy / f"trainB/again{k}.jpg")
    assert "trainB/0.jpg = trainB/again0.jpg and 19 more" in said(audit(healthy), "exact copies", "warning")


def test_a_picture_in_train_and_test_is_found_though_saved_anew_or_resized(healthy: Path) -> None:
    shutil.copy(healthy / "trainA/3.jpg", healthy / "testA/exact.jpg")
    Image.open(healthy / "trainB/4.jpg").save(healthy / "testB/worse.jpg", quality=60)
    Image.open(healthy / "trainB/5.jpg").resize((300, 300)).save(healthy / "testB/larger.png")
    text = said(audit(healthy), "in two splits", "warning")
    assert "3 pictures are in two splits, some saved anew or resized" in text
    assert "trainA/3.jpg = testA/exact.jpg, trainB/5.jpg ≈ testB/larger.png, trainB/4.jpg ≈ testB/worse.jpg" in text


def test_flat_pictures_are_not_taken_for_one_another(healthy: Path) -> None:
    save(healthy / "trainA/flat.png", Image.new("RGB", (256, 256), (90, 90, 90)))
    save(healthy / "testA/flat.png", Image.new("RGB", (256, 256), (92, 92, 92)))
    assert audit(healthy).findings == []


def test_a_picture_in_both_domains_is_named(healthy: Path) -> None:
    shutil.copy(healthy / "trainA/7.jpg", healthy / "trainB/7.jpg")
    assert "(trainA/7.jpg = trainB/7.jpg)" in said(audit(healthy), "domain A and in domain B", "warning")


def test_what_becomes_of_each_mode_is_said(healthy: Path) -> None:
    for k, mode in enumerate(("L", "CMYK", "I;16", "RGBA", "LA")):
        image = noise(500 + k)
        deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256)
        save(healthy / f"trainA/{mode[:2]}.tif", deep if mode == "I;16" else image.convert(mode))
    report = audit(healthy)
    assert "2 pictures are grey (trainA/L.tif, trainA/LA.tif), and will be given three equal" in said(report, "grey")
    assert "trainA/CM.tif" in said(report, "CMYK")
    assert "scaled to 8 bits" in said(report, "trainA/I;.tif")
    assert "laid on white" in said(report, "trainA/RG.tif")
    assert {finding.level for finding in report.findings} == {"note"}


def test_a_few_small_pictures_are_a_warning_and_a_small_set_another_size(healthy: Path, tmp_path: Path) -> None:
    save(healthy / "trainA/tiny.png", noise(600, (100, 80)))
    assert "(100x80)" in said(audit(healthy), "less than 256 pixels", "warning")
    for k in range(3):
        save(tmp_path / f"small/train/{k}.png", joined(noise(k, (150, 150)), noise(50 + k, (150, 150))))
    report = audit(tmp_path / "small")
    assert "train at 128 pixels" in said(report, "less than 256 pixels", "note")
    assert "--size 128" in report.advice


def test_a_long_picture_is_deformed_by_stretching(healthy: Path) -> None:
    save(healthy / "trainA/long.png", noise(700, (900, 300)))
    assert "trainA/long.png 900x300" in said(audit(healthy), "--fit cover", "warning")


def test_uneven_domains_a_missing_test_split_and_few_pictures_are_told(tmp_path: Path) -> None:
    for k in range(5):
        save(tmp_path / f"trainA/{k}.jpg", noise(k))
    for k in range(2):
        save(tmp_path / f"trainB/{k}.jpg", noise(100 + k))
    report = audit(tmp_path)
    assert "max(|A|, |B|) = 5 samples" in said(report, "epoch", "warning")
    assert "5 pictures in trainA/ and 2 pictures in trainB/" in said(report, "learnt by heart; watch", "note")
    assert said(report, "no test split", "note")


def test_a_folder_called_like_a_split_that_is_none_is_named(healthy: Path) -> None:
    shutil.rmtree(healthy / "testB")
    assert "testA/ holds 2 pictures that no split takes" in said(audit(healthy), "no split takes", "warning")


def test_two_folders_pair_by_name_and_what_does_not_match_is_named(tmp_path: Path) -> None:
    for k in range(3):
        save(tmp_path / f"A/{k}.png", noise(k))
        save(tmp_path / f"B/{k}.png", noise(100 + k))
    save(tmp_path / "A/alone.png", noise(9))
    save(tmp_path / "A/0.jpg", noise(10))
    save(tmp_path / "B/1.png", noise(101, (512, 512)))
    save(tmp_path / "B/2.png", noise(102, (512, 256)))
    report = audit(tmp_path)
    assert report.counts == {"train": {"pairs": 3}}
    assert "1 picture has no partner of the same name in the other folder (A/alone.png)" in said(report, "no partner")
    assert "A/0.jpg, A/0.png" in said(report, "only by their ending")
    assert "1 pair has partners of different shape (A/2.png 256x256, B/2.png 512x256)" in said(report, "shape")
    assert "learns to turn A (A/) into B (B/); `--direction BtoA`" in report.advice


def test_pairs_of_the_same_picture_are_an_error_where_all_are(tmp_path: Path) -> None:
    for k in range(3):
        save(tmp_path / f"train/{k}.jpg", joined(noise(k), noise(k)))
    assert "All 3 pairs consist of the same picture twice" in said(audit(tmp_path), "same picture", "error")
    save(tmp_path / "train/3.jpg", joined(noise(3), noise(4)))
    assert "(train/0.jpg, train/1.jpg, train/2.jpg)" in said(audit(tmp_path), "same picture", "warning")


def test_side_by_side_pairs_of_another_shape_are_named(tmp_path: Path) -> None:
    for k in range(40):
        save(tmp_path / f"train/{k:02}.jpg", joined(noise(k), noise(100 + k)))
    save(tmp_path / "train/01.jpg", noise(1, (500, 256)))  # between the files that tell the layout
    report = audit(tmp_path)
    assert report.kind == "paired"
    assert "train/01.jpg 500x256" in said(report, "not twice as wide", "warning")
    save(tmp_path / "train/00.jpg", noise(0, (500, 256)))
    report = audit(tmp_path)
    assert report.kind == "clean"
    assert "38 pictures are twice as wide as high" in said(report, "single photos", "warning")


def test_photos_alone_are_for_restoration_and_for_painting_more_of_their_kind(tmp_path: Path) -> None:
    for k in range(2):
        save(tmp_path / f"horses/{k}.jpg", noise(k, (400, 300)))
        save(tmp_path / f"zebras/{k}.jpg", noise(100 + k, (400, 300)))
    report = audit(tmp_path)
    assert report.kind == "clean"
    assert f"`i2i train regression --data {tmp_path} --task denoise` learns" in report.advice
    assert f"`i2i train gan --data {tmp_path}` learns to paint more" in report.advice
    assert "horses, zebras" in said(report, "two kinds")


def test_names_that_a_terminal_cannot_show_do_not_stop_the_report(healthy: Path) -> None:
    Path(os.fsdecode(os.fsencode(healthy) + b"/trainA/\xff\x1b[2J.jpg")).write_bytes(b"")
    report = audit(healthy)
    assert "trainA/??[2J.jpg" in said(report, "empty")
    json.dumps(report.to_json(), ensure_ascii=False).encode()
    report.text().encode()


def test_scrambled_files_never_raise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("png", "jpeg", "webp", "bmp", "tiff", "jp2", "ppm", "avif"):
        for k in range(12):
            path = save(tmp_path / f"{k}.{kind}", noise(1, (40, 20)))
            data = np.frombuffer(path.read_bytes(), np.uint8).copy()
            data[rng.integers(0, min(len(data), 400), 6)] = rng.integers(0, 256, 6)
            path.write_bytes(data.tobytes())
    assert not audit(tmp_path).ok


def test_a_broken_header_that_hides_the_layout_is_an_error_with_the_files_name(tmp_path: Path) -> None:
    path = save(tmp_path / "train/1.avif", noise(1, (40, 20)))
    path.write_bytes(path.read_bytes().replace(b"pitm", b"free"))
    assert said(audit(tmp_path), "train/1.avif", "error")


def test_the_text_tells_counts_sizes_findings_and_advice(healthy: Path) -> None:
    save(healthy / "trainA/grey.png", noise(800, (300, 280)).convert("L"))
    report = audit(healthy)
    lines = report.text().splitlines()
    assert lines[0] == f"{healthy}: unpaired data: trainA/ and trainB/"
    assert "  train      51 A       256x256 to 300x280 pixels, median 256x256, 2 sizes" in lines
    assert lines[-3].startswith("note: 1 picture is grey")
    assert lines[-1] == report.advice
    assert json.loads(json.dumps(report.to_json()))["sizes"]["train"]["A"]["largest"] == [300, 280]


def test_an_audit_does_without_torch(drawn: Path) -> None:
    code = "import sys, pathlib, i2i.data.audit as a; a.audit(pathlib.Path(sys.argv[1])); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, drawn / "testA"], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def real(name: str) -> Path:
    for root in os.environ.get("I2I_DATASETS", "").split(os.pathsep):
        if root and (Path(root) / name).is_dir():
            return Path(root) / name
    pytest.skip(f"{name} is under no folder of $I2I_DATASETS")


def test_horse2zebra_has_24_copies_and_2_pictures_in_train_and_test() -> None:
    report = audit(real("horse2zebra"))
    assert report.counts["train"] == {"A": 1067, "B": 1334}
    assert "24 files" in said(report, "exact copies", "note")
    leaks = said(report, "in two splits", "warning")
    assert "trainA/n02381460_3811.jpg ≈ testA/n02381460_1160.jpg" in leaks
    assert "trainB/n02391049_2136.jpg ≈ testB/n02391049_5240.jpg" in leaks


@pytest.mark.parametrize(("fewest", "suggested"), [(1, True), (499, True), (500, False), (0, False)])
def test_few_training_pictures_are_answered_with_augmentation(tmp_path: Path, fewest: int, suggested: bool) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(600)]
    found = Layout(tmp_path, "unpaired", "", {"train": ([(p,) for p in paths], [(p,) for p in paths[:fewest]])})
    assert (f"({fewest}), `--augment diffaugment`" in _augmentation(Survey(tmp_path, found))) == suggested


def test_the_advice_on_few_pictures_is_in_the_line_that_names_the_training(drawn: Path) -> None:
    advice = audit(drawn).advice
    assert "(50), `--augment diffaugment`" in advice
    assert "\n" not in advice
