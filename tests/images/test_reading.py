import io
import os
import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import ImageError
from i2i.images import MAX_PIXELS, encode, load_image, probe, read, read_header, reading
from i2i.images.formats import FORMAT_BY_NAME, FORMAT_BY_SUFFIX
from i2i.images.reading import FrameReader

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", sorted(FORMAT_BY_SUFFIX))
def test_every_format_is_read_with_its_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(encode(NOISE, suffix))
    assert (read(path).size, read(path).mode) == ((24, 20), "RGB")
    assert read_header(path) == ((24, 20), "P" if suffix == ".gif" else "RGB")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".ppm", ".tga"])
def test_lossless_formats_keep_every_value(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(encode(NOISE, suffix))
    assert np.array_equal(read(path), NOISE)


def assert_refused(path: Path, reason: str, max_pixels: int = MAX_PIXELS) -> None:
    with pytest.raises(ImageError, match=re.escape(str(path)) + ".*" + reason):
        read(path, max_pixels)


def test_a_text_file_named_jpg_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear reader,\n" * 50)
    assert_refused(tmp_path / "letter.jpg", "not an image")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert_refused(tmp_path / "empty.png", "is empty")


def test_a_fifo_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert_refused(tmp_path / "pipe.png", "not a regular file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "not a regular file")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere.png", "does not exist")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.png").write_bytes(b"x")
    monkeypatch.setattr(os, "open", denied)
    assert_refused(tmp_path / "secret.png", "Permission denied")


def test_a_format_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "noise.png", format="PCX")
    assert_refused(tmp_path / "noise.png", "not an image")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif", ".jp2", ".bmp", ".ppm", ".tif", ".gif", ".tga"])
