from pathlib import Path

import pytest

from i2i.images.file_names import FilesByName, base_name, closest_names


@pytest.mark.parametrize(
    ("name", "base"),
    [("a.png", "a"), ("a.jpg.png", "a"), ("A.HEIC.JPG", "A"), ("a.b.tif", "a.b"), ("scan", "scan"), ("v1.5", "v1.5"),
     ("a.jpg-2.png", "a.jpg-2"), (".png", ".png")],
)  # fmt: skip
def test_the_base_name_has_no_suffixes_of_images(name: str, base: str) -> None:
    assert base_name(name) == base


@pytest.mark.parametrize(
    ("photo", "files", "closest"),
    [
        ("a.jpg", ["a.png"], ["a.png"]),
        ("a.jpg", ["a.jpg.png", "a.png"], ["a.jpg.png"]),
        ("a.png", ["a.jpg.png", "a.png"], ["a.png"]),
        ("a.tif", ["a.jpg.png", "a.png"], ["a.png"]),
        ("a.tif", ["a.jpg.png", "b.png"], ["a.jpg.png"]),
        ("a.jpg.png", ["a.jpg", "a.png", "b.png"], ["a.jpg"]),
        ("a.jpg.png", ["a.png", "b.png"], ["a.png"]),
        ("a.jpg_large", ["a.png"], ["a.png"]),
        ("v1.5", ["v1.5.png", "v1.png"], ["v1.5.png"]),
        ("a.jpg", ["a.png", "a.tif"], ["a.png", "a.tif"]),
        ("a.jpg", ["ab.png"], []),
    ],
)
def test_the_files_of_a_photo_have_its_name(photo: str, files: list[str], closest: list[str]) -> None:
    found = FilesByName(map(Path, files)).of(Path("photos") / photo)
    assert [path.name for path in closest_names(Path("photos") / photo, found)] == closest
