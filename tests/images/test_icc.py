"""16-bit levels in sRGB."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from i2i.images import load_image
from i2i.images.grey import grey_profile
from i2i.images.icc import _curve, to_srgb
from i2i.images.metadata import srgb_profile
from tests.images import profiles
from tests.images.profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, in_srgb, rgb_profile

LEVELS = np.random.default_rng(0).integers(0, 65536, (20, 24, 3), dtype=np.uint16)


@pytest.mark.parametrize("space", [ADOBE_RGB, DISPLAY_P3, PROPHOTO])
def test_colours_are_those_of_the_formulas_of_the_standards(space: Any) -> None:
    converted = to_srgb(LEVELS, rgb_profile(space))
    assert converted is not None
    stored = space[0], round(256 * space[1]) / 256  # profiles hold a γ with 8 binary places
    difference = np.abs(converted.reshape(-1, 3) - in_srgb(stored, LEVELS.reshape(-1, 3) / 257) * 257)
    assert difference.mean() < 10, "the primaries are rounded in another way"
    assert difference.max() < 257


@pytest.mark.parametrize("name", ["p3", "grey 1.8", "grey sRGB", "sRGB"])
def test_colours_are_those_of_pillow(name: str) -> None:
    profile = {
        "p3": rgb_profile(DISPLAY_P3), "grey 1.8": profiles.grey_profile(1.8), "grey sRGB": grey_profile(),
        "sRGB": srgb_profile(),
    }[name]  # fmt: skip
    is_grey = "grey" in name
    levels = np.arange(0, 65536, 257, dtype=np.uint16)[:, None] if is_grey else LEVELS // 257 * 257
    small = Image.fromarray((levels // 257).astype(np.uint8))
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    expected = np.asarray(ImageCms.profileToProfile(small, source, target, outputMode="RGB"))
    converted = to_srgb(levels, profile)
    assert converted is not None
    assert np.abs(converted / 257 - expected).max() < 1.5, "Pillow rounds dark levels to 8 bits more than once"


def test_curves_of_all_kinds_are_evaluated() -> None:
    x = np.linspace(0, 1, 65536)
    table = b"curv\0\0\0\0" + struct.pack(">I3H", 3, 0, 16384, 65535)
    assert np.allclose(_curve(table), np.interp(x, [0, 0.5, 1], [0, 16384 / 65535, 1]), atol=1e-4)
    assert np.allclose(_curve(b"curv\0\0\0\0\0\0\0\0"), x, atol=1e-6)
    for kind, values, expected in (
        (0, (2.0,), x**2),
        (1, (2.0, 0.8, 0.2), (0.8 * x + 0.2) ** 2),
        (2, (2.0, 0.8, 0.1, 0.05), (0.8 * x + 0.1) ** 2 + 0.05),
        (3, (2.0, 0.9, 0.1, 0.5, 0.25), np.where(x >= 0.25, (0.9 * x + 0.1) ** 2, 0.5 * x)),
        (4, (2.0, 0.9, 0.0, 0.5, 0.25, 0.1, 0.05), np.where(x >= 0.25, (0.9 * x) ** 2 + 0.1, 0.5 * x + 0.05)),
    ):
        tag = b"para\0\0\0\0" + struct.pack(f">HH{len(values)}i", kind, 0, *(round(65536 * value) for value in values))
        assert np.allclose(_curve(tag), expected, atol=1e-4), kind


@pytest.mark.parametrize("profile", [b"", b"x" * 200, rgb_profile(ADOBE_RGB)[:300], profiles.cmyk_profile()])
def test_other_and_damaged_profiles_are_left_to_pillow(profile: bytes) -> None:
    assert to_srgb(LEVELS, profile) is None


def test_a_photo_of_16_bits_in_adobe_rgb_has_16_bits_in_srgb(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "photo.tif", LEVELS, photometric="rgb", iccprofile=rgb_profile(ADOBE_RGB))
    loaded = load_image(tmp_path / "photo.tif", deep=True)
    assert loaded.deep is not None
    assert np.abs(loaded.deep.levels / 257 - np.asarray(loaded.image)).mean() < 0.5
    assert (loaded.deep.levels % 257 != 0).mean() > 0.8
