"""Results in the colour space of their photo."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

import i2i
from i2i.errors import UsageError
from i2i.images import read
from i2i.restoration import TASKS
from tests.cli.test_convert import InProcessPool
from tests.conftest import random_image
from tests.images.profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, cmyk_profile, rgb_profile
from tests.inference.test_finishing import write_mask
from tests.inference.test_restoration import save_task_model
from tests.inference.test_translator import save_model

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def use_in_process_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.convert.conversion.DecoderPool", InProcessPool)


def convert(source: str, model: str = "identity", **options: Any) -> Path:
    format = options.setdefault("format", "png")
    result = i2i.convert(model, source, "out", device="cpu", keep_profile=True, overwrite=True, **options)
    assert not result.failed
    return Path("out") / f"{Path(source).stem}.{format}"


@pytest.mark.parametrize("space", [ADOBE_RGB, DISPLAY_P3, PROPHOTO])
@pytest.mark.parametrize("format", ["png", "tif", "webp"])
def test_a_result_has_the_profile_and_the_colours_of_its_photo(space: Any, format: Any) -> None:
    profile = rgb_profile(space)
    PHOTO.save("photo.png", icc_profile=profile)
    with Image.open(convert("photo.png", format=format, lossless=True, metadata="strip")) as result:
        assert result.info["icc_profile"] == profile
        assert np.array_equal(np.asarray(result.convert("RGB")), np.asarray(PHOTO))


def test_16_bits_are_kept_too() -> None:
    levels = np.random.default_rng(1).integers(0, 65536, (20, 24, 3), dtype=np.uint16)
    profile = rgb_profile(PROPHOTO)
    tifffile.imwrite("photo.tif", levels, photometric="rgb", iccprofile=profile)
    path = convert("photo.tif", format="tif")
    assert np.array_equal(tifffile.imread(path), levels)
    with Image.open(path) as result:
        assert result.info["icc_profile"] == profile


def test_a_model_that_does_not_restore_works_in_srgb(tmp_path: Path) -> None:
    model = str(save_model(tmp_path / "m.safetensors"))
    profile = rgb_profile(DISPLAY_P3)
    random_image(0, 32, 32).save("photo.png", icc_profile=profile)
    path = convert("photo.png", model)
    i2i.convert(model, "photo.png", "srgb", device="cpu")
    with Image.open(path) as result:
        assert result.info["icc_profile"] == profile
        assert result.getexif().get_ifd(0x8769)[0xA001] == 0xFFFF
    difference = np.asarray(read(path)).astype(int) - np.asarray(read(Path("srgb/photo.png")))
    assert np.abs(difference).max() <= 3, "the colours of the two files are the same"
    write_mask(Path("mask.png"), (32, 32), (0, 0, 9, 9))
    with pytest.raises(UsageError, match="works in sRGB, so that no region keeps its pixels"):
        convert("photo.png", model, protect="mask.png")


def test_a_restoration_model_works_on_the_numbers_of_the_photo(tmp_path: Path) -> None:
    save_task_model(Path("m.safetensors"), TASKS["denoise"]())
    PHOTO.save("plain.png")
    PHOTO.save("photo.png", icc_profile=rgb_profile(ADOBE_RGB))
    mask = str(write_mask(Path("mask.png"), PHOTO.size, (0, 0, 12, 20)))
    expected, result = (
        np.asarray(Image.open(convert(name, "m.safetensors", protect=mask))) for name in ("plain.png", "photo.png")
    )
    assert np.array_equal(result, expected)
    assert np.array_equal(result[:, :12], np.asarray(PHOTO)[:, :12])


def test_other_photos_have_results_in_srgb() -> None:
    PHOTO.save("srgb.png", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    PHOTO.convert("CMYK").save("inks.tif", icc_profile=cmyk_profile())
    PHOTO.convert("L").save("grey.png", icc_profile=rgb_profile(ADOBE_RGB))
    for name in ("srgb.png", "inks.tif", "grey.png"):
        with Image.open(convert(name)) as result:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(result.info["icc_profile"]))
            assert "sRGB" in str(ImageCms.getProfileDescription(profile))
    with pytest.raises(UsageError, match="gif holds no colour profile"):
        convert("srgb.png", format="gif")


def test_a_changed_flag_outdates_results() -> None:
    PHOTO.save("photo.png", icc_profile=rgb_profile(ADOBE_RGB))
    for keep in (False, True):
        for count in (1, 0):
            assert len(i2i.convert("identity", "photo.png", "out", device="cpu", keep_profile=keep).converted) == count
