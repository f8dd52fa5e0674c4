from pathlib import Path

import pytest

from i2i.data.layout import Kind, LayoutName, detect_layout
from i2i.errors import DatasetError
from tests.data.layout.images import save_images


@pytest.mark.parametrize(("needed", "kind"), [("clean", "clean"), ("paired", "paired"), (None, "paired")])
def test_panoramas_are_photos_for_a_method_that_takes_photos(tmp_path: Path, needed: Kind | None, kind: Kind) -> None:
    save_images(tmp_path, "1.png", "2.png", size=(16, 8))
    assert detect_layout(tmp_path, needed).kind == kind
    assert detect_layout(tmp_path, needed, name="photos").kind == "clean"


@pytest.mark.parametrize(("size", "needed", "kind"), [((64, 25), "paired", "paired"), ((64, 25), None, "clean"),
                                                      ((12, 8), "paired", "clean")])  # fmt: skip
def test_wide_images_of_one_shape_are_pairs_for_a_method_that_needs_pairs(
    tmp_path: Path, size: tuple[int, int], needed: Kind | None, kind: Kind
) -> None:
    save_images(tmp_path, "train/1.png", "train/2.png", size=size)
    assert detect_layout(tmp_path, needed).kind == kind
    assert detect_layout(tmp_path, needed, name="side-by-side").name == "side-by-side"


@pytest.mark.parametrize(("name", "kind", "count"), [("unpaired", "unpaired", 2), ("pairs", "paired", 1),
                                                     ("photos", "clean", 3)])  # fmt: skip
@pytest.mark.parametrize("needed", ["paired", "unpaired", "clean", None])
def test_a_stated_layout_is_used_whatever_the_method_needs(
    tmp_path: Path, name: LayoutName, kind: Kind, count: int, needed: Kind | None
) -> None:
    save_images(tmp_path, "trainA/1.png", "trainA/2.png", "trainB/1.png", "testA/3.png", "testB/3.png")
    layout = detect_layout(tmp_path, needed, name=name)
    assert (layout.kind, layout.count(), set(layout.splits)) == (kind, count, {"train", "test"})


@pytest.mark.parametrize("name", ["unpaired", "pairs", "superres"])
def test_a_stated_layout_of_two_folders_needs_them(tmp_path: Path, name: LayoutName) -> None:
    save_images(tmp_path, "1.png")
    with pytest.raises(DatasetError, match=f"--layout {name} needs two folders"):
        detect_layout(tmp_path, name=name)


@pytest.mark.parametrize("needed", ["paired", "unpaired", "clean", None])
@pytest.mark.parametrize("inner", ["trainA trainB", "A B", "train test", "train/A train/B"])
def test_a_dataset_one_folder_deeper_is_named(tmp_path: Path, inner: str, needed: Kind | None) -> None:
    save_images(tmp_path, *(f"horse/{folder}/1.png" for folder in inner.split()))
    with pytest.raises(DatasetError, match=rf"one folder deeper\. Give {tmp_path / 'horse'}\."):
        detect_layout(tmp_path, needed)


def test_a_folder_of_datasets_is_no_dataset(tmp_path: Path) -> None:
    save_images(tmp_path, "one/trainA/1.png", "one/trainB/1.png", "two/train/1.png", "two/test/2.png")
    with pytest.raises(DatasetError, match=r"holds several datasets \(one, two\)"):
        detect_layout(tmp_path, "clean")


def test_one_domain_of_a_dataset_is_no_dataset_for_two_domains(tmp_path: Path) -> None:
    save_images(tmp_path, "trainA/1.png", "trainB/1.png")
    with pytest.raises(DatasetError, match=rf"Give the folder above it, {tmp_path}\."):
        detect_layout(tmp_path / "trainA", "unpaired")
    assert detect_layout(tmp_path / "trainA", "clean").count() == 1


def test_without_a_folder_train_the_test_images_are_no_training_images(tmp_path: Path) -> None:
    save_images(tmp_path, "1.png", "more/2.png", "Test/3.png", "val/4.png")
    layout = detect_layout(tmp_path)
    counts = {split: layout.count(split) for split in layout.splits}
    assert (layout.kind, counts) == ("clean", {"train": 2, "val": 1, "test": 1})


def test_linked_folders_of_a_domain_are_read(tmp_path: Path) -> None:
    save_images(tmp_path, "d/trainA/1.png", "d/trainB/1.png", "store/2.png")
    (tmp_path / "d/trainA/more").symlink_to("../../store")
    assert detect_layout(tmp_path / "d").count() == 2
