"""Images of every sample type and number of bands are read with their range, or refused with a true reason."""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from i2i.errors import ImageError
from i2i.images import load_image, probe, read, read_header
from i2i.images.reading import read_summary

RAMP = np.linspace(0, 1, 16)[None].repeat(4, 0)  # (4, 16)
LEVELS = (RAMP * 255).round().astype(int)


def write(path: Path, values: np.ndarray, **options: Any) -> Path:
    if values.ndim == 3:
        options = {"photometric": "rgb" if values.shape[2] > 2 else "minisblack", "planarconfig": "contig"} | options
    tifffile.imwrite(path, values, **options)
    return path


def assert_ramp(path: Path, tolerance: int = 0, levels: np.ndarray = LEVELS, **options: Any) -> None:
    read_levels = np.asarray(read(path, **options)).astype(int)
    assert np.abs(read_levels - levels[..., None]).max() <= tolerance


def typed_ramp(dtype: str) -> np.ndarray:
    white = {"f": 1, "i": np.iinfo("int16").max, "u": 65535}[np.dtype(dtype).kind]
    white = {"uint8": 255, "int8": 127, "int32": 65535}.get(dtype, white)
    return (RAMP * white).astype(dtype) if np.dtype(dtype).kind == "f" else (RAMP * white).round().astype(dtype)


DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_a_tiff_of_every_type_is_read_with_its_range(tmp_path: Path, dtype: str, bands: int, layout: str) -> None:
    grey = typed_ramp(dtype)
    if bands == 1:
        path = write(tmp_path / "ramp.tif", grey)
    else:
        stack = np.stack([grey] * 3, 0 if layout == "separate" else -1)
        path = write(tmp_path / "ramp.tif", stack, photometric="rgb", planarconfig=layout)
    assert_ramp(path, tolerance=1)
    assert read_header(path)[0] == (16, 4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("bands", [1, 3])
def test_alpha_of_every_type_is_kept(tmp_path: Path, dtype: str, bands: int) -> None:
    ramp = typed_ramp(dtype)
    alpha = np.full_like(ramp, ramp.max())
    alpha[:, :4] = 0
    path = write(tmp_path / "glass.tif", np.dstack([ramp] * bands + [alpha]), extrasamples=["unassalpha"])
    loaded = load_image(path)
    assert loaded.alpha is not None
    assert np.asarray(loaded.alpha)[0].tolist() == [0] * 4 + [255] * 12
    assert np.abs(np.asarray(loaded.image)[:, 4:].astype(int) - LEVELS[:, 4:, None]).max() <= 1
    assert np.asarray(loaded.image)[0, 0].tolist() == [255] * 3


def test_colours_that_are_multiplied_by_alpha_are_divided_by_it(tmp_path: Path) -> None:
    alpha = np.full(RAMP.shape, 0.5, np.float32)
    path = write(
        tmp_path / "glass.tif", np.dstack([RAMP.astype(np.float32) * alpha, alpha]), extrasamples=["assocalpha"]
    )
    image = load_image(path)
    assert image.alpha is not None
    unblended = (np.asarray(image.image).astype(int) - 127) * 2
    assert np.abs(unblended - LEVELS[..., None]).max() <= 3


@pytest.mark.parametrize(("bands", "photometric"), [(2, 1), (4, 1), (5, 1), (8, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_tiff_of_other_bands_is_no_picture(tmp_path: Path, bands: int, photometric: int, dtype: str) -> None:
    path = write(tmp_path / "bands.tif", np.dstack([typed_ramp(dtype)] * bands), photometric=photometric)
    with pytest.raises(ImageError, match=f"bands.tif has {bands} bands; grey or RGB, each with or without alpha"):
        read(path)
    assert read_header(path)[0] == (16, 4)


def test_a_truncated_tiff_of_floats_is_refused(tmp_path: Path) -> None:
    for dtype, bands in (("float64", 1), ("float16", 3), ("uint16", 3)):
        path = write(tmp_path / "cut.tif", np.dstack([np.tile(typed_ramp(dtype), (8, 8))] * bands).squeeze())
        for part in (0.05, 0.5, 0.95):
            (tmp_path / "part.tif").write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
            with pytest.raises(ImageError, match=r"damaged|not an image"):
                read(tmp_path / "part.tif")


def test_every_page_of_a_tiff_of_floats_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, np.stack([RAMP, 1 - RAMP, RAMP]), photometric="minisblack")
    assert probe(path) == ((16, 4), 3)
    assert np.asarray(load_image(path, 1).image)[0, 0].tolist() == [255] * 3
    with pytest.raises(ImageError, match="damaged"):
        load_image(path, 3)


def test_a_compressed_tiff_of_floats_is_read(tmp_path: Path) -> None:
    colours = np.dstack([RAMP] * 3).astype(np.float32)
    for predictor in (1, 3):
        cv2.imwrite(
            str(tmp_path / "lzw.tif"), colours, [cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
        )
        assert_ramp(tmp_path / "lzw.tif")
    assert_ramp(write(tmp_path / "zip.tif", colours, compression="zlib"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_tiff_whose_zero_is_white_is_inverted(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path / "xray.tif", typed_ramp(dtype), photometric="miniswhite")
    assert_ramp(path, levels=255 - LEVELS)


def test_a_sample_tiff_keeps_orientation_resolution_and_credits(tmp_path: Path) -> None:
    rgb = np.dstack([RAMP, RAMP, 1 - RAMP]).astype(np.float32)
    tags = [(274, "H", 1, 6, True), (315, "s", 0, "Ann", True)]
    path = write(tmp_path / "turned.tif", rgb, resolution=(300, 300), resolutionunit="inch", extratags=tags)
    loaded = load_image(path)
    assert loaded.image.size == (4, 16)
    assert loaded.image.getpixel((0, 0)) == (0, 0, 255)
    assert loaded.source.dpi((4, 16)) == pytest.approx((300, 300))
    assert b"Ann" in loaded.source.exif


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_png(path: Path, values: np.ndarray, colour_type: int, chunks: bytes = b"") -> Path:
    """Write a PNG of 16 bits, which Pillow cannot."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + chunks + pixels)
    return path


@pytest.mark.parametrize(("colour_type", "bands"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_a_png_of_16_bits_is_read_in_every_colour_type(tmp_path: Path, colour_type: int, bands: int) -> None:
    values = np.dstack([typed_ramp("uint16")] * bands)
    if bands in (2, 4):
        values[..., -1] = 65535
    path = write_png(tmp_path / "deep.png", values, colour_type)
    assert_ramp(path)
    assert_ramp(path, levels=(LEVELS * 4).clip(0, 255), tolerance=2, ranges={"uint16": (0, 16384)})


@pytest.mark.parametrize("white", [100, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("magic", ["P5", "P6"])
def test_the_white_of_a_pgm_and_ppm_is_read(tmp_path: Path, magic: str, white: int) -> None:
    values = (RAMP * white).round().astype(">u2" if white > 255 else "u1")
    values = values if magic == "P5" else values[..., None].repeat(3, 2)
    path = tmp_path / "grey.pnm"
    path.write_bytes(f"{magic}\n# a comment\n16 4\n{white}\n".encode() + values.tobytes())
    assert_ramp(path, tolerance=2 if white < 255 else 0)
    assert read_header(path)[0] == (16, 4)


@pytest.mark.parametrize("bands", [1, 3])
def test_a_pfm_is_read_with_grey_and_with_colours(tmp_path: Path, bands: int) -> None:
    values = np.dstack([RAMP.astype(np.float32)] * bands)
    values[0, 0] = 1
    cv2.imwrite(str(tmp_path / "depth.pfm"), values)
    levels = LEVELS.copy()
    levels[0, 0] = 255
    assert_ramp(tmp_path / "depth.pfm", levels=levels)


def test_cmyk_and_palettes_are_read_as_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=100)
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette([0] * 9 + [254, 0, 0])
    palette.save(tmp_path / "ids.tif")
    for name in ("print.jpg", "ids.tif"):
        assert np.abs(np.asarray(read(tmp_path / name)).astype(int)[0, 0] - (254, 0, 0)).max() <= 2
    assert read_summary(tmp_path / "ids.tif") is None


@pytest.mark.parametrize("largest", [1.0, 1.001, 1.16, 2.0, 254.0, 255.5, 300.0])
def test_a_float_image_slightly_above_its_range_is_clipped(tmp_path: Path, largest: float) -> None:
    values = (RAMP * (255 if largest > 2 else 1)).astype(np.float32)
    values[0, 0], levels = largest, LEVELS.copy()
    levels[0, 0] = min(255, round(largest if largest > 2 else 255 * largest))
    assert_ramp(write(tmp_path / "sharp.tif", values), levels=levels)


def test_a_float_image_slightly_below_zero_is_clipped(tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[0, 1] = -0.2
    levels = LEVELS.copy()
    levels[0, 1] = 0
    assert_ramp(write(tmp_path / "sharp.tif", values), levels=levels)


def test_floats_from_minus_one_to_one_are_scaled_from_black_to_white(tmp_path: Path) -> None:
    assert_ramp(write(tmp_path / "tensor.tif", (2 * RAMP - 1).astype(np.float32)), tolerance=1)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "float32"])
def test_wide_types_that_hold_bytes_are_read_as_bytes(tmp_path: Path, dtype: str) -> None:
    assert_ramp(write(tmp_path / "bytes.tif", LEVELS.astype(dtype)))


@pytest.mark.parametrize(
    ("dtype", "tags", "white"),
    [
        ("uint16", [(281, "H", 1, 4095, True)], 4095),
        ("uint16", [(281, "H", 1, 3900, True)], 4095),  # the largest value of this image
        ("uint16", [(340, "H", 1, 100, True), (341, "H", 1, 1100, True)], 1100),
        ("float32", [(340, "f", 1, 0.0, True), (341, "f", 1, 10.0, True)], 10),
        ("int16", [(340, "h", 1, -1000, True), (341, "h", 1, 3000, True)], 3000),
    ],
)
def test_the_range_that_a_tiff_declares_is_used(tmp_path: Path, dtype: str, tags: list[Any], white: float) -> None:
    low = {1100: 100, 3000: -1000}.get(white, 0)
    values = low + (white - low) * RAMP * (0.95 if white == 4095 else 1)
    levels = ((values - low) / (white - low) * 255).round().astype(int)
    assert_ramp(write(tmp_path / "scan.tif", values.astype(dtype), extratags=tags), tolerance=1, levels=levels)


def test_a_declared_range_that_the_values_exceed_is_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "wrong.tif", typed_ramp("float32"), extratags=[(341, "f", 1, 0.001, True)])
    assert_ramp(path)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_a_stated_range_may_be_negative(tmp_path: Path, dtype: str) -> None:
    hounsfield = (RAMP * 4000 - 1000).astype(dtype)
    ranges = {"int16": (-1000.0, 3000.0), "int32": (-1000.0, 3000.0), "float": (-1000.0, 3000.0)}
    assert_ramp(write(tmp_path / "ct.tif", hounsfield), tolerance=1, ranges=ranges)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_stated_range_applies_to_8_bit_levels_but_not_to_alpha(tmp_path: Path, mode: str) -> None:
    ids = Image.fromarray((RAMP * 20).round().astype(np.uint8)).convert(mode)
    ids.save(tmp_path / "ids.png")
    assert_ramp(tmp_path / "ids.png", tolerance=7, ranges={"uint8": (0, 20)})


def test_a_jpeg_of_12_bits_is_refused_with_its_bits(tmp_path: Path) -> None:
    Image.fromarray(LEVELS.astype(np.uint8)).save(tmp_path / "film.jpg")
    data = bytearray((tmp_path / "film.jpg").read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    (tmp_path / "film.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=r"film.jpg is a JPEG with samples of 12 bits; i2i reads those of 8 bits"):
        read(tmp_path / "film.jpg")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize(("white", "is_narrow"), [(20, True), (255, False)])
def test_an_8_bit_image_that_is_nearly_black_is_told_from_others(
    tmp_path: Path, mode: str, white: int, is_narrow: bool
) -> None:
    image = Image.fromarray((np.tile(RAMP, (8, 2)) * white).round().astype(np.uint8)).convert(mode)
    image.save(tmp_path / "ids.png")
    assert (load_image(tmp_path / "ids.png").unusual is not None) == is_narrow
    exceeding = load_image(tmp_path / "ids.png", ranges={"uint8": (0, 20)}).unusual
    assert (exceeding is None) == is_narrow


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (6, 4)])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_the_significant_bits_of_a_png_are_its_range_unless_its_samples_are_scaled(
    tmp_path: Path, bits: int, colour_type: int, channels: int
) -> None:
    raw = (RAMP * ((1 << bits) - 1)).round().astype(np.uint16)
    scaled = raw << (16 - bits) | raw >> (2 * bits - 16)  # as the specification of PNG demands
    chunk = png_chunk(b"sBIT", bytes([bits] * channels))
    for name, samples in (("raw", raw), ("scaled", scaled), ("shifted", raw << (16 - bits))):
        pixels = np.dstack([samples] * 3 + [np.full_like(samples, 65535)])[..., :channels]
        path = write_png(tmp_path / f"{name}.png", pixels, colour_type, chunk)
        assert_ramp(path, tolerance=1)
        assert load_image(path).unusual is None
    declared = [read_summary(tmp_path / f"{name}.png").declared for name in ("raw", "scaled")]  # type: ignore[union-attr]
    assert declared == [(0, (1 << bits) - 1), None]


def test_a_dark_png_with_scaled_samples_stays_dark(tmp_path: Path) -> None:
    dark = (RAMP * 255).round().astype(np.uint16) << 4
    path = write_png(tmp_path / "dark.png", dark[..., None], 0, png_chunk(b"sBIT", b"\x0c"))
    assert np.asarray(read(path)).max() == round(dark.max() / 257)
