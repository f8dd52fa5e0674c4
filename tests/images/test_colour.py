from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from i2i.errors import ImageError
from i2i.images import blend_on_white, load_image, read, read_header, to_upright_srgb, unblend_from_white
from tests.images.profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    PROPHOTO,
    Space,
    cmyk_profile,
    grey_profile,
    in_srgb,
    rgb_profile,
)

DETERMINISTIC = settings(deadline=None, derandomize=True)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))
CORNERS = Image.fromarray(np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3))  # 3 wide, 2 high, all different


@pytest.mark.parametrize(
    ("orientation", "stored_as"),
    [(1, None), (2, "FLIP_LEFT_RIGHT"), (3, "ROTATE_180"), (4, "FLIP_TOP_BOTTOM"),
     (5, "TRANSPOSE"), (6, "ROTATE_90"), (7, "TRANSVERSE"), (8, "ROTATE_270")],
)  # fmt: skip
def test_the_exif_orientation_is_applied(tmp_path: Path, orientation: int, stored_as: str | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = CORNERS.transpose(Image.Transpose[stored_as]) if stored_as else CORNERS
    stored.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read(tmp_path / "turned.png"), CORNERS)


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 100), (127, 178)])
def test_transparency_is_blended_on_white(tmp_path: Path, alpha: int, expected: int) -> None:
    Image.new("RGBA", (2, 2), (100, 100, 100, alpha)).save(tmp_path / "glass.png")
    assert np.asarray(read(tmp_path / "glass.png")).flatten().tolist() == pytest.approx([expected] * 12, abs=1)


