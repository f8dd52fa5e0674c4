"""Blend, grain and protected regions: for every model, in Python and in ``i2i.convert``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from torch import Tensor, nn

import i2i
from i2i.errors import ConfigError, ImageError, UsageError
from i2i.images import LoadedImage
from i2i.images.deep import DeepImage
from i2i.images.downscale import downscale
from i2i.inference.compositing import compose
from i2i.inference.finishing import Finishing, add_grain
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.networks import IdentityConfig
from i2i.restoration import TASKS
from tests.conftest import random_image
from tests.inference.test_restoration import save_noise, save_task_model


class Invert(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -x


def inverter(**options: Any) -> Translator:
    options = {"device": "cpu", **options}
    return Translator(Invert(), IdentityConfig(), size=32, direction="AtoB", options=InferenceOptions(**options))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def write_mask(path: Path, size: tuple[int, int], box: tuple[int, int, int, int]) -> Path:
    mask = Image.new("L", size)
    mask.paste(255, box)
    path.parent.mkdir(parents=True, exist_ok=True)
    mask.save(path)
    return path


def test_blend_mixes_result_and_photo_and_rounds() -> None:
    photo = random_image(0, 20, 12)
    inverted = pixels(ImageOps.invert(photo))
    for blend in (0.0, 0.3, 1.0):
        expected = pixels(photo) + blend * (inverted - pixels(photo))
        assert np.abs(pixels(inverter(blend=blend)(photo)) - expected).max() <= 0.5 + 1e-3
    assert np.array_equal(pixels(inverter(blend=0.0)(photo)), pixels(photo))


def test_a_larger_result_is_mixed_with_the_bicubic_enlargement(tmp_path: Path) -> None:
    model = save_task_model(tmp_path / "m.safetensors", TASKS["superres"]())
    photo = random_image(1, 20, 12)
    enlarged = photo.resize((40, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels(i2i.load(model, device="cpu", blend=0)(photo)), pixels(enlarged))
    half, full = (pixels(i2i.load(model, device="cpu", blend=blend)(photo)) for blend in (0.5, 1))
    assert np.abs(half - (full + pixels(enlarged)) / 2).max() <= 0.5


def test_grain_has_its_strength_on_middle_grey_and_leaves_black_and_white() -> None:
    field = np.full((128, 128, 3), 128, np.uint8)
    add_grain(field, 6.0, seed=1)
    assert abs(field[..., 0].std() - 6) < 0.2
    assert np.ptp(field, 2).max() == 0, "grey stays grey"
    for level in (0, 255):
        flat = np.full((16, 16, 3), level, np.uint8)
        add_grain(flat, 50.0, seed=1)
        assert (flat == level).all()


def test_grain_depends_on_the_photo_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    translate = i2i.load("identity", device="cpu", grain=5)
    photos = [Image.new("RGB", (32, 24), (100, 100, level)) for level in (100, 101)]
    alone = pixels(translate(photos[1]))
    monkeypatch.setattr("i2i.inference.finishing._BLOCK", 200)  # in several parts
    first, second = translate([photos[0], photos[1]])
    assert np.array_equal(pixels(second), alone)
    assert not np.array_equal(pixels(first)[..., 0], pixels(second)[..., 0])


@pytest.mark.parametrize("options", [{"blend": 1.1}, {"blend": -0.1}, {"blend": float("nan")}, {"grain": 51.0}])
def test_values_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"(blend|grain) is .*; it must be from 0"):
        Finishing(**options)


def test_an_inpainting_model_changes_its_mask_alone(tmp_path: Path) -> None:
    model = save_task_model(tmp_path / "m.safetensors", TASKS["inpaint"]())
    save_noise(tmp_path / "photo.png", "RGB", (32, 24))
    mask = write_mask(tmp_path / "mask.png", (32, 24), (4, 4, 20, 16))
    protect = write_mask(tmp_path / "protect.png", (32, 24), (4, 4, 10, 16))
    photo = pixels(Image.open(tmp_path / "photo.png"))
    result = pixels(i2i.load(model, device="cpu", mask=mask, protect=protect, grain=9.0)(tmp_path / "photo.png"))
    changed = (result != photo).any(2)
    region = np.zeros((24, 32), bool)
    region[4:16, 10:20] = True
    assert not changed[~region].any()
    assert changed[region].mean() > 0.9


@pytest.mark.parametrize("alpha", [False, True])
def test_a_protected_region_is_the_photo_bit_by_bit(tmp_path: Path, alpha: bool) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3 + alpha), dtype=np.uint8))
    photo.save(tmp_path / "photo.png")
    mask = write_mask(tmp_path / "masks" / "photo.png", (32, 24), (0, 0, 16, 24))
    plain = pixels(inverter()(photo))
    for protect in (mask, mask.parent):
        result = pixels(inverter(protect=protect, grain=4.0)(tmp_path / "photo.png"))
        assert np.array_equal(result[:, :16], pixels(photo)[:, :16])
        assert not np.array_equal(result[:, 16:], pixels(photo)[:, 16:])
    assert np.array_equal(pixels(inverter(protect=mask)(photo))[:, 16:], plain[:, 16:])
    other = inverter(protect=mask, mask_fill="black")(photo)
    assert np.array_equal(pixels(other)[:, 16:], pixels(photo)[:, 16:])


@pytest.mark.parametrize("fill", ["white", "black"])
def test_grey_in_a_mask_mixes_photo_and_result(tmp_path: Path, fill: str) -> None:
    photo = random_image(0, 64, 24)
    levels = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (24, 1))
    Image.fromarray(levels if fill == "white" else 255 - levels).save(tmp_path / "mask.png")
    photo.save(tmp_path / "photo.png")
    result = pixels(inverter(protect=tmp_path / "mask.png", mask_fill=fill)(tmp_path / "photo.png"))
    plain = pixels(inverter()(tmp_path / "photo.png"))
    share = ((levels - 16.0) / 223).clip(0, 1)[..., None]
    assert np.abs(result - (plain + share * (pixels(photo) - plain))).max() <= 1.0
    assert np.array_equal(result[:, 60:], pixels(photo)[:, 60:])
    assert np.array_equal(result[:, :4], plain[:, :4])


def test_jpeg_of_a_mask_protects_as_the_mask(tmp_path: Path) -> None:
    photo = random_image(0, 64, 48)
    photo.save(tmp_path / "photo.png")
    write_mask(tmp_path / "mask.png", (64, 48), (16, 16, 48, 32))
    Image.open(tmp_path / "mask.png").save(tmp_path / "mask.jpg", quality=90)
    results = [pixels(inverter(protect=tmp_path / name)(tmp_path / "photo.png")) for name in ("mask.png", "mask.jpg")]
    assert np.array_equal(*results)


def test_a_soft_mask_protects_16_bits_and_a_smaller_copy() -> None:
    rng = np.random.default_rng(0)
    deep = DeepImage(rng.integers(0, 65536, (8, 16, 3), dtype=np.uint16))
    kept = Image.fromarray(np.repeat(np.array([[0, 255, 102, 0]], np.uint8), 4, 1).repeat(8, 0))
    photo = LoadedImage(deep.to_8bit(), deep=deep, kept=kept)
    result = np.asarray(compose(DeepImage(np.zeros((8, 16, 3), np.uint16)), photo))
    expected = np.asarray(deep) * (np.asarray(kept)[..., None] / 255)
    assert np.abs(result - expected).max() <= 0.51
    smaller = downscale(photo, 6).kept
    assert smaller is not None
    levels = np.asarray(smaller)[0]
    assert levels[[0, 1, 2, 5]].tolist() == [0, 255, 255, 0]  # a pixel that covers a kept one is kept
    assert 60 < levels[3] <= 102


def test_a_region_cannot_be_protected_where_it_has_no_place(tmp_path: Path) -> None:
    mask = write_mask(tmp_path / "masks" / "other.png", (32, 24), (0, 0, 16, 24))
    with pytest.raises(UsageError, match=r"nowhere does not exist\. --protect takes"):
        inverter(protect="nowhere")
    with pytest.raises(ImageError, match="has no mask"):
        inverter(protect=mask.parent)(save_noise(tmp_path / "photo.png", "RGB", (32, 24)))
    with pytest.raises(ImageError, match="a mask must have the size of its photo, 16x16"):
        inverter(protect=mask)(random_image(0))
    model = save_task_model(tmp_path / "m.safetensors", TASKS["superres"]())
    with pytest.raises(UsageError, match="changes the size of a photo, so no region can stay"):
        i2i.load(model, device="cpu", protect=mask)


def test_a_translator_shares_its_network_with_one_that_finishes_in_another_way() -> None:
    translate = inverter()
    photo = random_image(2)
    other = translate.with_finishing(Finishing(blend=0))
    assert other.network is translate.network
    assert np.array_equal(pixels(other(photo)), pixels(photo))
    assert np.array_equal(pixels(translate(photo)), pixels(ImageOps.invert(photo)))
