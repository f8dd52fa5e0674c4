"""Restoration models of other programs are used as those of i2i."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.checkpoints.foreign import ImportOptions
from i2i.checkpoints.foreign.restoration import recognise_restoration
from i2i.checkpoints.importing import read_models, save_import
from i2i.checkpoints.model_file import ModelFile, load_model_info
from i2i.demo.labels import purpose
from i2i.demo.model_registry import ModelRegistry
from i2i.errors import I2IError, ModelFileError, UsageError
from i2i.inference import foreign_precision, measured_tiles, reach
from i2i.inference.reach import measure_reach
from i2i.networks.compact import CompactConfig
from tests.checkpoints.foreign.restoration import GLOBAL, NETWORKS, SCALES, small_lama, write
from tests.conftest import random_image


def load(path: Path | str, **options: Any) -> i2i.Translator:
    return i2i.load(path, device="cpu", precision="float32", **options)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_enlarges_or_restores_a_photo_of_any_size(name: str) -> None:
    translate = load(write(name, f"{name}.safetensors" if name == "SPAN" else None))
    scale = SCALES.get(name, 1)
    assert translate.scale == scale
    assert translate(random_image(0, 21, 13)).size == (21 * scale, 13 * scale)


@pytest.mark.parametrize(
    ("name", "side", "reaches"),
    [
        ("Compact, grey", 30, [16]), ("SPAN", 30, [16]), ("ESRGAN", 30, [16]), ("SwinIR", 30, [16]),
        ("DnCNN", 30, [16]), ("DRUNet", 170, [32, 48]),
    ],
)  # fmt: skip
def test_tiles_give_the_result_of_one_pass(
    name: str, side: int, reaches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    translate = load(write(name))
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (side, side + 30, 3), dtype=np.uint8))
    whole = np.asarray(translate(photo)).astype(int)
    monkeypatch.setattr(reach, "_MARGINS", (16, 32, 48, 64, 96)[: 3 if side < 100 else 5])
    translate.runner.limits.max_image_pixels = 1
    done: list[float] = []
    tiled = np.asarray(translate(photo, progress=done.append)).astype(int)
    assert translate.runner.tiles is not None
    assert translate.runner.tiles.reach() in reaches
    assert len(done) > 2
    assert np.abs(whole - tiled).max() <= 1
    assert (whole != tiled).mean() < 0.01


@pytest.mark.parametrize("name", GLOBAL)
def test_tiles_of_a_network_that_sees_everything_fade_into_each_other(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    translate = load(write(name))
    photo = random_image(0, 150, 40)
    whole = np.asarray(translate(photo)).astype(int)
    monkeypatch.setattr(measured_tiles, "BLENDED_OVERLAP", 32)
    monkeypatch.setattr(reach, "_MARGINS", (16, 32, 48, 64))
    translate.runner.limits.max_image_pixels = 1
    tiled = np.asarray(translate(photo)).astype(int)
    assert tiled.shape == whole.shape
    assert 0 < np.abs(tiled - whole).mean() < 20
    assert "fade into each other" in caplog.text


def test_the_reach_of_a_network_is_measured() -> None:
    def blur(image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(image, 41, 1, 20)

    assert measure_reach(blur, 16, torch.device("cpu")) == 32
    assert measure_reach(lambda image: image, 16, torch.device("cpu")) == 16
    assert measure_reach(lambda image: image - image.mean(), 16, torch.device("cpu")) is None


def test_an_imported_model_is_like_any_other() -> None:
    path = save_import("upscale4", read_models([write("ESRGAN")], ImportOptions(licence="CC0", title="Sharper")))
    info = load_model_info(path)
    assert info.task_title == "super-resolution ×4"
    assert info.scale == 4
    card = path.with_name("card.md").read_text()
    assert "ESRGAN ×4" in card
    assert "| CC0 |" in card
    photo = random_image(0, 24, 20)
    assert np.array_equal(np.asarray(load("upscale4")(photo)), np.asarray(load("ESRGAN.pth")(photo)))
    registry = ModelRegistry("cpu")
    assert purpose(registry.model("upscale4")) == "Sharper"
    assert registry.translate("upscale4", "AtoB", photo).size == (96, 80)
    assert load("upscale4+upscale4").scale == 16


def test_metadata_that_do_not_describe_the_network_are_refused() -> None:
    model_file = read_models([write("ESRGAN")], ImportOptions())
    info = replace(model_file.info, generator={**model_file.info.generator, "scale": 2})
    save_import("wrong", ModelFile(info, model_file.tensors))
    with pytest.raises(ModelFileError, match="do not describe its network, ESRGAN"):
        load("wrong")


def test_grey_photos_stay_grey_and_transparency_is_enlarged() -> None:
    translate = load(write("ESRGAN"))
    grey = np.asarray(translate(random_image(0, 24, 20).convert("L").convert("RGB")))
    assert np.array_equal(grey[..., 0], grey[..., 2])
    photo = random_image(1, 24, 20)
    photo.putalpha(Image.new("L", photo.size, 128))
    result = translate(photo)
    assert (result.mode, result.size) == ("RGBA", (96, 80))
    assert np.asarray(result)[..., 3].std() == 0


def test_an_inpainting_model_fills_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"state_dict": small_lama(monkeypatch).state_dict()}, "lama.ckpt")
    mask = Image.new("L", (40, 32))
    mask.paste(255, (8, 8, 20, 20))
    mask.save("mask.png")
    photo = random_image(0, 40, 32)
    result = np.asarray(load("lama.ckpt", mask="mask.png")(photo)).astype(int)
    changed = np.abs(result - np.asarray(photo)).max(2) > 0
    assert changed[8:20, 8:20].mean() > 0.9
    assert not changed[np.asarray(mask) == 0].any()
    assert read_models([Path("lama.ckpt")], ImportOptions()).info.task_name == "inpaint"
    with pytest.raises(UsageError, match="This model fills transparent regions"):
        load("lama.ckpt").translate([photo])
    monkeypatch.setattr(measured_tiles, "_MAX_PIXELS_WHOLE", 100)
    with pytest.raises(I2IError, match=r"too large for LaMa.*--max-side"):
        load("lama.ckpt", mask="mask.png")(photo)


def test_the_compact_network_exported_from_i2i_gives_the_same_photo_through_spandrel() -> None:
    network = CompactConfig(width=8, convolutions=4, scale=2).build(32)
    torch.save({"params_ema": network.state_dict()}, "x2.pth")
    native = load("x2.pth")
    assert native.info is not None
    assert native.info.generator["network"] == "compact"
    foreign = load(write_as_spandrel(Path("x2.pth")))
    assert foreign.info is not None
    assert foreign.info.generator["network"] == "spandrel"
    photo = random_image(0, 50, 34)
    assert np.array_equal(np.asarray(native(photo)), np.asarray(foreign(photo)))


def write_as_spandrel(path: Path) -> Path:
    """Write a model file that runs through spandrel, of a network that i2i has too. Returns its path."""
    model_file = read_models([path], ImportOptions())
    found = recognise_restoration(model_file.state_dict("AtoB"), "x2")
    assert found is not None
    return save_import("spandrel", ModelFile(replace(model_file.info, generator=found.generator), model_file.tensors))


def test_bfloat16_is_used_only_where_the_result_stays_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write("ESRGAN")
    monkeypatch.setattr("i2i.device.cpu_has_fast_bfloat16", lambda: True)
    assert i2i.load(path, device="cpu").dtype == torch.bfloat16
    monkeypatch.setattr(foreign_precision, "MAX_LEVELS", 0.0)
    assert i2i.load(path, device="cpu").dtype == torch.float32
    assert i2i.load(path, device="cpu", precision="bfloat16").dtype == torch.bfloat16
    assert "grey levels in bfloat16" in caplog.text


def test_without_the_extra_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("SPAN")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UsageError, match=r'SPAN\.pth .*pip install -e "\.\[foreign\]".*It has \d+ tensors'):
        load(path)