def test_the_transparent_colour_of_a_palette_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([255, 0, 0])
    image.save(tmp_path / "palette.png", transparency=0)
    assert read(tmp_path / "palette.png").getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    grey = np.array([[0, 128 * 257, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.asarray(read(tmp_path / "grey.png"))[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_float_grey_keeps_its_range(tmp_path: Path, white: float) -> None:
    Image.fromarray(np.array([[0, white / 5, white]], dtype=np.float32)).save(tmp_path / "grey.tif")
    assert np.asarray(read(tmp_path / "grey.tif"))[0].tolist() == [[0] * 3, [51] * 3, [255] * 3]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "LAB"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "image.tif")
    assert read(tmp_path / "image.tif").mode == "RGB"


@pytest.mark.parametrize("space", [ADOBE_RGB, DISPLAY_P3, PROPHOTO], ids=["adobe rgb", "display p3", "prophoto"])
@pytest.mark.parametrize("levels", [(200, 120, 40), (30, 90, 200), (128, 128, 128), (0, 255, 0)])
def test_wide_gamut_colours_are_converted_as_the_standards_define(
    tmp_path: Path, space: Space, levels: tuple[int, int, int]
) -> None:
    Image.new("RGB", (2, 2), levels).save(tmp_path / "wide.png", icc_profile=rgb_profile(space))
    converted = np.asarray(read(tmp_path / "wide.png"))[0, 0]
    assert np.abs(converted - in_srgb(space, levels)).max() <= 1.5


def test_wide_gamut_colours_with_alpha_or_palette_are_converted(tmp_path: Path) -> None:
    profile = rgb_profile(ADOBE_RGB)
    expected = in_srgb(ADOBE_RGB, (200, 120, 40))
    glass = Image.new("RGBA", (2, 2), (200, 120, 40, 255))
    glass.putpixel((0, 0), (0, 0, 0, 0))
    glass.save(tmp_path / "glass.png", icc_profile=profile)
    Image.new("RGB", (2, 2), (200, 120, 40)).quantize(2).save(tmp_path / "palette.png", icc_profile=profile)
    for name in ("glass.png", "palette.png"):
        assert np.abs(np.asarray(read(tmp_path / name))[1, 1] - expected).max() <= 1.5


def test_grey_of_another_tone_curve_is_converted(tmp_path: Path) -> None:
    for mode, value in (("L", 128), ("LA", (128, 255))):
        Image.new(mode, (2, 2), value).save(tmp_path / "grey.png", icc_profile=grey_profile(1.0))
        assert np.asarray(read(tmp_path / "grey.png"))[0, 0].tolist() == pytest.approx([188] * 3, abs=1)


@pytest.mark.parametrize(
    ("ink", "level"), [((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0), ((0, 0, 0, 128), 119), ((255, 0, 0, 0), 162)]
)
def test_cmyk_is_converted_by_its_profile(tmp_path: Path, ink: tuple[int, ...], level: int) -> None:
    Image.new("CMYK", (2, 2), ink).save(tmp_path / "print.tif", icc_profile=cmyk_profile())
    assert np.asarray(read(tmp_path / "print.tif"))[0, 0].tolist() == pytest.approx([level] * 3, abs=2)


def test_a_profile_that_is_srgb_under_another_name_changes_no_pixel() -> None:
    from PIL import ImageCms

    image = NOISE.copy()
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(np.asarray(to_upright_srgb(image)), np.asarray(NOISE))


@pytest.mark.parametrize(
    "profile", [b"no profile at all", cmyk_profile(), grey_profile(2.2)], ids=["damaged", "cmyk", "grey"]
)
def test_a_profile_that_does_not_fit_the_image_is_ignored(profile: bytes) -> None:
    image = NOISE.copy()
    image.info["icc_profile"] = profile
    assert np.array_equal(np.asarray(to_upright_srgb(image)), np.asarray(NOISE))


def test_the_image_read_does_not_keep_its_old_profile(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "wide.png", icc_profile=rgb_profile(ADOBE_RGB))
    assert read(tmp_path / "wide.png").info == {}


def test_16_bit_colours_keep_their_range(tmp_path: Path) -> None:
    import cv2

    deep = np.array([[(0, 65535, 257 * 40)]], dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    assert np.asarray(read(tmp_path / "deep.png"))[0, 0].tolist() == [0, 255, 40]


def test_float_grey_with_nan_and_infinity_is_read(tmp_path: Path) -> None:
    values = np.array([[0, 0.2, 1, np.nan, np.inf, -np.inf]], dtype=np.float32)
    Image.fromarray(values).save(tmp_path / "nan.tif")
    assert np.asarray(read(tmp_path / "nan.tif"))[0, :, 0].tolist() == [0, 51, 255, 0, 255, 0]


def test_values_beyond_16_bit_are_scaled_to_the_largest(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 500_000, 1_000_000]], dtype=np.int32)).save(tmp_path / "grey.tif")
    assert np.asarray(read(tmp_path / "grey.tif"))[0, :, 0].tolist() == [0, 128, 255]


def test_alpha_is_returned_only_for_an_image_with_transparency(tmp_path: Path) -> None:
    glass = Image.new("RGBA", (2, 1), (10, 20, 30, 100))
    glass.putpixel((1, 0), (200, 0, 0, 0))
    glass.save(tmp_path / "glass.png")
    loaded = load_image(tmp_path / "glass.png")
    assert loaded.alpha is not None
    assert list(loaded.alpha.tobytes()) == [100, 0]
    assert loaded.image.getpixel((1, 0)) == (255, 255, 255)
    assert np.array_equal(np.asarray(loaded.image), np.asarray(read(tmp_path / "glass.png")))
    Image.new("RGBA", (2, 1), (10, 20, 30, 255)).save(tmp_path / "opaque.png")
    assert load_image(tmp_path / "opaque.png").alpha is None


@DETERMINISTIC
@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 255))
def test_unblending_and_blending_gives_the_same_appearance(colour: tuple[int, int, int], alpha: int) -> None:
    blended = blend_on_white(Image.new("RGB", (1, 1), colour), Image.new("L", (1, 1), alpha))
    unblended = unblend_from_white(blended, Image.new("L", (1, 1), alpha))
    reblended = blend_on_white(unblended.convert("RGB"), unblended.getchannel("A"))
    assert np.abs(np.asarray(reblended).astype(int) - np.asarray(blended)).max() <= 1
    if alpha > 127:
        assert np.abs(np.asarray(unblended)[0, 0, :3].astype(int) - colour).max() <= 2
    if alpha == 0:
        assert unblended.getpixel((0, 0)) == (0, 0, 0, 0)
    if alpha == 255:
        assert np.array_equal(np.asarray(unblended)[..., :3], np.asarray(blended))


def test_damaged_exif_leaves_the_pixels_as_they_are(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "odd.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40)
    assert np.array_equal(np.asarray(read(tmp_path / "odd.png")), np.asarray(NOISE))


def test_float_colours_keep_their_range(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "colours.tif"
    cv2.imwrite(str(path), np.array([[(0.6, 1.0, 0.2), (0, np.nan, 1)]], dtype=np.float32))  # blue first
    assert np.asarray(read(path))[0].tolist() == [[51, 255, 153], [255, 0, 0]]
    assert read_header(path) == ((2, 1), "RGB")
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(ImageError):
        read(path)
