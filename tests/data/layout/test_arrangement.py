from pathlib import Path

import pytest

from i2i.data.layout import Kind, Layout, detect_layout
from i2i.errors import DatasetError
from tests.data.layout.images import save_images


def names_by_split(layout: Layout) -> dict[str, list[list[str]]]:
    """Return the names of the first files of each domain, or of the first pair, by split."""
    domains = {}
    for split, items in layout.splits.items():
        firsts = [items[0][0]] if layout.kind == "paired" else [domain[0] for domain in items]
        domains[split] = [[layout.relative_name(path) for path in first] for first in firsts]
    return domains


@pytest.mark.parametrize("a", ["trainA", "TrainA", "traina", "train_A", "TRAIN-A"])
def test_names_of_domains_are_recognised_in_any_case(tmp_path: Path, a: str) -> None:
    root = save_images(tmp_path, f"{a}/1.png", f"{a[:-1]}b/2.png", f"{a.replace('rain', 'est')}/3.png", "testB/4.png")
    layout = detect_layout(root, "unpaired")
    assert layout.kind == "unpaired"
    assert names_by_split(layout)["train"] == [[f"{a}/1.png"], [f"{a[:-1]}b/2.png"]]


@pytest.mark.parametrize("couple", ["A B", "a b", "input target", "Inputs Targets", "source target", "lq gt", "LR HR"])
@pytest.mark.parametrize("place", ["{domain}/{name}", "{split}/{domain}/{name}", "{domain}/{split}/{name}"])
@pytest.mark.parametrize("needed", ["paired", "unpaired", None])
def test_two_folders_are_found_with_their_splits(tmp_path: Path, couple: str, place: str, needed: Kind | None) -> None:
    splits = ["train", "test", "val"] if "split" in place else ["train"]
    for split in splits:
        for domain in couple.split():
            save_images(tmp_path, place.format(domain=domain, split=split, name=f"{split}1.png"))
    layout = detect_layout(tmp_path, needed)
    assert layout.kind == (needed or "paired")
    assert layout.count() == 1
    files = [[place.format(domain=d, split="train", name="train1.png")] for d in couple.split()]
    assert names_by_split(layout)["train"] == (
        [[a + b for a, b in [("", x) for (x,) in files]]] if layout.kind == "paired" else files
    )
    assert set(layout.splits) == set(splits)


@pytest.mark.parametrize("place", ["{domain}/{name}", "train/{domain}/{name}", "{domain}/train/{name}"])
def test_the_method_decides_what_two_folders_of_any_names_are(tmp_path: Path, place: str) -> None:
    for domain in ("horses", "zebras"):
        save_images(tmp_path, place.format(domain=domain, name="1.png"))
    assert detect_layout(tmp_path, "unpaired").kind == "unpaired"
    assert detect_layout(tmp_path, "paired").name == "pairs"
    assert detect_layout(tmp_path, "clean").kind == "clean"
    assert detect_layout(tmp_path).kind == "clean"


@pytest.mark.parametrize("extra", ["1.png", "cats/1.png"])
def test_further_images_make_two_folders_of_any_names_photos(tmp_path: Path, extra: str) -> None:
    save_images(tmp_path, "horses/1.png", "zebras/1.png", extra)
    (tmp_path / "empty").mkdir()
    assert detect_layout(tmp_path, "unpaired").kind == "clean"


def test_a_split_in_one_of_two_folders_is_an_error(tmp_path: Path) -> None:
    save_images(tmp_path, "A/train/1.png", "B/1.png")
    with pytest.raises(DatasetError, match=r"A has the folder train/, .*B has none"):
        detect_layout(tmp_path)


def test_equal_names_do_not_make_two_folders_pairs_for_a_method_that_needs_none(tmp_path: Path) -> None:
    save_images(tmp_path, "A/1.png", "A/2.png", "B/1.png")
    layout = detect_layout(tmp_path, "unpaired")
    assert (layout.kind, [len(domain) for domain in layout.splits["train"]]) == ("unpaired", [2, 1])


def test_without_equal_names_two_folders_are_unpaired_if_the_method_is_unknown(tmp_path: Path) -> None:
    save_images(tmp_path, "A/1.png", "B/2.png")
    assert detect_layout(tmp_path).kind == "unpaired"
    with pytest.raises(DatasetError, match=r"A/ has 1\.png, B/ has 2\.png, and the names of a pair must be equal"):
        detect_layout(tmp_path, "paired")
