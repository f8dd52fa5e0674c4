import io
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from i2i import images
from i2i.errors import PictureError
from i2i.images import FORMATS, encode, grid, header, read, sheet, to_float, to_uint8, upright_rgb, write_atomic

REPEATABLE = settings(deadline=None, derandomize=True)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))
CORNERS = Image.fromarray(np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3))  # 3 wide, 2 high, all different


def test_0_is_minus_1_and_255_is_1() -> None:
    assert to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_256_values_come_back_from_float_as_they_were(dtype: torch.dtype) -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(values).to(dtype)), values)


@REPEATABLE
@given(st.floats(-1e6, 1e6))
def test_to_uint8_takes_the_nearest_value_and_clips(value: float) -> None:
    found = int(to_uint8(torch.tensor(value, dtype=torch.float32)))
    assert abs(found - min(255, max(0, (value + 1) * 127.5))) <= 0.5 + 1e-4


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_a_picture_in_every_format_is_read_with_its_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(encode(NOISE, suffix))
    assert (read(path).size, read(path).mode) == ((24, 20), "RGB")
    assert header(path) == ((24, 20), "RGB")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".ppm"])
def test_formats_without_loss_keep_every_value(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(encode(NOISE, suffix))
    assert np.array_equal(read(path), NOISE)


@pytest.mark.parametrize(
    ("orientation", "stored_as"),
    [(1, None), (2, "FLIP_LEFT_RIGHT"), (3, "ROTATE_180"), (4, "FLIP_TOP_BOTTOM"),
     (5, "TRANSPOSE"), (6, "ROTATE_90"), (7, "TRANSVERSE"), (8, "ROTATE_270")],
)  # fmt: skip
def test_the_exif_orientation_turns_a_picture_upright(tmp_path: Path, orientation: int, stored_as: str | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = CORNERS.transpose(Image.Transpose[stored_as]) if stored_as else CORNERS
    stored.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read(tmp_path / "turned.png"), CORNERS)


@pytest.mark.parametrize(("alpha", "seen"), [(0, 255), (255, 100), (127, 178)])
def test_transparency_is_laid_on_white(tmp_path: Path, alpha: int, seen: int) -> None:
    Image.new("RGBA", (2, 2), (100, 100, 100, alpha)).save(tmp_path / "glass.png")
    assert np.asarray(read(tmp_path / "glass.png")).flatten().tolist() == pytest.approx([seen] * 12, abs=1)


def test_the_transparent_colour_of_a_palette_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([255, 0, 0])
    image.save(tmp_path / "palette.png", transparency=0)
    assert read(tmp_path / "palette.png").getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    grey = np.array([[0, 128 * 257, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.asarray(read(tmp_path / "grey.png"))[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_float_grey_keeps_its_range(tmp_path: Path, top: float) -> None:
    Image.fromarray(np.array([[0, top / 5, top]], dtype=np.float32)).save(tmp_path / "grey.tif")
    assert np.asarray(read(tmp_path / "grey.tif"))[0].tolist() == [[0] * 3, [51] * 3, [255] * 3]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "LAB"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "picture.tif")
    assert read(tmp_path / "picture.tif").mode == "RGB"


def refused(path: Path, reason: str) -> None:
    with pytest.raises(PictureError, match=re.escape(str(path)) + ".*" + reason):
        read(path)


def test_a_text_file_named_jpg_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear reader,\n" * 50)
    refused(tmp_path / "letter.jpg", "not a picture")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "is empty")


def test_a_fifo_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not a regular file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "not a regular file")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.png", "does not exist")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.png").write_bytes(b"x")
    monkeypatch.setattr(Image, "open", denied)
    refused(tmp_path / "secret.png", "Permission denied")


def test_a_format_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "noise.png", format="GIF")
    refused(tmp_path / "noise.png", "not a picture")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif", ".jp2", ".bmp", ".ppm", ".tif"])
def test_a_truncated_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = encode(NOISE, suffix)
    (tmp_path / f"half{suffix}").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / f"half{suffix}", "damaged|not a picture")


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL's, about damaged TIFF
@pytest.mark.parametrize("suffix", sorted(FORMATS - {".jpeg", ".tiff"}))
def test_damage_anywhere_is_refused_or_overlooked_but_never_another_error(tmp_path: Path, suffix: str) -> None:
    whole, path, rng = encode(NOISE, suffix), tmp_path / f"damaged{suffix}", np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(data), rng.choice([40, 400, 4000])), rng.integers(1, 6)):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        with suppress(PictureError):
            assert read(path).mode == "RGB"