def test_a_truncated_image_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = encode(NOISE, suffix)
    (tmp_path / f"half{suffix}").write_bytes(whole[: len(whole) // 2])
    assert_refused(tmp_path / f"half{suffix}", "damaged|not an image")


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL's, about damaged TIFF
@pytest.mark.parametrize("suffix", sorted(format.suffixes[0] for format in FORMAT_BY_NAME.values()))
def test_damage_anywhere_is_refused_or_ignored_but_raises_no_other_error(tmp_path: Path, suffix: str) -> None:
    whole = encode(NOISE, suffix)
    path = tmp_path / f"damaged{suffix}"
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for offset in rng.integers(0, min(len(data), rng.choice([40, 400, 4000])), rng.integers(1, 6)):
            data[offset] = rng.integers(256)
        path.write_bytes(data)
        with suppress(ImageError):
            assert read(path).mode == "RGB"


def test_an_undecodable_avif_is_refused_as_damaged(tmp_path: Path) -> None:
    data = bytearray(encode(NOISE, ".avif"))
    coded = data.index(b"mdat") + 4
    data[coded:] = bytes(len(data) - coded)
    (tmp_path / "broken.avif").write_bytes(data)
    assert_refused(tmp_path / "broken.avif", "damaged")


def test_an_oversized_image_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode(NOISE, ".png")
    (tmp_path / "large.png").write_bytes(whole[: len(whole) // 2])  # decoding it would find it damaged
    assert_refused(tmp_path / "large.png", "has 24x20 pixels; at most 479 are read", max_pixels=24 * 20 - 1)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.png").write_bytes(encode(NOISE, ".png"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert_refused(tmp_path / "bomb.png", "too large")


def test_read_header_returns_size_and_mode_without_decoding(tmp_path: Path) -> None:
    stream = io.BytesIO()
    NOISE.convert("RGBA").save(stream, "PNG")
    (tmp_path / "half.png").write_bytes(stream.getvalue()[:200])
    assert read_header(tmp_path / "half.png") == ((24, 20), "RGBA")


@pytest.mark.parametrize(
    ("content", "name", "description"),
    [
        (b"<!DOCTYPE html><html>", "page.png", "a web page"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "drawing.jpg", "a PostScript drawing"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.png", "an SVG drawing"),
        (b"%PDF-1.7\n", "print.tif", "a PDF"),
        (b"8BPS\0\1" + bytes(40), "layers.png", "a Photoshop image"),
        (b"\xff\xd8\xff\xe0", "photo.jpg", "a JPEG image, damaged at its start"),
    ],
)
def test_a_file_of_another_type_is_refused_with_its_type(
    tmp_path: Path, content: bytes, name: str, description: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert_refused(tmp_path / name, re.escape(f"not an image that i2i can read (it looks like {description})"))


def test_an_image_with_a_wrong_suffix_is_read(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "noise.jpg", format="PNG")
    assert np.array_equal(read(tmp_path / "noise.jpg"), NOISE)


def test_only_a_file_with_the_suffix_tga_is_decoded_as_tga(tmp_path: Path) -> None:
    content = encode(NOISE, ".tga")
    (tmp_path / "noise.tga").write_bytes(content)
    assert np.array_equal(read(tmp_path / "noise.tga"), NOISE)
    (tmp_path / "noise.png").write_bytes(content)
    assert_refused(tmp_path / "noise.png", "not an image")


def test_a_broken_symbolic_link_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert_refused(tmp_path / "link.png", "is a symbolic link to a missing file")


def test_a_fifo_that_replaces_a_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    regular = (tmp_path / "file").stat()
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.setattr(Path, "stat", lambda _: regular)
    assert_refused(tmp_path / "pipe.png", "not a regular file")


FRAMES = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime", "blue")]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif", ".avif"])
def test_every_frame_or_page_can_be_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"three{suffix}"
    FRAMES[0].save(path, save_all=True, append_images=FRAMES[1:], **({"lossless": True} if suffix == ".webp" else {}))
    assert probe(path)[1] == 3
    for index, frame in enumerate(FRAMES):
        decoded = np.asarray(load_image(path, index).image).astype(int)
        assert np.abs(decoded - np.asarray(frame)).max() <= 4
    assert np.abs(np.asarray(read(path)).astype(int) - np.asarray(FRAMES[0])).max() <= 4


def test_a_preview_in_a_photo_is_not_counted_as_an_image(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "photo.jpg", format="MPO", save_all=True, append_images=[NOISE.resize((8, 8))])
    assert probe(tmp_path / "photo.jpg") == ((24, 20), 1)
    assert read(tmp_path / "photo.jpg").size == (24, 20)


def test_the_size_of_each_page_is_checked(tmp_path: Path) -> None:
    NOISE.resize((5, 5)).save(tmp_path / "pages.tif", save_all=True, append_images=[NOISE.copy()])
    assert load_image(tmp_path / "pages.tif", 0, max_pixels=100).image.size == (5, 5)
    with pytest.raises(ImageError, match="24x20 pixels; at most 100"):
        load_image(tmp_path / "pages.tif", 1, max_pixels=100)


def test_a_heic_photo_is_read_where_the_extra_is_installed(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(NOISE.resize((64, 64))).save(tmp_path / "photo.heic", quality=95)
    assert read(tmp_path / "photo.heic").size == (64, 64)


def test_a_heic_photo_is_refused_with_the_name_of_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.images.opening.HAS_HEIC", False)
    (tmp_path / "photo.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert_refused(tmp_path / "photo.jpg", r'uv pip install -e "\.\[heic\]"')


def animation(path: Path, colours: Sequence[str]) -> Path:
    frames = [Image.new("RGB", (8, 8), colour) for colour in colours]
    for index, frame in enumerate(frames):
        frame.putpixel((index, 0), (9, 9, 9))  # makes all frames different
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif", ".avif"])
def test_frame_reader_returns_the_same_frames_as_a_newly_opened_file(tmp_path: Path, suffix: str) -> None:
    path = animation(tmp_path / f"film{suffix}", ["red", "lime", "blue", "white"])
    reader = FrameReader()
    for frame in (0, 1, 3, 2, 2, 3, 0):
        assert np.array_equal(reader.load_image(path, frame).image, load_image(path, frame).image)
    with pytest.raises(ImageError, match="is damaged"):
        reader.load_image(path, 4)
    assert np.array_equal(reader.load_image(path, 2).image, load_image(path, 2).image)


def test_frame_reader_keeps_the_file_open_until_it_changes_or_the_frame_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    open_image = reading.open_image
    monkeypatch.setattr(reading, "open_image", lambda path: opened.append(path) or open_image(path))
    path = animation(tmp_path / "film.gif", ["red", "lime", "blue", "white"])
    reader = FrameReader()
    for frame in (1, 2, 3):
        reader.load_image(path, frame)
    assert len(opened) == 1
    reader.load_image(path, 1)
    animation(path, ["red", "lime", "black"])
    assert reader.load_image(path, 2).image.getpixel((0, 0)) == (0, 0, 0)
    assert len(opened) == 3


@pytest.mark.parametrize(("tag", "type", "count"), [(256, 7, 1), (257, 4, 0), (256, 2, 1), (257, 12, 2)])
def test_a_tiff_whose_size_is_no_number_is_an_error(tag: int, type: int, count: int, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 16)).save(buffer, "TIFF")
    data = bytearray(buffer.getvalue())
    table = struct.unpack_from("<I", data, 4)[0]
    entries = [table + 2 + 12 * index for index in range(struct.unpack_from("<H", data, table)[0])]
    (entry,) = (entry for entry in entries if struct.unpack_from("<H", data, entry)[0] == tag)
    struct.pack_into("<HI", data, entry + 2, type, count)
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    for use in (probe, read_header, read):
        with pytest.raises(ImageError, match=r"a\.tif"):
            use(path)
