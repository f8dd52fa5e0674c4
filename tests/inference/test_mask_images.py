from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import ImageError
from i2i.images import load_image
from i2i.inference.mask_images import mask_from_image

SIZE = 64, 48
HOLE = np.zeros((48, 64), bool)
HOLE[10:20, 20:40] = True
RNG = np.random.default_rng(0)
PHOTO = Image.fromarray(RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8))
RED, WHITE, BLUE, DARK = (255, 0, 0), (255, 255, 255), (0, 60, 200), (60, 20, 20)


def flat(colour: tuple[int, int, int], background: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    return Image.fromarray(np.where(HOLE[..., None], colour, background).astype(np.uint8))


def layer(colour: tuple[int, int, int], alpha: int = 255, under: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    """Return paint on a transparent layer, whose transparent pixels store the colour ``under``."""
    image = flat(colour, under)
    image.putalpha(Image.fromarray(HOLE.astype(np.uint8) * np.uint8(alpha)))
    return image


def white_with_alpha() -> Image.Image:
    image = Image.new("LA", SIZE, 255)
    image.putalpha(Image.fromarray(HOLE.astype(np.uint8) * np.uint8(255)))
    return image


def two_colours() -> Image.Image:
    image = layer(RED)
    image.paste((*BLUE, 255), (20, 10, 30, 20))
    return image


def black_and_white_with_margin() -> Image.Image:
    """Return a black and white mask whose left columns are transparent."""
    image = flat(WHITE).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 5, 48))
    return image


def erased_photo() -> Image.Image:
    image = PHOTO.copy()
    image.putalpha(Image.fromarray(np.where(HOLE, 0, 255).astype(np.uint8)))
    return image


def soft_layer(colour: tuple[int, int, int]) -> Image.Image:
    """Return paint whose alpha falls from 255 inside of the hole to 0 outside, half of it at the edge."""
    image = Image.new("RGBA", SIZE, colour)
    distance = np.abs(np.arange(64) - 29.5)[None] - 9.5  # 0 at the last masked column
    inside = np.clip(1 - (distance + 2) / 4, 0, 1) * HOLE.any(1)[:, None]
    image.putalpha(Image.fromarray((255 * inside).round().astype(np.uint8)))
    return image


MASKS: dict[str, Callable[[], Image.Image]] = {
    "L": lambda: flat(WHITE).convert("L"),
    "1": lambda: flat(WHITE).convert("1"),
    "RGB": lambda: flat(WHITE),
    "P": lambda: flat(WHITE).convert("P", palette=Image.Palette.ADAPTIVE),
    "16 bit": lambda: Image.fromarray(HOLE.astype(np.uint16) * np.uint16(65535)),
    "numbers 0 and 1": lambda: Image.fromarray(HOLE.astype(np.uint8)),
    "grey": lambda: flat((90, 90, 90)),
    "opaque RGBA": lambda: flat(WHITE).convert("RGBA"),
    "white paint": lambda: layer(WHITE),
    "white paint above stored white": lambda: layer(WHITE, under=WHITE),
    "white with alpha": white_with_alpha,
    "half transparent paint": lambda: layer(WHITE, alpha=100),
    "black and white with a margin": black_and_white_with_margin,
    "erased copy of the photo": erased_photo,
    "soft paint": lambda: soft_layer(WHITE),
}
COLOURED_MASKS: dict[str, Callable[[], Image.Image]] = {
    "colour on black": lambda: flat(RED),
    "red paint": lambda: layer(RED),
    "red paint above stored white": lambda: layer(RED, under=WHITE),
    "dark paint": lambda: layer(DARK),
    "half transparent red": lambda: layer(RED, alpha=100),
    "paint of two colours": two_colours,
    "soft red": lambda: soft_layer(RED),
}


