import io
from pathlib import Path

import pytest
from PIL import Image

from i2i.images.quality.jpeg_quality import luminance_table, quality_of_table, read_jpeg_quality
from tests.conftest import random_image


def encode(quality: int, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    random_image(0).convert(mode).save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def test_each_quality_is_found_by_its_table() -> None:
    found = [quality_of_table(luminance_table(encode(quality)) or ()) for quality in range(1, 101)]
    assert found == list(range(1, 101))


@pytest.mark.parametrize(
    ("mode", "options"),
    [("L", {}), ("CMYK", {}), ("RGB", {"progressive": True}),
     ("RGB", {"subsampling": 0, "exif": b"Exif\0\0" + bytes(60000)})],
)  # fmt: skip
def test_the_quality_of_any_kind_of_jpeg_is_read(tmp_path: Path, mode: str, options: dict[str, object]) -> None:
    (tmp_path / "photo.jpg").write_bytes(encode(37, mode, **options))
    assert read_jpeg_quality(tmp_path / "photo.jpg") == 37


def test_the_table_of_a_camera_has_the_quality_of_the_nearest_table() -> None:
    table = [step + 1 for step in luminance_table(encode(60)) or ()]
    assert quality_of_table(table) in (58, 59)


def test_the_order_of_the_steps_does_not_matter(tmp_path: Path) -> None:
    with Image.open(io.BytesIO(encode(37))) as image:
        assert quality_of_table(image.quantization[0]) == 37


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xdb\0\5\0\1\2", b"\x89PNG" + bytes(40), b"\xff\xd8" * 9]
)
def test_other_and_damaged_files_have_no_quality(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(data)
    assert read_jpeg_quality(tmp_path / "photo.jpg") is None
    assert read_jpeg_quality(tmp_path / "missing.jpg") is None
    assert read_jpeg_quality(tmp_path) is None


def test_a_jpeg_that_is_cut_off_anywhere_raises_nothing() -> None:
    data = encode(50)
    for length in range(0, 700, 7):
        luminance_table(data[:length])