def test_an_undecodable_avif_is_refused_as_damaged(tmp_path: Path) -> None:
    data = bytearray(encode(NOISE, ".avif"))
    coded = data.index(b"mdat") + 4
    data[coded:] = bytes(len(data) - coded)
    (tmp_path / "broken.avif").write_bytes(data)
    refused(tmp_path / "broken.avif", "damaged")


def test_an_oversized_picture_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode(NOISE, ".png")
    (tmp_path / "large.png").write_bytes(whole[: len(whole) // 2])  # decoding it would find it damaged
    monkeypatch.setattr(images, "MAX_PIXELS", 24 * 20 - 1)
    refused(tmp_path / "large.png", "has 24x20 pixels; at most")


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.png").write_bytes(encode(NOISE, ".png"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    refused(tmp_path / "bomb.png", "too large")


def test_the_header_tells_size_and_mode_without_decoding(tmp_path: Path) -> None:
    stream = io.BytesIO()
    NOISE.convert("RGBA").save(stream, "PNG")
    (tmp_path / "half.png").write_bytes(stream.getvalue()[:200])
    assert header(tmp_path / "half.png") == ((24, 20), "RGBA")


def test_a_png_written_fast_holds_every_pixel() -> None:
    data = encode(NOISE, ".png", fast=True)
    assert data != encode(NOISE, ".png")
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image), np.asarray(NOISE))
    grey = Image.new("L", (3, 2), 7)
    with Image.open(io.BytesIO(encode(grey, ".png", fast=True))) as image:
        assert image.mode == "L"


@pytest.mark.parametrize(("suffix", "width"), [(".jpg", 65_501), (".webp", 16_384), (".avif", 65_537)])
def test_a_picture_that_a_format_cannot_hold_is_refused_with_its_size(suffix: str, width: int) -> None:
    with pytest.raises(PictureError, match=f"{width}x1 pixels cannot be written as"):
        encode(Image.new("RGB", (width, 1)), suffix)


def test_write_atomic_writes_the_bytes_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.bin", b"old")
    write_atomic(tmp_path / "a.bin", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"new")]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.bin").write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "a.bin", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_two_threads_write_files_whose_names_begin_alike_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=10)
    monkeypatch.setattr(os, "fsync", lambda _: both.wait())
    names = ["n" * 60 + letter for letter in "ab"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: write_atomic(tmp_path / name, name.encode()), names))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: name for name in names}


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "画" * 83 + ".png"], ids=["ascii", "chinese"])
def test_write_atomic_takes_the_longest_name_the_disk_does(tmp_path: Path, name: str) -> None:
    write_atomic(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_grid_has_a_row_for_each_picture_and_a_column_for_each_title() -> None:
    dark, light = torch.full((3, 3, 8, 10), -1.0), torch.full((3, 3, 8, 10), 1.0)
    image = grid({"a": dark, "b": light, "c": dark})
    assert image.size == (3 * 10 + 2 * 2, 14 + 3 * (8 + 2))
    pixels = np.asarray(image)
    for row in range(3):
        top = 14 + row * 10
        for column, value in enumerate((0, 255, 0)):
            assert (pixels[top : top + 8, column * 12 : column * 12 + 10] == value).all()
        assert (pixels[top + 8 : top + 10] == 255).all()  # the gap


def test_the_titles_of_a_sheet_stay_in_its_head() -> None:
    cell = np.zeros((1, 64, 96, 3), dtype=np.uint8)
    pixels = np.asarray(sheet([cell, cell], ["input", "translation"]))
    assert (pixels[14:78, :96] == 0).all()
    assert (pixels[:14] < 128).any()


def test_a_display_p3_picture_is_brought_to_srgb() -> None:
    from PIL import ImageCms

    red = Image.new("RGB", (4, 4), (200, 40, 40))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red.info["icc_profile"] = lab
    assert np.abs(np.asarray(upright_rgb(red)).astype(int) - np.asarray(red)).max() <= 1
    red.info["icc_profile"] = b"no profile at all"
    assert np.array_equal(np.asarray(upright_rgb(red)), np.asarray(red))
