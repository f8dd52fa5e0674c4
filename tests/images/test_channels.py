"""Files of any channels and depth are read as they are stored, or refused with the reason."""

import io
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from i2i.errors import ImageError
from i2i.images import load_image, read
from i2i.images.channels import ChannelImage, read_channel_header, read_channels
from i2i.images.value_range import SampleSummary

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]


def noise(channels: int, dtype: str = "uint16", size: tuple[int, int] = (18, 25)) -> np.ndarray:
    rng = np.random.default_rng(channels)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 3, (*size, channels)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (*size, channels), dtype=dtype, endpoint=True)


def write_tiff(path: Path, values: np.ndarray, **options: Any) -> Path:
    planar = options.get("planarconfig") == "separate"
    if values.shape[2] == 1:
        tifffile.imwrite(path, values[..., 0], photometric="minisblack")
        return path
    tifffile.imwrite(path, values.transpose(2, 0, 1) if planar else values,
                     **({"photometric": "minisblack", "planarconfig": "contig"} | options))  # fmt: skip
    return path


def assert_read(path: Path, values: np.ndarray, channels: int | None = None) -> ChannelImage:
    image = read_channels(path, channels)
    np.testing.assert_array_equal(image.values, values)
    assert image.values.dtype == values.dtype
    assert image.values.dtype.isnative
    return image


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 16])
def test_a_tiff_of_any_bands_and_type_is_read_to_the_last_bit(tmp_path: Path, channels: int, dtype: str) -> None:
    values = noise(channels, dtype)
    for planar in ("contig", "separate")[: 1 if channels == 1 else 2]:
        path = write_tiff(tmp_path / f"{planar}.tif", values, planarconfig=planar)
        assert_read(path, values)
        header = read_channel_header(path)
        assert (header.size, header.channels, header.dtype, header.alpha) == ((25, 18), channels, dtype, False)


@pytest.mark.parametrize("options", [
    {"compression": "zlib"}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)},
    {"compression": "zlib", "tile": (16, 16), "planarconfig": "separate"}, {"byteorder": ">"},
    {"bigtiff": True},
])  # fmt: skip
def test_a_tiff_of_many_bands_is_read_from_every_storage(tmp_path: Path, options: dict[str, Any]) -> None:
    values = noise(7, size=(37, 29))
    assert_read(write_tiff(tmp_path / "bands.tif", values, **options), values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_lzw_with_every_predictor_is_read(tmp_path: Path, dtype: str, predictor: int) -> None:
    if (predictor == 3) != (dtype == "float32") and predictor > 1:
        return
    values = noise(4, dtype, (300, 129))
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    cv2.imwrite(str(tmp_path / "lzw.tif"), values[..., [2, 1, 0, 3]], options)
    assert_read(tmp_path / "lzw.tif", values, 4)


def test_pages_that_imagej_states_as_channels_are_joined(tmp_path: Path) -> None:
    values = noise(2)
    tifffile.imwrite(tmp_path / "cells.tif", values.transpose(2, 0, 1), imagej=True, metadata={"axes": "CYX"})
    assert_read(tmp_path / "cells.tif", values)
    tifffile.imwrite(tmp_path / "cells.ome.tif", values.transpose(2, 0, 1), ome=True, photometric="minisblack",
                     metadata={"axes": "CYX"})  # fmt: skip
    assert_read(tmp_path / "cells.ome.tif", values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [2, 5])
def test_arrays_that_tifffile_wrote_without_a_word_on_their_axes_are_read(
    tmp_path: Path, channels: int, dtype: str
) -> None:
    values = noise(channels, dtype, (24, 30))
    tifffile.imwrite(tmp_path / "last.tif", values, photometric="minisblack")  # a page for each row
    tifffile.imwrite(tmp_path / "first.tif", values.transpose(2, 0, 1), photometric="minisblack")
    for name in ("last.tif", "first.tif"):
        assert_read(tmp_path / name, values)
        assert read_channel_header(tmp_path / name).size == (30, 24)
        assert read_channel_header(tmp_path / name).channels == channels


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_arrays_of_numpy_are_read(tmp_path: Path, channels: int, dtype: str) -> None:
    values = noise(channels, dtype)
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "big_endian.npy", values.astype(values.dtype.newbyteorder(">")))
    np.save(tmp_path / "planar.npy", np.asfortranarray(values.transpose(2, 0, 1)))
    np.savez_compressed(tmp_path / "a.npz", image=values)
    for name in ("a.npy", "big_endian.npy", "planar.npy", "a.npz"):
        assert_read(tmp_path / name, values)
        assert read_channel_header(tmp_path / name).channels == channels
    if channels == 1:
        np.save(tmp_path / "flat.npy", values[..., 0])
        assert_read(tmp_path / "flat.npy", values)


