"""Trainings take the channels, type and value range of their dataset, and their models return them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

import i2i
from i2i.checkpoints.model_file import load_model_info
from i2i.cli import app, console
from i2i.data.audit import audit
from i2i.data.config import PairedConfig
from i2i.data.preview import preview
from i2i.data.source import DataSource
from i2i.errors import ConfigError, DatasetError, I2IError
from i2i.images import read_header
from i2i.images.channels import read_channels
from i2i.images.pixel_format import PixelFormat
from i2i.metrics import inception
from i2i.recipes.launch import new_training, resume_training
from i2i.training.progress import TrainingProgress
from tests.metrics.standin import ChannelStatistics

TRAINING = {"steps": 1, "sample_every": 1, "device": "cpu", "precision": "float32", "workers": 0}
RESNET = {"network": "resnet", "ngf": 2, "blocks": 1}
PATCHGAN = {"ndf": 2, "receptive_field": 16}


def field(channels: int, seed: int, size: int = 20) -> np.ndarray:
    """Waves from 0 to 1, (size, size, channels)."""
    y, x = np.mgrid[:size, :size]
    return np.stack([np.sin(x / (3 + seed) + k) + np.cos(y / (2 + seed)) for k in range(channels)], 2) / 4 + 0.5


def save(path: Path, values: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".png":
        Image.fromarray(values).save(path)
    else:
        planar = {} if values.shape[2] == 1 else {"planarconfig": "contig"}
        tifffile.imwrite(path, values if values.shape[2] > 1 else values[..., 0], photometric="minisblack", **planar,
                         **options)  # fmt: skip


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, shared_decoders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def two_domains(root: Path, a: np.dtype[Any] | str, b: str, channels: tuple[int, int], *, paired: bool) -> Path:
    """Write a dataset of TIFFs: integers use their positive range, floats the values from -2 to 2."""
    for split in ("train", "test"):
        for number in range(3):
            for name, dtype, count in (("A", a, channels[0]), ("B", b, channels[1])):
                values = field(count, number)
                kind = np.dtype(dtype)
                scaled = values * 4 - 2 if kind.kind == "f" else (values * np.iinfo(kind).max).round()
                folder = root / name / split if paired else root / f"{split}{name}"
                save(folder / f"{number}.tif", scaled.astype(kind))
    return root


def train(method: str, data: Path, model: dict[str, Any] | None = None, **settings: Any) -> Path:
    model = {"generator": RESNET, **({} if method == "regression" else {"discriminator": PATCHGAN}), **(model or {})}
    overrides = {"data": {"data": str(data), "size": 16, "resize_scale": 1.0, **settings}, "model": model,
                 "training": TRAINING}  # fmt: skip
    trainer = new_training(method, "paper" if method != "regression" else None, overrides, "run", TrainingProgress())
    trainer.train()
    return Path("checkpoints/run")


def test_pix2pix_of_two_channels_to_one_returns_sixteen_bits(tmp_path: Path) -> None:
    data = two_domains(tmp_path / "cells", "uint16", "uint16", (2, 1), paired=True)
    run = train("pix2pix", data, value_range=(0, 4095))
    info = load_model_info(run / "weights.safetensors")
    assert info.formats == (
        PixelFormat(channels=2, dtype="uint16", value_range=(0, 4095)),
        PixelFormat(channels=1, dtype="uint16", value_range=(0, 4095)),
    )
    result = i2i.convert("run", data / "A" / "test", "out")
    assert [target.name for _, target in result.converted] == ["0.tif", "1.tif", "2.tif"]
    image = read_channels(Path("out/0.tif"))
    assert (image.values.shape, image.values.dtype) == ((20, 20, 1), np.uint16)
    assert image.values.max() <= 4095
    assert read_header(next((run / "samples").glob("*.png")))[1] == "RGB"
    again = i2i.convert("run", data / "A" / "test", "out")
    assert len(again.skipped) == 3


def test_a_cyclegan_of_four_channels_and_three_translates_both_ways(tmp_path: Path) -> None:
    data = two_domains(tmp_path / "scenes", "int16", "float32", (4, 3), paired=False)
    run = train("cyclegan", data)
    info = load_model_info(run / "weights.safetensors")
    assert [(format.channels, format.dtype) for format in info.formats] == [(4, "int16"), (3, "float32")]
    assert "identity" not in (run / "log.jsonl").read_text()
    forward, backward = i2i.load("run", "AtoB"), i2i.load("run", "BtoA")
    values = (field(4, 1, 24) * 30000).astype(np.int16)
    result = forward(values)
    assert (result.shape, result.dtype) == ((24, 24, 3), np.float32)
    assert (backward(result).shape, backward(result).dtype) == ((24, 24, 4), np.int16)
    batch = torch.zeros(2, 4, 16, 20)
    assert forward(batch).shape == (2, 3, 16, 20)
    np.testing.assert_allclose(forward(batch)[:1], forward(batch[:1]), atol=1e-6)
    i2i.convert("run", data / "testB", "out", direction="BtoA")
    assert read_channels(Path("out/0.tif")).values.dtype == np.int16


@pytest.mark.parametrize(
    ("method", "channels", "model"),
    [
        ("cut", (5, 5), {"nce_layers": "0,4", "nce_num_patches": 8}),
        ("pix2pix", (1, 3), {"generator": {"network": "unet", "ngf": 2}}),
        ("pix2pix", (8, 8), {"generator": {"network": "compact", "width": 4, "convolutions": 1}}),
        ("regression", (3, 2), {"generator": {"network": "restorer", "width": 4, "levels": 1, "depth": 1}}),
        ("regression", (6, 6), {"generator": {"network": "restorer", "width": 4, "levels": 1, "depth": 1}}),
        ("pix2pix", (2, 3), {"adversarial": {"augment": "diffaugment"}}),
    ],
)
def test_every_method_and_network_takes_the_channels_of_its_data(
    tmp_path: Path, method: str, channels: tuple[int, int], model: dict[str, Any]
) -> None:
    data = two_domains(tmp_path / "data", "uint16", "float32", channels, paired=method != "cut")
    size = {"size": 32} if "unet" in str(model) else {}
    train(method, data, model, **size)
    result = i2i.load("run")(np.zeros((32, 32, channels[0]), np.uint16))
    assert (result.shape, result.dtype) == ((32, 32, channels[1]), np.float32)


def test_a_run_is_continued_with_the_channels_that_it_found(tmp_path: Path) -> None:
    data = two_domains(tmp_path / "cells", "uint16", "uint16", (2, 1), paired=True)
    run = train("pix2pix", data)
    trainer = resume_training("pix2pix", None, {"training": {"steps": 2}}, "run", TrainingProgress())
    assert trainer.dataset.formats[0].channels == 2
    trainer.train()
    assert load_model_info(run / "weights.safetensors").steps == 2


def test_the_identity_network_returns_its_images_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for dtype in ("uint8", "uint16", "int16", "float32", "float64"):
        folder = tmp_path / dtype
        kind = np.dtype(dtype)
        for number in range(2):
            values = rng.normal(0, 1e3, (9, 11, 5)) if kind.kind == "f" else rng.integers(
                np.iinfo(kind).min, np.iinfo(kind).max, (9, 11, 5), endpoint=True)  # fmt: skip
            save(folder / f"{number}.tif", values.astype(kind))
        assert len(i2i.convert("identity", folder, f"out-{dtype}").converted) == 2
        for number in range(2):
            before, after = (read_channels(Path(root) / f"{number}.tif").values for root in (folder, f"out-{dtype}"))
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)


def test_the_identity_makes_pictures_of_single_channels_unless_the_format_can_hold_their_type(tmp_path: Path) -> None:
    labels = (np.arange(8 * 9).reshape(8, 9) * 3).astype(np.int32)
    save(tmp_path / "labels.tif", labels[..., None])
    i2i.convert("identity", tmp_path / "labels.tif", "pictures")
    with Image.open("pictures/labels.png") as picture:
        assert np.abs(np.asarray(picture).astype(float) / 257 - labels).max() < 1, "16 bits, black 0 and white 255"
    i2i.convert("identity", tmp_path / "labels.tif", "copies", format="tif")
    assert read_channels(Path("copies/labels.tif")).values.dtype == np.int32


def test_alpha_is_a_channel_where_it_is_wanted(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "d" / "A" / f"{number}.png", (field(4, number) * 255).astype(np.uint8))
        save(tmp_path / "d" / "B" / f"{number}.png", (field(4, number) * 255).astype(np.uint8))
    train("pix2pix", tmp_path / "d", in_channels=4, out_channels=4)
    i2i.convert("run", tmp_path / "d" / "A", "out")
    with Image.open("out/0.png") as image:
        assert image.mode == "RGBA"


def test_arrays_of_numpy_are_trained_on_and_written(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "d" / "A" / f"{number}.npy", field(7, number).astype(np.float16))
        save(tmp_path / "d" / "B" / f"{number}.npy", field(1, number).astype(np.float64))
    train("pix2pix", tmp_path / "d")
    i2i.convert("run", tmp_path / "d" / "A", "out")
    assert np.load("out/0.npy").dtype == np.float64


@pytest.mark.parametrize(
    ("method", "channels", "model", "words"),
    [
        ("cut", (4, 3), {"nce_layers": "0"}, "CUT compares features .* they have 4 and 3. Use cyclegan"),
        ("cyclegan", (4, 3), {"weight_identity": 0.5}, "--weight-identity gives G an image of B"),
        (
            "pix2pix",
            (4, 1),
            {"discriminator": {"network": "projected", **PATCHGAN}},
            "--discriminator projected has a network",
        ),
        ("pix2pix", (4, 4), {"weight_perceptual": 1.0}, "perceptual loss needs grey or RGB images"),
        ("pix2pix", (4, 1), {"generator": {"network": "compact"}}, "--generator compact adds the output to the input"),
        ("regression", (4, 1), {"generator": {"network": "restorer", "prediction": "residual"}}, "equal channels"),
    ],
)
def test_what_needs_other_channels_is_refused_before_anything_is_written(
    tmp_path: Path, method: str, channels: tuple[int, int], model: dict[str, Any], words: str
) -> None:
    data = two_domains(tmp_path / "data", "uint16", "uint16", channels, paired=method in ("pix2pix", "regression"))
    with pytest.raises(ConfigError, match=words):
        train(method, data, model)
    assert not Path("checkpoints/run").exists()


def test_a_task_and_mixed_channels_are_refused_with_the_files(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a.tif", field(5, 1).astype(np.float32))
    with pytest.raises(DatasetError, match=r"--task denoise needs pictures.*a.tif has 5"):
        train("regression", tmp_path / "photos", task={"task": "denoise"})
    data = two_domains(tmp_path / "data", "uint16", "uint16", (4, 1), paired=True)
    save(data / "A" / "train" / "2.tif", (field(5, 2) * 9999).astype(np.uint16))
    with pytest.raises(DatasetError, match=r"5 files have 4 channels .*; 1 file has 5 channels \(A/train/2.tif\)"):
        train("pix2pix", data)
    with pytest.raises(DatasetError, match="3 channels are stated for the images A"):
        train("pix2pix", data, in_channels=3)


def test_a_model_of_channels_says_what_it_takes(tmp_path: Path) -> None:
    data = two_domains(tmp_path / "data", "uint16", "uint16", (4, 1), paired=True)
    train("pix2pix", data)
    translate = i2i.load("run")
    with pytest.raises(ValueError, match=r"shape \(8, 8, 3\).*C = 4"):
        translate(np.zeros((8, 8, 3), np.uint16))
    with pytest.raises(I2IError, match=r"0.tif has 1 channel; 4 are needed"):
        translate(data / "B" / "test" / "0.tif")
    with pytest.raises(I2IError, match="run it alone"):
        i2i.load("run+identity")
    with pytest.raises(I2IError, match="--blend"):
        i2i.load("run", blend=0.5)
    with pytest.raises(I2IError, match="--frames all takes pictures"):
        i2i.convert("run", data / "A" / "test", "out", frames="all")
    Path("clip.mp4").write_bytes(b"video")
    with pytest.raises(I2IError, match="is a video, of three channels"):
        i2i.convert("run", "clip.mp4", "out")
    result = i2i.convert("run", data / "A" / "test", "out", format="jpg")
    assert "cannot store 1 channel of uint16" in result.failed[0][1]


@pytest.mark.parametrize(
    ("name", "shape"), [("flat.npy", (20, 24)), ("planar.npy", (2, 20, 24)), ("together.npy", (20, 24, 2))]
)
def test_the_identity_keeps_the_shape_of_an_array(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    np.save(name, values)
    i2i.convert("identity", name, "out")
    np.testing.assert_array_equal(np.load(Path("out", name)), values)


def test_the_identity_keeps_planar_channels_of_a_tiff(tmp_path: Path) -> None:
    values = np.arange(2 * 20 * 24, dtype=np.uint16).reshape(2, 20, 24)
    tifffile.imwrite("bands.tif", values, photometric="minisblack", planarconfig="separate")
    i2i.convert("identity", "bands.tif", "out")
    with tifffile.TiffFile("out/bands.tif") as tiff:
        assert tiff.pages[0].planarconfig == tifffile.PLANARCONFIG.SEPARATE
        np.testing.assert_array_equal(tiff.asarray(), values)


def test_a_restoration_task_refuses_stated_channels(tmp_path: Path) -> None:
    for number in range(2):
        save(Path(f"photos/{number}.png"), (field(4, number) * 255).astype(np.uint8))
    with pytest.raises(ConfigError, match=r"--task denoise restores pictures.* omit --in-channels 4"):
        train("regression", Path("photos"), task={"task": "denoise"}, in_channels=4)


def test_files_that_form_one_image_are_trained_on_converted_and_evaluated(
    perceptual_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "load_inception", ChannelStatistics)
    data = two_domains(Path("data"), "uint16", "uint16", (1, 1), paired=True)
    for split in ("train", "test"):
        for number in range(3):
            red = (data / "A" / split / f"{number}.tif").rename(data / "A" / split / f"{number}_red.tif")
            tifffile.imwrite(data / "A" / split / f"{number}_nir.tif", tifffile.imread(red) // 2)
    stack = "{stem}_{nir,red}.tif"
    run = train("pix2pix", data, stack=stack)
    info = load_model_info(run / "weights.safetensors")
    assert (info.formats[0].channels, info.formats[0].bands) == (2, ("nir", "red"))
    assert info.settings["data"]["stack"] == stack
    result = i2i.convert("run", data / "A" / "test", "out")
    assert sorted(path.name for path in Path("out").glob("*.tif")) == ["0.tif", "1.tif", "2.tif"]
    assert result.failed == []
    again = i2i.convert("run", data / "A" / "test", "out")
    assert len(again.skipped) == 3
    joined = i2i.load("run")(data / "A" / "test" / "0_{nir,red}.tif")
    np.testing.assert_array_equal(joined[..., 0], tifffile.imread("out/0.tif"))
    resume_training("pix2pix", None, {"training": {"steps": 2}}, "run", TrainingProgress()).train()
    elsewhere = data.rename("elsewhere")
    rows = i2i.evaluate("run", data=elsewhere, device="cpu").rows
    assert "run" in {row["name"] for row in rows}
    data = elsewhere.rename("data")
    (data / "A" / "train" / "1_red.tif").unlink()
    with pytest.raises(
        DatasetError, match=r"1 file cannot be read as an image: .*1_\{nir,red\}\.tif: 1_red\.tif is missing"
    ):
        train("pix2pix", data, stack=stack)
    report = audit(DataSource(data=str(data), stack=stack))
    assert "1_red.tif is missing" in next(finding.text for finding in report.findings if finding.level == "error")
    assert report.counts["train"] == {"pairs": 3}
    with pytest.raises(DatasetError, match="has a name of the form --stack"):
        train("pix2pix", data, stack="{stem}-{x,y}.tif")


def test_the_sheet_of_samples_names_false_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = two_domains(tmp_path / "data", "uint16", "uint16", (2, 1), paired=True)
    titles = list[str]()
    monkeypatch.setattr("i2i.data.preview.labelled_grid", lambda columns, names: titles.extend(names))
    preview(PairedConfig(data=str(data), size=16), 2)
    assert titles == ["source (channel 1 red, 2 cyan)", "target"]


def test_the_information_on_a_model_names_its_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.stdout, "width", 400)
    train("pix2pix", two_domains(tmp_path / "data", "uint16", "uint16", (2, 1), paired=True))
    output = CliRunner().invoke(app, ["models", "info", "run"]).output
    assert "takes 2 channels of uint16, 0 to 65535; returns 1 channel of uint16, 0 to 65535" in output
