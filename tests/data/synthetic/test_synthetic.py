import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from i2i.data.synthetic import SYNTHETIC_DATASETS, generate, score, stripes
from i2i.errors import DatasetError, UsageError


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def load(path: Path) -> NDArray[np.float64]:
    return np.asarray(Image.open(path), dtype=np.float64)


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate("stripes", tmp_path_factory.mktemp("synthetic") / "stripes", size=64, train=2, test=6)


@pytest.mark.parametrize("name", SYNTHETIC_DATASETS)
def test_the_same_seed_draws_the_same_bytes_for_any_count(name: str, tmp_path: Path) -> None:
    small = read_files(generate(name, tmp_path / "few", seed=5, size=32, train=1, test=1))
    large = read_files(generate(name, tmp_path / "more", seed=5, size=32, train=3, test=2))
    assert small.items() < large.items()
    assert small != read_files(generate(name, tmp_path / "other", seed=6, size=32, train=1, test=1))


@pytest.mark.parametrize("name", SYNTHETIC_DATASETS)
def test_no_two_images_of_a_dataset_are_equal(name: str, tmp_path: Path) -> None:
    contents = list(read_files(generate(name, tmp_path / "set", size=32, train=2, test=2)).values())
    assert len(set(contents)) == len(contents)


def test_stripes_has_an_unpaired_layout_with_targets_and_masks(striped: Path) -> None:
    counts = {"trainA": 2, "trainB": 2, "testA": 6, "testB": 6}
    hidden = {"truth/AtoB": 6, "truth/BtoA": 6, "mask/A": 6, "mask/B": 6}
    expected = {f"{folder}/{i:05d}.png" for folder, n in (counts | hidden).items() for i in range(n)}
    assert set(read_files(striped)) == expected
    about = json.loads((striped / "about.json").read_text())
    assert about == {
        "made_by": "i2i", "sample": "stripes", "seed": 0, "size": 64, "version": 1, "counts": counts,
    }  # fmt: skip
    assert Image.open(striped / "trainA/00000.png").size == (64, 64)


@pytest.mark.parametrize(("name", "width"), [("outlines", 64), ("leaves", 32)])
def test_the_other_datasets_have_train_val_and_test(name: str, width: int, tmp_path: Path) -> None:
    root = generate(name, tmp_path / name, size=32, train=2, test=1)
    assert set(read_files(root)) == {"train/00000.png", "train/00001.png", "val/00000.png", "test/00000.png"}
    with Image.open(root / "train/00000.png") as image:
        assert (image.size, image.mode) == ((width, 32), "RGB")


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_the_target_is_the_same_scene_with_another_coat_and_independent_noise(striped: Path, direction: str) -> None:
    for i in range(6):
        source = load(striped / f"test{direction[0]}/{i:05d}.png")
        target = load(striped / f"truth/{direction}/{i:05d}.png")
        animal = load(striped / f"mask/{direction[0]}/{i:05d}.png") > 127
        off_animal = ~np.asarray(Image.fromarray(animal).convert("L").resize((32, 32), Image.Resampling.BOX), bool)
        off_animal = off_animal.repeat(2, axis=0).repeat(
            2, axis=1
        )  # excludes the soft edge, which has some of the coat
        difference = target - source
        assert difference[off_animal].std() == pytest.approx(2**0.5 * stripes.SENSOR_NOISE, rel=0.1)
        assert abs(difference[off_animal].mean()) < 1
        assert difference[animal].std() > 40
        assert 0.12 < animal.mean() < 0.35


def test_stripes_are_symmetric_about_the_middle_of_the_body() -> None:
    along = np.linspace(-0.5, 0.5, 101, dtype=np.float32)
    white = stripes.stripe_pattern(along, stripes.PERIOD)
    np.testing.assert_allclose(white, white[::-1], atol=1e-4)
    assert white[50] == pytest.approx(0, abs=1e-3)
    assert white.max() == pytest.approx(1, abs=0.02)


