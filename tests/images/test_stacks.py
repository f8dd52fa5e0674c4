"""Several files as the channels of one image."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from i2i.errors import ImageError, UsageError
from i2i.images import probe, read
from i2i.images.channels import read_channel_header, read_channels
from i2i.images.folders import list_images
from i2i.images.stacks import StackPattern, file_digest, file_version, image_stem, stack_files

PATTERN = StackPattern("{stem}_{B04,B03,B02}.tif")
BANDS = {name: np.full((6, 8), level, np.uint16) for name, level in (("B02", 2), ("B03", 3), ("B04", 4), ("B08", 8))}


def write_scene(folder: Path, stem: str = "scene") -> Path:
    """Write the bands of a scene, and return the path of the stack."""
    for name, values in BANDS.items():
        tifffile.imwrite(folder / f"{stem}_{name}.tif", values, metadata=None)
    return folder / f"{stem}_{{B04,B03,B02}}.tif"


def test_a_stack_has_the_channels_of_its_files_in_the_order_of_its_name(tmp_path: Path) -> None:
    path = write_scene(tmp_path)
    image = read_channels(path)
    assert image.values[0, 0].tolist() == [4, 3, 2]
    assert image.values.dtype == np.uint16
    assert image.bands == ("B04", "B03", "B02")
    header = read_channel_header(path)
    assert (header.size, header.channels, header.dtype) == ((8, 6), 3, "uint16")
    assert probe(path) == ((8, 6), 1)
    assert image_stem(path) == "scene"


def test_a_stack_of_grey_pictures_is_a_picture(tmp_path: Path) -> None:
    for level, name in ((10, "r"), (20, "g"), (30, "b")):
        Image.new("L", (4, 4), level).save(tmp_path / f"1-{name}.png")
    assert read(tmp_path / "1-{r,g,b}.png").getpixel((0, 0)) == (10, 20, 30)


def test_files_of_several_channels_are_joined(tmp_path: Path) -> None:
    np.save(tmp_path / "a_x.npy", np.zeros((5, 5, 2), np.float32))
    np.save(tmp_path / "a_y.npy", np.ones((5, 5), np.float32))
    image = read_channels(tmp_path / "a_{x,y}.npy")
    assert image.values[0, 0].tolist() == [0, 0, 1]
    assert image.bands == ()


def test_the_stacks_of_a_folder_replace_its_files_and_further_bands_are_left_out(tmp_path: Path) -> None:
    paths = [write_scene(tmp_path, "a"), write_scene(tmp_path, "b")]
    assert list_images(tmp_path, PATTERN) == paths
    assert len(list_images(tmp_path)) == 8


def test_files_without_a_stack_stay_as_they_are(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "photo.png")
    assert list_images(tmp_path, PATTERN) == [tmp_path / "photo.png"]


def test_a_missing_file_of_a_stack_is_named(tmp_path: Path) -> None:
    path = write_scene(tmp_path)
    size, _ = file_version(path)
    (tmp_path / "scene_B03.tif").unlink()
    assert list_images(tmp_path, PATTERN) == [path]
    assert file_version(path)[0] < size
    for reader in (read_channels, read_channel_header):
        with pytest.raises(ImageError, match=r"^\S*/scene_\{B04,B03,B02\}\.tif: scene_B03\.tif is missing\. An image"):
            reader(path)


@pytest.mark.parametrize(("kept", "reason"), [(9, "not an image that i2i can read"), (600, "is damaged")])
def test_a_damaged_file_of_a_stack_is_named(kept: int, reason: str, tmp_path: Path) -> None:
    path = write_scene(tmp_path)
    band = tmp_path / "scene_B03.tif"
    tifffile.imwrite(band, np.ones((6, 8), np.uint16), metadata=None, software="x" * 400)
    band.write_bytes(band.read_bytes()[:kept])
    with pytest.raises(ImageError, match=rf"^\S*/scene_\{{B04,B03,B02\}}\.tif: scene_B03\.tif:? {reason}.*[^.]\.$"):
        read_channels(path)


@pytest.mark.parametrize("other", [np.zeros((6, 9), np.uint16), np.zeros((6, 8), np.float32)])
def test_files_of_another_size_or_type_are_named(other: np.ndarray, tmp_path: Path) -> None:
    path = write_scene(tmp_path)
    tifffile.imwrite(tmp_path / "scene_B03.tif", other)
    with pytest.raises(ImageError, match=r"scene_B03\.tif has .*, and scene_B04\.tif has 8x6 pixels of uint16"):
        read_channel_header(path)


@pytest.mark.parametrize("text", ["a.tif", "{stem}.tif", "{B02,B03}.tif", "{stem}_{B02}.tif", "{stem}_{a,a}.tif",
                                  "{stem}/{a,b}.tif", "{stem}_{a,}.tif", "{stem}{stem}_{a,b}.tif"])  # fmt: skip
def test_a_pattern_that_names_no_stacks_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--stack"):
        StackPattern(text)


def test_a_file_whose_name_has_braces_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a_{1,2}.png"
    Image.new("L", (4, 4), 7).save(path)
    assert stack_files(path) == []
    assert read(path).getpixel((0, 0)) == (7, 7, 7)


def test_a_change_of_one_file_changes_version_and_content(tmp_path: Path) -> None:
    path = write_scene(tmp_path)
    before = file_version(path), file_digest(path)
    tifffile.imwrite(tmp_path / "scene_B02.tif", np.full((6, 8), 9, np.uint16), metadata=None)
    assert file_digest(path) != before[1]
    tifffile.imwrite(tmp_path / "scene_B02.tif", np.full((60, 80), 9, np.uint16), metadata=None)
    assert file_version(path) != before[0]