@pytest.mark.parametrize("kind", MASKS)
def test_every_kind_of_mask_image_selects_the_same_region(kind: str, tmp_path: Path) -> None:
    MASKS[kind]().save(tmp_path / "mask.png")
    image = load_image(tmp_path / "mask.png", blend=False)
    assert np.array_equal(mask_from_image(image, PHOTO, "mask.png"), HOLE)
    assert np.array_equal(mask_from_image(image, PHOTO, "mask.png", "black"), ~HOLE)


@pytest.mark.parametrize("kind", COLOURED_MASKS)
def test_coloured_paint_is_refused_unless_any_paint_is_to_be_filled(kind: str, tmp_path: Path) -> None:
    COLOURED_MASKS[kind]().save(tmp_path / "mask.png")
    image = load_image(tmp_path / "mask.png", blend=False)
    with pytest.raises(ImageError, match=r"mask\.png has coloured paint. A mask is black and white.*--mask-fill paint"):
        mask_from_image(image, PHOTO, "mask.png")
    assert np.array_equal(mask_from_image(image, PHOTO, "mask.png", "paint"), HOLE)


@pytest.mark.parametrize(
    "kind", ["L", "white paint", "half transparent paint", "erased copy of the photo", "soft paint"]
)
def test_white_paint_is_paint(kind: str, tmp_path: Path) -> None:
    MASKS[kind]().save(tmp_path / "mask.png")
    image = load_image(tmp_path / "mask.png", blend=False)
    assert np.array_equal(mask_from_image(image, PHOTO, "mask.png", "paint"), HOLE)


def test_black_paint_is_paint_on_a_transparent_layer_only(tmp_path: Path) -> None:
    layer((0, 0, 0)).save(tmp_path / "mask.png")
    image = load_image(tmp_path / "mask.png", blend=False)
    assert np.array_equal(mask_from_image(image, PHOTO, "mask.png", "paint"), HOLE)


@pytest.mark.parametrize("quality", [50, 95])
def test_the_noise_of_a_jpeg_does_not_reach_the_mask(quality: int, tmp_path: Path) -> None:
    flat(WHITE).save(tmp_path / "mask.jpg", quality=quality)
    mask = mask_from_image(load_image(tmp_path / "mask.jpg", blend=False), PHOTO, "mask.jpg")
    assert (mask != HOLE).mean() < 0.01


def _photo_with_strokes(colour: tuple[int, int, int]) -> Image.Image:
    image = PHOTO.copy()
    image.paste(colour, mask=Image.fromarray(HOLE.astype(np.uint8) * 255))
    return image


def _other_photo_with_transparent_parts() -> Image.Image:
    image = Image.fromarray(255 - np.asarray(PHOTO))
    image.putalpha(Image.fromarray(np.where(HOLE, 0, 255).astype(np.uint8)))
    return image


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (lambda: flat(WHITE).resize((32, 24)), "is 32x24; a mask must have the size of its photo, 64x48"),
        (lambda: layer((0, 0, 0)), "black on a transparent layer"),
        (lambda: flat(RED, WHITE), "has coloured paint"),
        (lambda: Image.fromarray(RNG.integers(70, 180, (48, 64), dtype=np.uint8)), "not black and white"),
        (lambda: _photo_with_strokes(RED), "looks like a photo. .* export the layer of the strokes alone"),
        (_other_photo_with_transparent_parts, "looks like a photo with transparent parts"),
    ],
)
def test_an_image_that_is_no_mask_is_rejected_with_the_reason(
    image: Callable[[], Image.Image], reason: str, tmp_path: Path
) -> None:
    image().save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match=reason):
        mask_from_image(load_image(tmp_path / "mask.png", blend=False), PHOTO, "mask.png")


@pytest.mark.parametrize("image", [Image.new("L", SIZE), Image.new("RGBA", SIZE, (255, 0, 0, 0)), Image.new("1", SIZE)])
def test_an_image_without_white_or_paint_masks_nothing(image: Image.Image, tmp_path: Path) -> None:
    image.save(tmp_path / "mask.png")
    assert not mask_from_image(load_image(tmp_path / "mask.png", blend=False), PHOTO, "mask.png").any()
