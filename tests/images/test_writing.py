import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import PictureError
from i2i.images import Photo, Provenance, Writer, encode, read, read_photo
from i2i.images.metadata import srgb_profile

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))
SMOOTH = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((64, 48))
ZEBRA = Provenance("zebra", "AtoB 0123abcd", "i2i 0.1.0")
RESULTS = [".png", ".jpg", ".webp", ".avif", ".tif"]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_png_written_fast_holds_every_pixel() -> None:
    data = encode(NOISE, ".png", fast=True)
    assert data != encode(NOISE, ".png")
    with opened(data) as image:
        assert np.array_equal(np.asarray(image), np.asarray(NOISE))
    grey = Image.new("L", (3, 2), 7)
    with opened(encode(grey, ".png", fast=True)) as image:
        assert image.mode == "L"


def test_a_png_longer_than_the_fast_way_can_write_is_written_too() -> None:
    with opened(Writer(provenance=ZEBRA)(Image.new("RGB", (1_000_001, 1), (1, 2, 3)))) as image:
        assert image.size == (1_000_001, 1)
        assert image.getpixel((1_000_000, 0)) == (1, 2, 3)
        assert b"compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]


@pytest.mark.parametrize(("suffix", "width"), [(".jpg", 65_501), (".webp", 16_384), (".avif", 65_537)])
def test_a_picture_that_a_format_cannot_hold_is_refused_with_its_size(suffix: str, width: int) -> None:
    with pytest.raises(PictureError, match=f"{width}x1 pixels cannot be written as"):
        encode(Image.new("RGB", (width, 1)), suffix)
    with pytest.raises(PictureError, match=f"{width}x1 pixels cannot be written as"):
        Writer(suffix=suffix, provenance=ZEBRA)(Image.new("RGB", (width, 1)))


@pytest.mark.parametrize("suffix", RESULTS)
def test_a_result_is_what_it_was_given_as(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    path.write_bytes(Writer(suffix=suffix, provenance=ZEBRA)(SMOOTH))
    apart = np.abs(np.asarray(read(path)).astype(int) - np.asarray(SMOOTH)).mean()
    assert apart == 0 if suffix in (".png", ".tif") else apart < 2


@pytest.mark.parametrize("suffix", RESULTS)
def test_a_result_carries_the_profile_of_its_colours(suffix: str) -> None:
    with opened(Writer(suffix=suffix)(SMOOTH)) as image:
        assert image.info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_quality_is_traded_for_size(suffix: str) -> None:
    sizes = [len(Writer(suffix=suffix, quality=quality)(NOISE)) for quality in (10, 95)]
    assert sizes[0] < 0.7 * sizes[1]


def test_a_jpeg_keeps_its_colours_at_full_size_unless_low_quality_is_asked_for() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 200
    apart = [
        np.abs(
            np.asarray(opened(encode(Image.fromarray(stripes), ".jpg", quality=quality))).astype(int) - stripes
        ).mean()
        for quality in (94, 95)
    ]
    assert apart[1] < 8 < 40 < apart[0]


@pytest.mark.parametrize("suffix", RESULTS)
def test_alpha_goes_through_to_formats_that_hold_it_and_onto_white_elsewhere(tmp_path: Path, suffix: str) -> None:
    glass = SMOOTH.copy()
    glass.putalpha(Image.linear_gradient("L").resize(SMOOTH.size))
    glass.save(tmp_path / "glass.png")
    photo = read_photo(tmp_path / "glass.png")
    path = tmp_path / f"result{suffix}"
    path.write_bytes(Writer(suffix=suffix, quality=100)(photo.image, photo))
    assert np.abs(np.asarray(read(path)).astype(int) - np.asarray(photo.image)).mean() < 2
    again = read_photo(path).alpha
    if suffix == ".jpg":
        assert again is None
    else:
        assert again is not None
        assert photo.alpha is not None
        assert np.abs(np.asarray(again).astype(int) - np.asarray(photo.alpha)).max() <= 2


def test_colour_hidden_under_alpha_is_in_no_result(tmp_path: Path) -> None:
    secret = Image.new("RGBA", (8, 8), (250, 10, 120, 0))
    secret.putpixel((0, 0), (5, 5, 5, 255))
    secret.save(tmp_path / "secret.png")
    photo = read_photo(tmp_path / "secret.png")
    with opened(Writer()(photo.image, photo)) as image:
        assert set(np.asarray(image)[1:, 1:, :3].flatten().tolist()) == {0}


def test_a_larger_result_gets_its_alpha_enlarged() -> None:
    photo = Photo(Image.new("RGB", (4, 4)), Image.new("L", (4, 4), 100))
    with opened(Writer()(Image.new("RGB", (8, 8)), photo)) as image:
        assert (image.mode, image.size, image.getpixel((7, 7))[3]) == ("RGBA", (8, 8), 100)


@pytest.mark.parametrize("suffix", RESULTS)
def test_a_result_says_that_a_model_made_it(suffix: str) -> None:
    with opened(Writer(suffix=suffix, provenance=ZEBRA)(SMOOTH)) as image:
        xmp = image.info["xmp"].decode()
        assert image.getexif()[0x0131] == "i2i 0.1.0 (zebra)"
    assert "digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in xmp
    assert "i2i 0.1.0, model zebra" in xmp
    assert "AtoB 0123abcd" in xmp


@pytest.mark.parametrize("suffix", RESULTS)
def test_without_provenance_nothing_is_said_of_a_model(suffix: str) -> None:
    data = Writer(suffix=suffix)(SMOOTH)
    with opened(data) as image:
        assert "xmp" not in image.info
        assert 0x0131 not in image.getexif()
    assert b"i2i" not in data


def test_the_same_result_is_the_same_bytes() -> None:
    assert Writer(provenance=ZEBRA)(SMOOTH) == Writer(provenance=ZEBRA)(SMOOTH)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_tiff_is_read_by_another_program_as_it_was_written(tmp_path: Path, mode: str) -> None:
    import cv2

    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, len(mode)), dtype=np.uint8).squeeze()
    (tmp_path / "odd.tif").write_bytes(encode(Image.fromarray(pixels), ".tif"))
    if mode != "RGBA":  # which OpenCV multiplies by its alpha
        found = cv2.imread(str(tmp_path / "odd.tif"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(found[..., ::-1] if mode == "RGB" else found, pixels)
    assert np.array_equal(np.asarray(opened(encode(Image.fromarray(pixels), ".tif"))), pixels)