def test_arrays_that_are_no_images_are_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    np.save(tmp_path / "pickle.npy", np.array([[Bomb()]], dtype=object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.zeros((4, 4), complex))
    np.save(tmp_path / "vector.npy", np.zeros(9))
    np.save(tmp_path / "many.npy", np.zeros((40, 40, 17), np.uint8))
    np.savez(tmp_path / "two.npz", a=np.zeros((4, 4)), b=np.zeros((4, 4)))
    for name, reason in (
        ("pickle.npy", "type object"), ("complex.npy", "type complex128"), ("vector.npy", r"shape \(9,\)"),
        ("many.npy", "17 channels; i2i reads 1 to 16"), ("two.npz", r"2 arrays \(a, b\)"),
    ):  # fmt: skip
        with pytest.raises(ImageError, match=f"{name}.*{reason}"):
            read_channels(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_an_archive_that_expands_without_end_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (60000, 60000)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(1_000_000))
    with pytest.raises(ImageError, match="at most"):
        read_channels(tmp_path / "bomb.npz")
    np.save(tmp_path / "small.npy", np.zeros((20, 20, 16)))
    with pytest.raises(ImageError, match="MB are read"):
        read_channels(tmp_path / "small.npy", max_pixels=400)
    data = (tmp_path / "small.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"cut.npy is damaged"):
        read_channels(tmp_path / "cut.npy")


def test_alpha_is_blended_unless_it_is_wanted(tmp_path: Path) -> None:
    for depth, dtype in (("8", "uint8"), ("16", "uint16")):
        for count in (2, 4):
            values = noise(count, dtype)
            path = tmp_path / f"{depth}-{count}.png"
            if (dtype, count) == ("uint16", 2):
                path = path.with_suffix(".tif")
                write_tiff(path, values, extrasamples=["unassalpha"])
            elif dtype == "uint8" and count == 2:
                Image.merge("LA", [Image.fromarray(values[..., k]) for k in (0, 1)]).save(path)
            else:
                cv2.imwrite(str(path), values[..., [2, 1, 0, 3]])
            assert_read(path, values, count)
            header = read_channel_header(path)
            assert (header.channels, header.alpha) == (count - 1, True)
            white, opacity = np.iinfo(dtype).max, values[..., -1:] / np.iinfo(dtype).max
            blended = white + (values[..., :-1].astype(float) - white) * opacity
            assert np.abs(read_channels(path).values.astype(float) - blended).max() <= 1


def test_pictures_have_the_channels_of_their_files(tmp_path: Path) -> None:
    grey, colour = noise(1, "uint8"), noise(3, "uint8")
    Image.fromarray(grey[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "colour.png")
    Image.fromarray(noise(1)[..., 0]).save(tmp_path / "deep.png")
    assert_read(tmp_path / "grey.png", grey)
    assert_read(tmp_path / "grey.png", grey.repeat(3, 2), 3)
    assert_read(tmp_path / "colour.png", colour)
    assert_read(tmp_path / "deep.png", noise(1))
    assert read_channel_header(tmp_path / "grey.png").is_picture
    assert not read_channel_header(tmp_path / "deep.png").is_picture
    with pytest.raises(ImageError, match=r"colour.png has 3 channels; 1 is needed"):
        read_channels(tmp_path / "colour.png", 1)


def test_a_fourth_band_that_is_no_alpha_counts(tmp_path: Path) -> None:
    values = noise(4)
    path = write_tiff(tmp_path / "near_infrared.tif", values, photometric="rgb", extrasamples=["unspecified"])
    assert_read(path, values)


def test_an_image_of_many_channels_is_no_picture(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "bands.tif", noise(8))
    for reader in (read, load_image):
        with pytest.raises(ImageError, match=r"bands.tif has 8 bands; grey or RGB"):
            reader(path)
    with pytest.raises(ImageError, match=r"bands.tif has 20 channels; i2i reads 1 to 16"):
        read_channels(write_tiff(path, noise(20)))
    with pytest.raises(ImageError, match=r"bands.tif has 20 channels"):
        read_channel_header(path)


def test_damaged_tiffs_of_many_bands_are_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "whole.tif", noise(5, size=(64, 64)), compression="zlib")
    for part in (0.05, 0.5, 0.95):
        (tmp_path / "cut.tif").write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
        with pytest.raises(ImageError, match=r"cut.tif"):
            read_channels(tmp_path / "cut.tif")


def test_names_of_bands_and_geographic_tags_are_read(tmp_path: Path) -> None:
    xml = "".join(
        f'<Item name="DESCRIPTION" sample="{k}" role="description">{name}</Item>' for k, name in enumerate("RGBN")
    )
    tags = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True),
        (34735, "H", 4, (1, 1, 0, 0), True), (34737, "s", 0, "WGS 84 / UTM zone 33N|", True),
        (42112, "s", 0, f"<GDALMetadata>{xml}</GDALMetadata>", True), (42113, "s", 0, "-9999", True),
    ]  # fmt: skip
    image = read_channels(write_tiff(tmp_path / "scene.tif", noise(4, "int16"), extratags=tags, metadata=None))
    assert image.bands == ("R", "G", "B", "N")
    assert image.geo == {code: value for code, *_, value, _ in tags if code != 42112}


def test_the_summary_leaves_out_values_that_are_not_finite() -> None:
    image = ChannelImage(np.array([[[-1.5], [np.nan], [np.inf], [4.0]]], np.float32))
    assert image.summary() == SampleSummary(type="float", low=-1.5, high=4.0)


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", noise(2))
    assert np.array_equal(read_channels(str(tmp_path / "a.npy")).values, noise(2))
