"""Results with 16 bits a channel."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

import i2i
from i2i.errors import UsageError
from i2i.images import DecoderPool
from i2i.restoration import TASKS
from tests.cli.test_convert import InProcessPool
from tests.conftest import random_image
from tests.inference.test_finishing import write_mask
from tests.inference.test_restoration import save_task_model

LEVELS = np.random.default_rng(0).integers(0, 65536, (20, 24, 4), dtype=np.uint16)


@pytest.fixture(autouse=True)
def use_in_process_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.convert.conversion.DecoderPool", InProcessPool)


def convert(source: str, model: str = "identity", **options: Any) -> np.ndarray:
    """Return the levels of the result of a file as it stores them."""
    format = options.setdefault("format", "png")
    result = i2i.convert(model, source, "out", device="cpu", overwrite=True, **options)
    assert not result.failed
    path = Path("out") / f"{Path(source).stem}.{format}"
    if format == "tif":
        return tifffile.imread(path)
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return levels if levels.ndim == 2 else levels[..., [2, 1, 0, 3][: levels.shape[2]]]


def write_png(levels: np.ndarray, name: str = "photo.png") -> str:
    order = [2, 1, 0, 3][: levels.shape[2]] if levels.ndim == 3 else slice(None)
    cv2.imwrite(name, levels[..., order] if levels.ndim == 3 else levels)
    return name


@pytest.mark.parametrize("format", ["png", "tif"])
@pytest.mark.parametrize("levels", [LEVELS[..., :3], LEVELS[..., 0]], ids=["RGB", "grey"])
def test_what_the_model_leaves_has_all_its_bits(format: Any, levels: np.ndarray) -> None:
    assert np.array_equal(convert(write_png(levels), format=format), levels)
    tifffile.imwrite("scan.tif", levels, photometric="rgb" if levels.ndim == 3 else "minisblack")
    assert np.array_equal(convert("scan.tif", format=format), levels)


@pytest.mark.parametrize("format", ["png", "tif"])
def test_transparent_photos_keep_their_colours(format: Any) -> None:
    levels = LEVELS.copy()
    levels[..., 3] = levels[..., 3] // 256 * 257
    levels[:10, ::2, 3] = 0
    assert np.array_equal(convert(write_png(levels), format=format), levels)


def test_the_depth_is_chosen_by_the_flag_the_format_and_the_source() -> None:
    deep = write_png(LEVELS[..., :3])
    random_image(0).save("shallow.png")
    assert convert(deep, depth=8).dtype == np.uint8
    assert np.abs(convert(deep, depth=8) - LEVELS[..., :3] / 257).max() <= 0.5
    assert convert(deep, format="jpg").dtype == np.uint8
    assert convert("shallow.png").dtype == np.uint8
    assert np.array_equal(convert("shallow.png", depth=16), np.asarray(random_image(0)).astype(np.uint16) * 257)
    with pytest.raises(UsageError, match="webp holds 8 bits a channel: use --depth 16 with png or tif"):
        convert(deep, format="webp", depth=16)


def test_an_orientation_and_a_smaller_size_apply_to_all_bits() -> None:
    tifffile.imwrite("turned.tif", LEVELS[..., :3], photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    assert np.array_equal(convert("turned.tif"), np.rot90(LEVELS[..., :3], -1))
    smooth = cv2.resize(LEVELS[:4, :4, :3], (64, 48), interpolation=cv2.INTER_CUBIC)
    small = convert(write_png(smooth), max_side=32)
    assert (small.shape, small.dtype) == ((24, 32, 3), np.uint16)
    assert np.abs(small - convert("photo.png", max_side=32, depth=8) * 257.0).max() < 2 * 257


@pytest.mark.parametrize("task", ["denoise", "superres", "colorize"])
def test_a_model_sees_and_makes_more_than_8_bits(task: str) -> None:
    save_task_model(Path("m.safetensors"), TASKS[task]())
    smooth = cv2.resize(LEVELS[:4, :4, :3], (40, 24), interpolation=cv2.INTER_LINEAR)
    result = convert(write_png(smooth), "m.safetensors").astype(int)
    assert (result % 257 != 0).mean() > 0.9
    assert np.abs(result - convert("photo.png", "m.safetensors", depth=8) * 257.0).mean() < 257


def test_blend_grain_and_protection_have_16_bits() -> None:
    save_task_model(Path("m.safetensors"), TASKS["denoise"]())
    levels = LEVELS[..., :3]
    mask = write_mask(Path("mask.png"), (24, 20), (0, 0, 12, 20))
    protected = convert(write_png(levels), "m.safetensors", grain=5, protect=mask)
    assert np.array_equal(protected[:, :12], levels[:, :12])
    assert not np.array_equal(protected[:, 12:], levels[:, 12:])
    full, half = (convert("photo.png", "m.safetensors", blend=blend).astype(float) for blend in (1, 0.5))
    assert np.abs(half - (full + levels) / 2).max() <= 0.51
    assert np.array_equal(convert("photo.png", "m.safetensors", blend=0), levels)


def test_known_pixels_of_an_inpainting_model_keep_all_bits() -> None:
    save_task_model(Path("m.safetensors"), TASKS["inpaint"]())
    mask = write_mask(Path("mask.png"), (24, 20), (4, 4, 12, 12))
    result = convert(write_png(LEVELS[..., :3]), "m.safetensors", mask=mask)
    known = np.ones((20, 24), bool)
    known[4:12, 4:12] = False
    assert np.array_equal(result[known], LEVELS[known, :3])
    assert not np.array_equal(result[~known], LEVELS[~known, :3])


def test_pages_keep_their_bits() -> None:
    tifffile.imwrite(
        "pages.tif", LEVELS[None, ..., :3].repeat(2, 0) // np.uint16([[[[1]]], [[[2]]]]), photometric="rgb"
    )
    pages = convert("pages.tif", format="tif", frames="all")
    assert np.array_equal(pages, tifffile.imread("pages.tif"))


def test_a_chain_passes_all_bits_on() -> None:
    assert np.array_equal(convert(write_png(LEVELS[..., :3]), "identity+identity"), LEVELS[..., :3])


def test_the_separate_decoders_return_all_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.convert.conversion.DecoderPool", DecoderPool)
    assert np.array_equal(convert(write_png(LEVELS[..., :3])), LEVELS[..., :3])
    with Image.open("out/photo.png") as image:
        assert "icc_profile" in image.info
