"""Masks of inpainting models: what is filled, and that everything else stays bit-equal."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.convert import convert_jobs, make_plan
from i2i.convert.api import convert
from i2i.errors import ImageError, UsageError
from i2i.images import LoadedImage, Writer, load_image
from i2i.inference.loading import load
from i2i.inference.mask_images import MaskFill
from i2i.inference.masks import MaskedPhoto, MaskReader
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.networks import RestorerConfig
from i2i.restoration import TASKS
from tests.images.in_process_reader import InProcessReader
from tests.inference.test_mask_images import COLOURED_MASKS, MASKS
from tests.inference.test_restoration import save_task_model


@pytest.fixture
def model(tmp_path: Path) -> str:
    return save_task_model(tmp_path / "m.safetensors", TASKS["inpaint"]())


def random_mask(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return boxes, single pixels or both, bool (height, width): neither empty nor full."""
    mask = rng.random((height, width)) < rng.choice([0, 0.02, 0.5])
    top, left = rng.integers(height - 1), rng.integers(width - 1)
    mask[top : top + rng.integers(1, height), left : left + rng.integers(1, width)] = True
    mask[-1, -1] = False
    return np.asarray(mask)


def paint(mask: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Return a random kind of mask image for a mask."""
    levels = mask.astype(np.uint8) * np.uint8(255)
    kind = rng.integers(4)
    if kind == 0:
        return Image.fromarray(levels)
    if kind == 1:
        return Image.fromarray(mask)
    colour = rng.integers(40, 256, 3) if kind == 2 else np.full(3, 255)
    rgba = np.dstack([np.broadcast_to(colour, (*mask.shape, 3)), levels])
    return Image.fromarray(rgba.astype(np.uint8))


@pytest.mark.parametrize("seed", range(12))
def test_known_pixels_never_change_whatever_the_mask_and_the_photo(seed: int, model: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(2, 50, 2))
    mode = ("RGB", "RGBA", "L", "LA")[seed % 4]
    bands = Image.new(mode, (1, 1)).getbands()
    pixels = rng.integers(0, 256, (height, width, len(bands)), dtype=np.uint8)
    pixels[-1, -1, -1] = 255  # a known pixel, whatever the alpha of the others
    Image.fromarray(pixels.squeeze(2) if len(bands) == 1 else pixels, mode).save(tmp_path / "photo.png")
    mask = random_mask(rng, height, width)
    paint(mask, rng).save(tmp_path / "mask.png")
    translate = load(model, device="cpu", mask=tmp_path / "mask.png", mask_fill="paint")
    if seed % 3 == 0:
        translate.runner.limits.max_image_pixels = 20 * 20  # in tiles
    in_python = translate(Image.open(tmp_path / "photo.png"))
    result = convert(translate, [tmp_path / "photo.png"], tmp_path / "out", reader=InProcessReader())
    assert not result.failed
    before = np.asarray(Image.open(tmp_path / "photo.png").convert("RGBA"))
    for image in (in_python, Image.open(tmp_path / "out" / "photo.png")):
        after = np.asarray(image.convert("RGBA"))
        assert np.array_equal(after[~mask], before[~mask])
        assert (after[mask][:, 3] == 255).all()


def test_known_pixels_are_copied_whatever_the_network_predicts() -> None:
    config = RestorerConfig(width=4, levels=2, depth=1, conditioning="mask", prediction="direct")
    torch.manual_seed(0)
    translate = Translator(config.build(16), config, size=16, direction="AtoB", options=InferenceOptions(device="cpu"))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    result = np.asarray(translate(Image.fromarray(pixels)))
    known = pixels[..., 3] >= 128
    assert np.array_equal(result[known], pixels[known][:, :3])
    assert not np.array_equal(result[~known], pixels[~known][:, :3])


def test_without_a_mask_half_transparent_pixels_keep_their_stored_colours(model: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    convert(load(model, device="cpu"), [tmp_path / "photo.png"], tmp_path / "out", reader=InProcessReader())
    result = np.asarray(Image.open(tmp_path / "out" / "photo.png"))
    known = pixels[..., 3] >= 128
    assert np.array_equal(result[known], pixels[known][:, :3])


@pytest.mark.parametrize(("kind", "fill"), [("red paint", "paint"), ("white paint", "white")])
def test_the_painted_region_of_a_mask_is_filled(kind: str, fill: MaskFill, model: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (90, 120, 30)).save(tmp_path / "photo.png")
    (MASKS | COLOURED_MASKS)[kind]().save(tmp_path / "mask.png")
    translate = load(model, device="cpu", mask=tmp_path / "mask.png", mask_fill=fill)
    changed = (np.asarray(translate(Image.open(tmp_path / "photo.png"))) != (90, 120, 30)).any(2)
    assert changed[10:20, 20:40].mean() > 0.9
    assert not changed[0:10].any()


def test_inverted_masks_fill_the_black_part(tmp_path: Path) -> None:
    Image.new("RGB", (4, 1), (90, 120, 30)).save(tmp_path / "photo.png")
    Image.frombytes("L", (4, 1), bytes([0, 255, 255, 0])).save(tmp_path / "mask.png")
    photo = load_image(tmp_path / "photo.png", blend=False)
    expected: dict[MaskFill, list[int]] = {"white": [255, 0, 0, 255], "black": [0, 255, 255, 0]}
    for fill, known in expected.items():
        masked = MaskReader(tmp_path / "mask.png", fill=fill).apply_mask(tmp_path / "photo.png", photo)
        assert np.asarray(masked.alpha)[0].tolist() == known
    with pytest.raises(UsageError, match="needs a mask image"):
        MaskReader(None, fill="black")


def test_empty_full_and_probably_inverted_masks_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photo = load_image(_save(Image.new("RGB", (10, 1)), tmp_path / "photo.png"), blend=False)

    def apply(levels: list[int]) -> None:
        path = _save(Image.frombytes("L", (10, 1), bytes(levels)), tmp_path / "mask.png")
        MaskReader(path).apply_mask(tmp_path / "photo.png", photo)

    with pytest.raises(ImageError, match=r"selects no pixel .its brightest pixel has level 7 of 255"):
        apply([7] * 10)
    with pytest.raises(ImageError, match=r"masked completely: .*mask-fill black"):
        apply([255] * 10)
    with caplog.at_level(logging.WARNING):
        apply([255] * 3 + [0] * 7)
        assert not caplog.messages
        apply([255] * 8 + [0] * 2)
    assert "masks 80 % of" in caplog.messages[0]
    assert "--mask-fill black" in caplog.messages[0]


def test_masks_of_equal_names_belong_to_the_photos_of_their_subfolder(tmp_path: Path) -> None:
    for index, folder in enumerate(("a", "b")):
        (tmp_path / "masks" / folder).mkdir(parents=True)
        (tmp_path / folder).mkdir()
        _save(Image.new("RGB", (2, 1)), tmp_path / folder / "1.png")
        levels = bytes([255 * (index == 0), 255 * (index == 1)])
        _save(Image.frombytes("L", (2, 1), levels), tmp_path / "masks" / folder / "1.png")
    reader = MaskReader(tmp_path / "masks")
    for folder, known in (("a", [0, 255]), ("b", [255, 0])):
        path = tmp_path / folder / "1.png"
        assert np.asarray(reader.apply_mask(path, load_image(path, blend=False)).alpha)[0].tolist() == known
    with pytest.raises(ImageError, match="has 2 masks"):
        reader.apply_mask(tmp_path / "1.png", load_image(tmp_path / "a" / "1.png", blend=False))


def _save(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def test_no_colour_leaks_out_of_a_downscaled_mask() -> None:
    pixels = np.full((30, 30, 3), 100, np.uint8)
    alpha = np.full((30, 30), 255, np.uint8)
    pixels[7:16, 7:16] = 255  # paint below the mask
    alpha[7:16, 7:16] = 0
    photo = MaskedPhoto(Image.fromarray(pixels), Image.fromarray(alpha)).downscaled(11)
    assert photo.alpha is not None
    known = np.asarray(photo.alpha)
    assert photo.image.size == (11, 11)
    assert set(np.unique(known)) == {0, 255}
    assert (np.asarray(photo.image)[known == 255] == 100).all()


def test_a_masked_photo_can_be_downscaled_first(model: str, tmp_path: Path) -> None:
    pixels = np.full((32, 48, 4), 90, np.uint8)
    pixels[..., 3] = 255
    pixels[:4, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    mask = np.zeros((32, 48), np.uint8)
    mask[16:20, 16:20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    translator = load(model, device="cpu", mask=tmp_path / "mask.png")
    out = tmp_path / "out"
    plan = make_plan([tmp_path / "photo.png"], out, "png")
    result = convert_jobs(translator, plan, out, writer=Writer(), max_side=24, reader=InProcessReader())
    assert result.failed == []
    filled = np.asarray(Image.open(out / "photo.png"))
    assert filled.shape == (16, 24, 4)
    assert (filled[:2, :, 3] == 0).all()  # the mask alone decides what is filled
    is_masked = np.zeros((16, 24), bool)
    is_masked[8:10, 8:10] = True
    assert (filled[2:][~is_masked[2:]] == (90, 90, 90, 255)).all()


def test_a_masked_grey_photo_stays_grey() -> None:
    mask = LoadedImage(Image.frombytes("L", (4, 4), bytes([255] + [0] * 15)).convert("RGB"))
    grey = Image.new("L", (4, 4), 80).convert("RGB")
    for alpha in (None, Image.new("L", (4, 4), 200)):
        photo = MaskReader(None).apply_mask_image("photo", LoadedImage(grey, alpha, grey=True), "mask", mask)
        assert photo.grey
