"""What is written of channels and type is read again to the last bit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import ImageError
from i2i.images import Provenance, load_image
from i2i.images.channel_writing import ChannelWriter
from i2i.images.channels import ChannelImage, read_channels
from i2i.images.geotiff import scaled_geo_tags
from tests.images.test_channels import DTYPES, noise

GEO = {33550: (10.0, 10.0, 0.0), 33922: (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), 34735: (1, 1, 0, 0), 42113: "-9999"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_every_type_and_number_of_channels_returns_exactly(
    tmp_path: Path, channels: int, dtype: str, suffix: str
) -> None:
    values = noise(channels, dtype)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(ChannelWriter(suffix=suffix)(ChannelImage(values)))
    image = read_channels(path)
    assert image.values.dtype == values.dtype
    np.testing.assert_array_equal(image.values, values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_stores_one_three_and_four_channels(tmp_path: Path, channels: int, dtype: str) -> None:
    values = noise(channels, dtype)
    (tmp_path / "a.png").write_bytes(ChannelWriter(suffix=".png")(ChannelImage(values)))
    np.testing.assert_array_equal(read_channels(tmp_path / "a.png", channels).values, values)


@pytest.mark.parametrize(
    ("suffix", "values"),
    [
        (".png", noise(2)),
        (".png", noise(3, "float32")),
        (".png", noise(8)),
        (".jpg", noise(3)),
        (".webp", noise(5, "uint8")),
    ],
)
def test_a_format_that_cannot_store_an_image_is_refused(suffix: str, values: np.ndarray) -> None:
    with pytest.raises(
        ImageError, match=f"cannot store {values.shape[2]} channels of {values.dtype}. Use --format tif"
    ):
        ChannelWriter(suffix=suffix)(ChannelImage(values))


def test_alpha_is_stated_so_that_other_programs_show_it(tmp_path: Path) -> None:
    values = noise(4, "uint8")
    (tmp_path / "a.tif").write_bytes(ChannelWriter(suffix=".tif", alpha=True)(ChannelImage(values)))
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "RGBA"
    np.testing.assert_array_equal(read_channels(tmp_path / "a.tif", 4).values, values)


def test_geographic_tags_names_of_bands_and_the_model_are_kept(tmp_path: Path) -> None:
    image = ChannelImage(noise(2, "int16"), bands=("NIR & red", "blue"), geo=GEO)
    provenance = Provenance("ndvi AtoB", "1.0", "i2i 0.1.0")
    (tmp_path / "a.tif").write_bytes(ChannelWriter(suffix=".tif", provenance=provenance)(image))
    kept = read_channels(tmp_path / "a.tif")
    assert (kept.bands, kept.geo) == (image.bands, GEO)
    assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(ChannelWriter(suffix=".tif", policy="strip")(image))
    assert read_channels(tmp_path / "a.tif").geo == {}


def test_a_larger_result_covers_the_same_ground() -> None:
    scaled = scaled_geo_tags({**GEO, 33922: (8.0, 4.0, 0.0, 5e5, 4e6, 0.0)}, 2)
    assert scaled[33550] == (5.0, 5.0, 0.0)
    assert scaled[33922] == (16.0, 8.0, 0.0, 5e5, 4e6, 0.0)


@pytest.mark.parametrize(("depth", "levels"), [("8", [0, 128, 255]), ("16", [0, 32768, 65535])])
def test_the_depth_scales_from_the_value_range(tmp_path: Path, depth: str, levels: list[int]) -> None:
    image = ChannelImage(np.array([[[-1000.0], [0.0], [1000.0]]], np.float32), value_range=(-1000, 1000))
    (tmp_path / "a.tif").write_bytes(ChannelWriter(suffix=".tif", depth=depth)(image))
    values = read_channels(tmp_path / "a.tif").values
    assert values.dtype == f"uint{depth}"
    assert values[0, :, 0].tolist() == levels


def test_a_result_of_one_channel_is_a_grey_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(ChannelWriter(suffix=".jpg")(ChannelImage(noise(1, "uint8"))))
    assert load_image(tmp_path / "a.jpg").grey
