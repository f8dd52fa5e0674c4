from pathlib import Path

import pytest
from PIL import Image

from i2i.data.layout import detect_layout, find_dataset, list_images, pair_by_stem
from i2i.errors import DatasetError


def save_image(path: Path, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "teal").save(path)
    return path


def test_trainA_and_trainB_are_unpaired_data_and_an_epoch_has_the_length_of_the_larger(tmp_path: Path) -> None:
    for name in ("trainA/1.png", "trainA/2.png", "trainB/1.png", "testA/1.png", "testB/1.png"):
        save_image(tmp_path / name)
    layout = detect_layout(tmp_path)
    assert (layout.kind, list(layout.splits), layout.count()) == ("unpaired", ["train", "test"], 2)


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_A_and_B_are_paired_by_name_whatever_the_suffix(tmp_path: Path, prefix: str) -> None:
    for name in ("A/1.png", "A/deep/2.png", "B/1.jpg", "B/deep/2.png", "B/3.png"):
        save_image(tmp_path / prefix / name)
    layout = detect_layout(tmp_path)
    names = [
        tuple(path.relative_to(tmp_path / prefix).as_posix() for path in item) for item in layout.splits["train"][0]
    ]
    assert layout.kind == "paired"
    assert names == [("A/1.png", "B/1.jpg"), ("A/deep/2.png", "B/deep/2.png")]
    assert pair_by_stem(tmp_path / prefix / "A", tmp_path / prefix / "B")[1] == [tmp_path / prefix / "B/3.png"]


@pytest.mark.parametrize(("size", "kind"), [((16, 8), "paired"), ((12, 8), "clean")])
def test_images_twice_as_wide_as_high_in_train_are_side_by_side_pairs(
    tmp_path: Path, size: tuple[int, int], kind: str
) -> None:
    save_image(tmp_path / "train/1.png", size)
    assert detect_layout(tmp_path).kind == kind


def test_a_folder_of_photos_is_clean_data_at_any_depth(tmp_path: Path) -> None:
    for name in ("b.png", "a/1.JPG"):
        save_image(tmp_path / name)
    assert detect_layout(tmp_path).kind == "clean"
    assert detect_layout(tmp_path).count() == 2


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    for name in ("1.png", "._1.png", ".trash/2.png"):
        save_image(tmp_path / name)
    assert list_images(tmp_path) == [tmp_path / "1.png"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["trainA/1.png"], "has no trainB/"),
        (["trainA/1.png", "trainB/1.txt"], "trainB holds no images"),
        (["A/1_a.png", "B/1_b.png"], "no file of A/ has a partner"),
        (["train/1.txt"], "train holds no images"),
        ([], "it is empty"),
    ],
)
def test_the_error_for_an_unusable_folder_names_what_is_missing(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match=message):
        detect_layout(tmp_path)


def test_the_fingerprint_changes_when_a_training_file_changes_size(tmp_path: Path) -> None:
    path = save_image(tmp_path / "train/1.png")
    test_path = save_image(tmp_path / "test/1.png")
    before = detect_layout(tmp_path).fingerprint()
    test_path.write_bytes(test_path.read_bytes() + b"\0")
    assert detect_layout(tmp_path).fingerprint() == before
    path.write_bytes(path.read_bytes() + b"\0")
    assert detect_layout(tmp_path).fingerprint() != before


def test_a_name_is_searched_in_datasets_and_then_in_the_folders_of_I2I_DATASETS(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("I2I_DATASETS", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    (tmp_path / "two/mine").mkdir(parents=True)
    assert find_dataset("mine") == tmp_path / "two/mine"
    (tmp_path / "datasets/mine").mkdir(parents=True)
    assert find_dataset("mine") == Path("datasets/mine")
    assert find_dataset("../mine") is None
    assert find_dataset(str(tmp_path / "nowhere")) is None
