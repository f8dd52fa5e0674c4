"""Trainings from label maps, and what their models take."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import i2i
from i2i.checkpoints.model_file import load_model_info
from i2i.data.config import PairedConfig
from i2i.data.preview import preview
from i2i.errors import ConfigError, DatasetError, I2IError
from i2i.images.label_classes import LabelClasses
from i2i.methods.distill import DistillConfig
from i2i.recipes.launch import new_training, resume_training
from i2i.training import samples
from i2i.training.progress import TrainingProgress

PALETTE = ((60, 110, 200), (30, 120, 40), (220, 210, 130), (200, 60, 60))
TRAINING = {"steps": 1, "sample_every": 1, "device": "cpu", "precision": "float32", "workers": 0}
RESNET = {"network": "resnet", "ngf": 2, "blocks": 1}
GEOMETRY = json.dumps(
    {
        "transform": {
            "__class_fullname__": "Compose",
            "p": 1,
            "transforms": [
                {"__class_fullname__": "Affine", "p": 1, "rotate": [20, 40], "interpolation": 2},
                {"__class_fullname__": "ElasticTransform", "p": 1, "interpolation": 2},
            ],
        }
    }
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, shared_decoders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ids_of(number: int, size: int = 20) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    ids = ((x // 5 + y // 4 + number) % 4).astype(np.uint8)
    ids[0] = 255
    return ids


def save_ids(path: Path, ids: np.ndarray, palette: tuple[tuple[int, int, int], ...] = PALETTE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, ids.astype(np.int32))
        return
    image = Image.fromarray(ids)
    if palette:
        # All 256 colours: with four, Pillow would store two bits of each id.
        image.putpalette([level for colour in palette for level in colour] + [0] * 3 * (256 - len(palette)))
    image.save(path)


def write_pairs(root: Path, suffix: str = ".png", palette: tuple[tuple[int, int, int], ...] = PALETTE) -> Path:
    for number in range(3):
        for split in ("train", "test"):
            save_ids(root / "A" / split / f"{number}{suffix}", ids_of(number), palette)
            target = root / "B" / split / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.array([*PALETTE, (9, 9, 9)], np.uint8)[ids_of(number).clip(0, 4)]).save(target)
    return root


def trainer_of(method: str, data: Path, name: str = "run", **settings: Any) -> Any:
    model: dict[str, Any] = {"generator": RESNET}
    if method == "pix2pix":
        model["discriminator"] = {"ndf": 2, "receptive_field": 16}
    labels = {"labels": 4, "ignore_label": 255, "size": 16, "resize_scale": 1.2, **settings}
    overrides = {"data": {"data": str(data), **labels}, "model": model, "training": TRAINING}
    return new_training(method, "paper" if method == "pix2pix" else None, overrides, name, TrainingProgress())


@pytest.mark.parametrize(("method", "suffix"), [("pix2pix", ".png"), ("regression", ".npy")])
def test_models_learn_from_label_maps_and_take_ids_of_any_file(
    tmp_path: Path, method: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MIN_SHOWN_SIZE", 128)
    data = write_pairs(tmp_path / "aerial", suffix)
    trainer_of(method, data).train()
    info = load_model_info(Path("checkpoints/run/weights.safetensors"))
    palette = PALETTE if suffix == ".png" else ()
    assert info.formats[0].labels == LabelClasses(count=4, ignore=255, palette=palette)
    assert (
        resume_training(method, None, {"training": {"steps": 2}}, "run", TrainingProgress()).dataset.formats[0].labels
    )
    grid = np.asarray(Image.open(next(Path("checkpoints/run/samples").glob("*.png"))))
    shown = {tuple(colour) for colour in grid[20:, :120].reshape(-1, 3).tolist()}
    assert shown <= {*PALETTE, (255, 255, 255)} or not palette

    ids = ids_of(0)
    other = tmp_path / "other"
    save_ids(other / "palette.png", ids)
    save_ids(other / "grey.png", ids, ())
    save_ids(other / "array.npy", ids)
    Image.fromarray(ids.astype(np.uint16)).save(other / "deep.tif")
    results = [
        i2i.convert("run", path, f"out/{path.stem}", format="png", precision="float32")
        for path in sorted(other.iterdir())
    ]
    pictures = [np.asarray(Image.open(result.converted[0][1])) for result in results]
    translate = i2i.load("run", precision="float32")
    for picture in pictures:
        assert np.array_equal(picture, translate(ids))
    assert np.array_equal(np.asarray(translate(Image.open(other / "palette.png"))), pictures[0])


def test_a_model_of_label_maps_refuses_photos_and_ids_of_no_class(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "aerial")
    trainer_of("regression", data).train()
    failed = i2i.convert("run", data / "B" / "test" / "0.png", "out").failed
    assert "A label map is an image with a palette" in failed[0][1]
    translate = i2i.load("run")
    with pytest.raises(I2IError, match="The image is a picture of mode RGB"):
        translate(Image.new("RGB", (8, 8)))
    with pytest.raises(I2IError, match="class id 4; there are 4 classes, 0 to 3, and 255 is ignored"):
        translate(np.full((8, 8), 4))
    save_ids(Path("swapped.png"), ids_of(0), PALETTE[::-1])
    with pytest.raises(I2IError, match="another palette: the class id 0 is #c83c3c"):
        translate("swapped.png")


@pytest.mark.parametrize(
    "settings", [{}, {"augmentations": "strong"}, {"augmentations": GEOMETRY}, {"resize": "cover"}]
)
@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_label_maps_of_samples_are_never_interpolated(tmp_path: Path, suffix: str, settings: dict[str, Any]) -> None:
    data = write_pairs(tmp_path / "aerial", suffix)
    dataset = trainer_of("regression", data, size=24, **settings).dataset
    for images in [*(dataset[k][0] for k in range(6)), *dataset.sample_batch(2)[0]]:
        assert images.shape == (4, 24, 24)
        assert set(np.unique(images)) == {0, 255}
        assert set(np.unique((images // 255).sum(0, dtype=int))) <= {0, 1}


def test_a_cache_gives_the_samples_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "cache"))
    data = write_pairs(tmp_path / "aerial")
    plain = trainer_of("regression", data).dataset
    monkeypatch.setitem(TRAINING, "cache", "on")
    cached = trainer_of("regression", data, "cached").dataset
    assert cached.cache is not None
    assert all(bool((a == b).all()) for k in range(3) for a, b in zip(plain[k], cached[k], strict=True))


def test_geometry_moves_label_maps_with_their_images(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "aerial")
    sheet = preview(PairedConfig(data=str(data), labels=4, ignore_label=255, size=64, augmentations="geometric"), 1)
    pixels = np.asarray(sheet.sheet).astype(int)
    side = (sheet.sheet.width - 6) // 4
    source, target = (pixels[-side:, left : left + side] for left in (side + 2, 3 * (side + 2)))
    inner = (abs(source - target).max(2) < 40)[side // 4 : -side // 4, side // 4 : -side // 4]
    assert inner.mean() > 0.8


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"direction": "BtoA"}, "AtoB with data.labels: label maps are the images A"),
        ({"labels": None}, "ignore_label"),
        ({"labels": 1}, "labels"),
        ({"in_channels": 4}, "left out with data.labels: label maps have classes"),
        ({"task": {"task": "denoise"}}, "label maps are not photos"),
    ],
)
def test_settings_that_do_not_suit_label_maps_are_refused(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        trainer_of("regression", write_pairs(tmp_path / "aerial"), **settings)


def test_datasets_without_label_maps_are_refused_with_the_file(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "aerial")
    save_ids(data / "A" / "train" / "1.png", ids_of(1), PALETTE[::-1])
    with pytest.raises(DatasetError, match=r"A/train/1.png has another palette"):
        trainer_of("regression", data)
    Image.new("RGB", (20, 20)).save(data / "A" / "train" / "1.png")
    with pytest.raises(DatasetError, match=r"A/train/1.png has 3 channels of uint8"):
        trainer_of("regression", data)
    for number in range(3):
        pair = tmp_path / "side" / "train" / f"{number}.png"
        pair.parent.mkdir(parents=True, exist_ok=True)
        save_ids(pair, np.tile(ids_of(number), (1, 2)))
    with pytest.raises(DatasetError, match="label maps need files of their own"):
        trainer_of("regression", tmp_path / "side", layout="side-by-side")


def test_the_psnr_of_class_ids_is_not_logged(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data")
    for path in data.glob("A/*/*.png"):
        save_ids(path, ids_of(0) % 3, PALETTE[:3])  # as many classes as the target has channels
    trainer = trainer_of("regression", data, labels=3, ignore_label=None)
    trainer.train()
    rows = (trainer.run.path / "log.jsonl").read_text()
    assert "psnr/restored" in rows
    assert "psnr/input" not in rows


def test_label_maps_of_larger_targets_are_refused(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data")
    for path in data.glob("B/*/*.png"):
        Image.new("RGB", (40, 40)).save(path)
    with pytest.raises(DatasetError, match=r"2 times as wide and high as their label maps.*--layout pairs"):
        trainer_of("regression", data)


def test_a_student_of_label_maps_is_refused(tmp_path: Path) -> None:
    trainer_of("regression", write_pairs(tmp_path / "data"), "teacher").train()
    with pytest.raises(ConfigError, match="teacher takes label maps"):
        DistillConfig(teacher="teacher", weight_feature=0).build(16, "AtoB", 4, 3)
