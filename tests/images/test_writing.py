import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from i2i.errors import ImageError
from i2i.images import LoadedImage, Provenance, Writer, blend_on_white, encode, load_image, read
from i2i.images.metadata import srgb_profile

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))
SMOOTH = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((64, 48))
ZEBRA = Provenance("zebra", "AtoB 0123abcd", "i2i 0.1.0")
RESULTS = [".png", ".jpg", ".webp", ".avif", ".tif"]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_fast_png_keeps_every_pixel() -> None:
    data = encode(NOISE, ".png", fast=True)
    assert data != encode(NOISE, ".png")
    with opened(data) as image:
        assert np.array_equal(np.asarray(image), np.asarray(NOISE))
    grey = Image.new("L", (3, 2), 7)
    with opened(encode(grey, ".png", fast=True)) as image:
        assert image.mode == "L"


def test_a_png_larger_than_the_fast_encoder_can_write_is_written() -> None:
    with opened(Writer(provenance=ZEBRA)(Image.new("RGB", (1_000_001, 1), (1, 2, 3)))) as image:
        assert image.size == (1_000_001, 1)
        assert image.getpixel((1_000_000, 0)) == (1, 2, 3)
        assert b"compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]


@pytest.mark.parametrize(("suffix", "width"), [(".jpg", 65_501), (".webp", 16_384), (".avif", 65_537)])
def test_an_image_that_a_format_cannot_store_is_refused_with_its_size(suffix: str, width: int) -> None:
    with pytest.raises(ImageError, match=f"{width}x1 pixels cannot be written as"):
        encode(Image.new("RGB", (width, 1)), suffix)
    with pytest.raises(ImageError, match=f"{width}x1 pixels cannot be written as"):
        Writer(suffix=suffix, provenance=ZEBRA)(Image.new("RGB", (width, 1)))


@pytest.mark.parametrize("suffix", RESULTS)
def test_a_written_result_reads_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    path.write_bytes(Writer(suffix=suffix, provenance=ZEBRA)(SMOOTH))
    difference = np.abs(np.asarray(read(path)).astype(int) - np.asarray(SMOOTH)).mean()
    assert difference == 0 if suffix in (".png", ".tif") else difference < 2


@pytest.mark.parametrize("suffix", RESULTS)
def test_a_result_has_an_srgb_profile(suffix: str) -> None:
    with opened(Writer(suffix=suffix)(SMOOTH)) as image:
        assert image.info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_lower_quality_gives_smaller_files(suffix: str) -> None:
    sizes = [len(Writer(suffix=suffix, quality=quality)(NOISE)) for quality in (10, 95)]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.parametrize("suffix", [".jpg", ".avif"])
def test_colours_are_stored_at_full_resolution_from_quality_90(suffix: str) -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 200
    differences = [
        np.abs(
            np.asarray(opened(encode(Image.fromarray(stripes), suffix, quality=quality))).astype(int) - stripes
        ).mean()
        for quality in (89, 90)
    ]
    assert differences[1] < 8 < 40 < differences[0]


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_lossless_file_has_every_pixel_and_the_metadata(suffix: str, mode: str) -> None:
    pixels = Image.fromarray(np.random.default_rng(2).integers(0, 256, (21, 34, len(mode)), dtype=np.uint8))
    with opened(Writer(suffix=suffix, quality=5, lossless=True, provenance=ZEBRA)(pixels)) as image:
        assert image.mode == mode
        assert np.array_equal(np.asarray(image), np.asarray(pixels))
        assert image.info["icc_profile"] == srgb_profile()
        assert image.getexif()[0x0131] == "i2i 0.1.0 (zebra)"
        assert b"compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]


def test_an_animation_is_lossless_as_webp_and_refused_as_avif() -> None:
    frames = [(Image.fromarray(np.asarray(NOISE) ^ np.uint8(index)), LoadedImage(NOISE)) for index in range(2)]
    with opened(Writer(suffix=".webp", lossless=True).encode_frames(frames)) as image:
        image.seek(1)
        assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(frames[1][0]))
    with pytest.raises(ImageError, match="lossless AVIF"):
        Writer(suffix=".avif", lossless=True).encode_frames(frames)


