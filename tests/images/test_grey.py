import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from i2i.images import LoadedImage, Writer, load_image, read
from i2i.images.grey import grey_profile, to_grey
from i2i.images.metadata import srgb_profile

LEVELS = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)
GREY = Image.fromarray(LEVELS)
ALPHA = Image.fromarray(LEVELS[::-1] | 128)
WITH_ALPHA = Image.merge("LA", [GREY, ALPHA])
GREY_FILES = {
    "png": GREY, "jpg": GREY, "tif": GREY, "alpha.png": WITH_ALPHA, "alpha.tif": WITH_ALPHA,
    "bits.png": GREY.convert("1"),
    "16.png": Image.fromarray(LEVELS.astype(np.uint16) * 257), "float.tif": Image.fromarray(LEVELS / np.float32(255)),
}  # fmt: skip


@pytest.mark.parametrize("name", GREY_FILES)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_the_result_of_a_grey_file_is_a_grey_file(name: str, suffix: str, tmp_path: Path) -> None:
    GREY_FILES[name].save(tmp_path / f"photo.{name}")
    loaded = load_image(tmp_path / f"photo.{name}")
    assert loaded.grey
    path = tmp_path / f"result{suffix}"
    path.write_bytes(Writer(suffix=suffix)(loaded.image, loaded))
    with Image.open(path) as result:
        assert result.mode == ("LA" if loaded.alpha is not None and suffix != ".jpg" else "L")
        assert result.info["icc_profile"] == grey_profile()
    if suffix != ".jpg" and loaded.alpha is None:
        assert np.array_equal(np.asarray(read(path)), np.asarray(loaded.image))


def test_colours_are_not_lost() -> None:
    coloured = Image.merge("RGB", [GREY, GREY, ALPHA])
    writer = Writer()
    assert Image.open(io.BytesIO(writer(coloured, LoadedImage(coloured, grey=True)))).mode == "RGB"
    equal = Image.merge("RGB", [GREY] * 3)
    assert Image.open(io.BytesIO(writer(equal, LoadedImage(equal)))).mode == "RGB"  # of a file with colours


@pytest.mark.parametrize(("suffix", "mode"), [(".webp", "RGB"), (".avif", "RGB"), (".gif", "P")])
def test_formats_without_grey_are_written_as_before(suffix: str, mode: str) -> None:
    equal = Image.merge("RGB", [GREY] * 3)
    with Image.open(io.BytesIO(Writer(suffix=suffix)(equal, LoadedImage(equal, grey=True)))) as result:
        assert result.mode == mode
        if suffix == ".gif":
            assert np.array_equal(np.asarray(result.convert("L")), LEVELS)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".gif"])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_frames_and_pages_of_grey_files_are_grey(suffix: str, alpha: Image.Image | None) -> None:
    equal = Image.merge("RGB", [GREY] * 3)
    frames = [(image, LoadedImage(image, alpha, grey=True)) for image in (equal, equal.rotate(180))]
    with Image.open(io.BytesIO(Writer(suffix=suffix).encode_frames(frames))) as result:
        assert result.n_frames == 2
        if suffix != ".gif":
            assert result.mode == ("L" if alpha is None else "LA")
            assert result.info["icc_profile"] == grey_profile()
        result.seek(1)
        assert alpha is not None or np.array_equal(np.asarray(result.convert("L")), LEVELS[::-1, ::-1])


def test_grey_and_coloured_pages_have_profiles_of_their_own() -> None:
    equal = Image.merge("RGB", [GREY] * 3)
    pages = [(equal, LoadedImage(equal, grey=grey)) for grey in (True, False)]
    with Image.open(io.BytesIO(Writer(suffix=".tif").encode_frames(pages))) as result:
        assert (result.mode, result.info["icc_profile"]) == ("L", grey_profile())
        result.seek(1)
        assert (result.mode, result.info["icc_profile"]) == ("RGB", srgb_profile())


def test_the_grey_profile_has_the_tone_curve_of_srgb() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(grey_profile()))
    assert profile.profile.xcolor_space.strip() == "GRAY"
    srgb = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    transformed = ImageCms.ImageCmsTransform(profile, srgb, "L", "RGB").apply(ramp)
    assert np.array_equal(np.asarray(transformed), np.asarray(ramp.convert("RGB")))


def test_only_equal_channels_become_one() -> None:
    assert to_grey(Image.new("RGB", (2, 2), (3, 3, 3)), alpha=True).mode == "L"
    assert to_grey(Image.new("RGB", (2, 2), (3, 3, 4)), alpha=True).mode == "RGB"
    assert to_grey(Image.new("RGBA", (2, 2), (3, 3, 3, 9)), alpha=True).getpixel((0, 0)) == (3, 9)
    assert to_grey(Image.new("RGBA", (2, 2), (3, 3, 3, 9)), alpha=False).mode == "RGBA"
