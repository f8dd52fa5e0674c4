import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from i2i.errors import ImageError
from i2i.images.image_grid import sample_grid
from i2i.images.label_classes import LabelClasses
from i2i.images.label_maps import LabelMap, read_label_map
from i2i.images.pixel_format import RGB8, PixelFormat

IDS = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOURS = tuple((20 * i, 255 - i, 7) for i in range(12))
CLASSES = LabelClasses(count=12)


def save(path: Path, ids: np.ndarray = IDS) -> Path:
    if path.suffix == ".npy":
        np.save(path, ids.astype(np.int64))
    elif path.suffix == ".tiff":
        tifffile.imwrite(path, ids.astype(np.uint16))
    elif path.stem == "grey":
        Image.fromarray(ids.astype(np.uint16) if "16" in path.name else ids).save(path)
    else:
        image = Image.fromarray(ids)
        image.putpalette([level for colour in COLOURS for level in colour])
        image.save(path)
    return path


@pytest.mark.parametrize("name", ["p.png", "p.gif", "p.bmp", "p.tif", "grey.png", "grey.16.png", "a.npy", "t.tiff"])
def test_class_ids_are_read_as_files_store_them(tmp_path: Path, name: str) -> None:
    assert np.array_equal(read_label_map(save(tmp_path / name), CLASSES).values[..., 0], IDS)


def test_grey_of_four_bits_is_not_scaled(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    rows = b"".join(bytes([0, 16 * row[0] + row[1], 16 * row[2] + row[3]]) for row in IDS.tolist())
    path.write_bytes(_png(4, 3, 4, rows))
    assert np.array_equal(read_label_map(path, CLASSES).values[..., 0], IDS)


def _png(width: int, height: int, bits: int, rows: bytes) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_ids_of_no_class_are_an_error_with_file_value_and_range(tmp_path: Path) -> None:
    path = save(tmp_path / "p.png")
    with pytest.raises(ImageError, match=r"p\.png has the class id 11; there are 11 classes, 0 to 10\."):
        read_label_map(path, LabelClasses(count=11))
    with pytest.raises(ImageError, match=r"class ids 2, 3, 4, 5, 6 and 4 more; .*0 to 1, and 11 is ignored"):
        read_label_map(path, LabelClasses(count=2, ignore=11))
    np.save(tmp_path / "n.npy", np.array([[-1, 0]]))
    with pytest.raises(ImageError, match="class id -1"):
        read_label_map(tmp_path / "n.npy", CLASSES)
    assert read_label_map(tmp_path / "n.npy", LabelClasses(count=2, ignore=-1)).values.ravel().tolist() == [2, 0]


def test_images_that_are_no_label_maps_are_refused_in_words(tmp_path: Path) -> None:
    for name, mode in (("rgb.png", "RGB"), ("la.png", "LA"), ("rgba.png", "RGBA"), ("grey.jpg", "L")):
        Image.new(mode, (4, 3)).save(tmp_path / name)
        with pytest.raises(ImageError, match=f"{name} is .*A label map is an image with a palette"):
            read_label_map(tmp_path / name, CLASSES)
    np.save(tmp_path / "f.npy", np.zeros((4, 4), np.float32))
    with pytest.raises(ImageError, match="class ids are integers"):
        read_label_map(tmp_path / "f.npy", CLASSES)
    np.save(tmp_path / "c.npy", np.zeros((20, 20, 2), np.uint8))
    with pytest.raises(ImageError, match="has 2 channels"):
        read_label_map(tmp_path / "c.npy", CLASSES)


def test_a_palette_that_gives_a_class_another_colour_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "p.png")
    assert read_label_map(path, LabelClasses(count=12, palette=COLOURS)).classes.palette == COLOURS
    with pytest.raises(ImageError, match="the class id 1 is #14fe07, and #000001 in the label maps of the training"):
        read_label_map(path, LabelClasses(count=12, palette=(COLOURS[0], (0, 0, 1))))
    read_label_map(save(tmp_path / "grey.png"), LabelClasses(count=12, palette=((9, 9, 9),)))


def test_one_hot_sums_to_one_and_to_zero_where_pixels_are_ignored() -> None:
    classes = LabelClasses(count=3, ignore=255)
    one_hot = classes.one_hot(classes.to_indices(np.array([[[0], [2], [255]]]), "x"))
    assert (one_hot // 255).tolist() == [[[1, 0, 0], [0, 0, 1], [0, 0, 0]]]


@pytest.mark.parametrize("size", [(7, 5), (40, 30), (3, 2)])
def test_resizing_takes_the_nearest_id(size: tuple[int, int]) -> None:
    ids = np.random.default_rng(0).choice([0, 200], (15, 20, 1)).astype(np.uint16)
    resized = LabelMap(ids, classes=LabelClasses(count=256)).resize(size, Image.Resampling.BICUBIC)
    expected = Image.fromarray(ids[..., 0].astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    assert np.array_equal(resized.values[..., 0], np.asarray(expected))


def test_the_classes_are_kept_in_the_format_with_their_palette() -> None:
    classes = LabelClasses(count=12, ignore=255, palette=COLOURS)
    assert PixelFormat.from_json(PixelFormat.of_labels(classes).to_json()) == PixelFormat.of_labels(classes)
    for bad in ({"count": 1}, {"count": 257}, {"count": 3, "palette": [[0, 0, 256]]}, {"count": 2, "ignore": "x"}, 7):
        with pytest.raises(ValueError, match="labels"):
            PixelFormat.from_json({"labels": bad})


def test_a_sample_grid_shows_the_colours_of_the_classes() -> None:
    classes = LabelClasses(count=3, ignore=255, palette=((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    one_hot = torch.from_numpy(classes.one_hot(np.array([[[0], [1], [3]]])[None])).permute(0, 3, 1, 2) / 127.5 - 1
    pure = torch.tensor([1.0, -1, -1])[None, :, None, None].expand(1, 3, 1, 3)
    formats = (PixelFormat.of_labels(classes), RGB8)
    grid = np.asarray(sample_grid({"input": one_hot, "target": pure}, formats))[14]  # below the titles
    assert grid[:3].tolist() == [[1, 2, 3], [4, 5, 6], [255, 255, 255]]
    assert grid[7].tolist() == [255, 0, 0]