@pytest.mark.parametrize("suffix", RESULTS)
def test_alpha_is_kept_by_formats_that_store_it_and_blended_on_white_by_others(tmp_path: Path, suffix: str) -> None:
    glass = SMOOTH.copy()
    glass.putalpha(Image.linear_gradient("L").resize(SMOOTH.size))
    glass.save(tmp_path / "glass.png")
    loaded = load_image(tmp_path / "glass.png")
    path = tmp_path / f"result{suffix}"
    path.write_bytes(Writer(suffix=suffix, quality=100)(loaded.image, loaded))
    assert np.abs(np.asarray(read(path)).astype(int) - np.asarray(loaded.image)).mean() < 2
    written_alpha = load_image(path).alpha
    if suffix == ".jpg":
        assert written_alpha is None
    else:
        assert written_alpha is not None
        assert loaded.alpha is not None
        assert np.abs(np.asarray(written_alpha).astype(int) - np.asarray(loaded.alpha)).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
def test_alpha_and_the_colours_under_it_are_those_of_the_source(tmp_path: Path, suffix: str) -> None:
    stored = np.random.default_rng(3).integers(0, 256, (20, 24, 4), dtype=np.uint8)
    stored[:10, ::2, 3] = 0
    Image.fromarray(stored).save(tmp_path / "glass.png")
    loaded = load_image(tmp_path / "glass.png")
    with opened(Writer(suffix=suffix, lossless=True)(loaded.image, loaded)) as image:
        assert np.array_equal(np.asarray(image), stored)
    inverted = ImageOps.invert(loaded.image)
    with opened(Writer(suffix=suffix, lossless=True)(inverted, loaded)) as image:
        written = np.asarray(image)
    hidden = stored[..., 3] == 0
    assert np.array_equal(written[hidden], stored[hidden])
    assert np.array_equal(written[..., 3], stored[..., 3])
    reblended = np.asarray(blend_on_white(Image.fromarray(written[..., :3].copy()), loaded.alpha)).astype(int)
    reachable = np.asarray(inverted) >= 255 - stored[..., 3:].astype(int)  # black on white needs an opaque pixel
    assert np.abs(reblended - np.asarray(inverted))[reachable].max() <= 1


def test_the_alpha_of_a_larger_result_is_enlarged() -> None:
    loaded = LoadedImage(Image.new("RGB", (4, 4)), Image.new("L", (4, 4), 100))
    with opened(Writer()(Image.new("RGB", (8, 8)), loaded)) as image:
        assert (image.mode, image.size, image.getpixel((7, 7))[3]) == ("RGBA", (8, 8), 100)


@pytest.mark.parametrize("suffix", RESULTS)
def test_a_result_states_that_a_model_made_it(suffix: str) -> None:
    with opened(Writer(suffix=suffix, provenance=ZEBRA)(SMOOTH)) as image:
        xmp = image.info["xmp"].decode()
        assert image.getexif()[0x0131] == "i2i 0.1.0 (zebra)"
    assert "digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in xmp
    assert "i2i 0.1.0, model zebra" in xmp
    assert "AtoB 0123abcd" in xmp


@pytest.mark.parametrize("suffix", RESULTS)
def test_without_provenance_no_model_is_named(suffix: str) -> None:
    data = Writer(suffix=suffix)(SMOOTH)
    with opened(data) as image:
        assert "xmp" not in image.info
        assert 0x0131 not in image.getexif()
    assert b"i2i" not in data


def test_the_same_result_gives_the_same_bytes() -> None:
    assert Writer(provenance=ZEBRA)(SMOOTH) == Writer(provenance=ZEBRA)(SMOOTH)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_opencv_reads_a_written_tiff(tmp_path: Path, mode: str) -> None:
    import cv2

    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, len(mode)), dtype=np.uint8).squeeze()
    (tmp_path / "odd.tif").write_bytes(encode(Image.fromarray(pixels), ".tif"))
    if mode != "RGBA":  # OpenCV multiplies RGBA by its alpha
        read_back = cv2.imread(str(tmp_path / "odd.tif"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(read_back[..., ::-1] if mode == "RGB" else read_back, pixels)
    assert np.array_equal(np.asarray(opened(encode(Image.fromarray(pixels), ".tif"))), pixels)