def test_the_target_scores_far_above_the_input(striped: Path) -> None:
    result = score(striped / "truth/AtoB", striped)
    assert result["inside"] == result["outside"] == 100
    assert result["input_inside"] < 13
    assert result["input_outside"] == pytest.approx(20 * np.log10(255 / (9 * 2**0.5)), abs=0.8)
    assert result["pictures"] == 6


def test_the_input_as_translation_scores_as_the_input(striped: Path) -> None:
    result = score(striped / "testB", striped, "BtoA")
    assert (result["inside"], result["outside"]) == (result["input_inside"], result["input_outside"])


def test_scores_are_computed_at_the_size_of_the_translated_images(striped: Path) -> None:
    with Image.open(striped / "truth/AtoB/00003.png") as image:
        half = np.asarray(image.resize((32, 32), Image.Resampling.BOX))
    result = score({"00003": half}, striped)
    assert result["inside"] > 50  # not exactly equal because of rounding
    full = score(striped / "testA", striped)
    assert result["input_outside"] > full["input_outside"] + 4  # the noise averages out
    assert result["pictures"] == 1


def test_an_image_that_is_not_in_the_dataset_cannot_be_scored(striped: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no image '00099'"):
        score({"00099": np.zeros((64, 64, 3), np.uint8)}, striped)
    with pytest.raises(DatasetError, match="no translated image"):
        score(tmp_path, striped)
    with pytest.raises(DatasetError, match="no truth/AtoB"):
        score(tmp_path, tmp_path)


def test_outlines_are_thin_and_grey_and_the_painting_is_neither(tmp_path: Path) -> None:
    root = generate("outlines", tmp_path / "outlines", size=128, train=4, test=0)
    for path in sorted((root / "train").iterdir()):
        drawing, painting = np.split(load(path), 2, axis=1)
        assert np.ptp(drawing, axis=2).max() == 0
        assert (drawing == 255).mean() > 0.6
        assert drawing.min() < 110
        assert np.ptp(painting, axis=2).mean() > 30


def test_the_power_spectrum_of_leaves_falls_as_about_one_over_frequency_squared(tmp_path: Path) -> None:
    size = 128
    root = generate("leaves", tmp_path / "leaves", size=size, train=8, test=0)
    window = np.hanning(size)[:, None] * np.hanning(size)
    power = np.zeros((size, size))
    for path in sorted((root / "train").iterdir()):
        grey = load(path).mean(axis=2)
        power += np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    cycles = np.fft.fftfreq(size, 1 / size)
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(int)
    frequency = np.arange(3, size // 2)
    radial = [power[ring == f].mean() for f in frequency]
    slope = np.polyfit(np.log(frequency), np.log(radial), 1)[0]
    assert -3 < slope < -1.5


def test_a_folder_that_is_not_empty_is_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DatasetError, match="not empty"):
        generate("leaves", tmp_path, size=16, train=1, test=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    assert generate("leaves", folder, size=16, train=1, test=0) == folder
    assert (folder / "train/00000.png").is_file()


def test_an_interrupted_generation_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate("stripes", tmp_path / "set", size=16, train=2, test=0, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_image(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    generate("stripes", tmp_path / "set", size=16, train=2, test=1, progress=lambda *call: calls.append(call))
    assert calls == [(i, 6) for i in range(1, 7)]


def test_the_error_for_an_unknown_dataset_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="stripes, outlines, leaves"):
        generate("stripe", tmp_path / "set")


@pytest.mark.parametrize("option", [{"seed": -1}, {"size": 8}, {"train": -1}, {"test": -2}])
def test_the_error_for_a_number_out_of_range_names_the_option(option: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        generate("leaves", tmp_path / "set", **option)
    assert list(tmp_path.iterdir()) == []


def test_generation_does_not_import_torch() -> None:
    code = "import sys, i2i.data.synthetic; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_dataset_is_listed_under_its_own_name() -> None:
    assert {name: dataset.name for name, dataset in SYNTHETIC_DATASETS.items()} == {
        name: name for name in SYNTHETIC_DATASETS
    }
