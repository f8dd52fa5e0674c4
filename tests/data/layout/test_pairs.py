from pathlib import Path

import pytest

from i2i.data.audit import audit
from i2i.data.layout import detect_layout
from i2i.errors import DatasetError
from tests.data.layout.images import save_images

NEAR_MISSES = [
    (["A/Img0.png", "A/Img1.png"], ["B/img0.png", "B/img1.png"], "A/ has Img0.png, B/ has img0.png: .* differ in case"),
    (["A/0_A.png", "A/1_A.png"], ["B/0_B.png", "B/1_B.png"], "A/ has 0_A.png, B/ has 0_B.png: .*--pair-suffixes _A _B"),
    (["A/0.png", "A/1.png"], ["B/0_mask.png", "B/1_mask.png"], "has 0.png, B/ has 0_mask.png: .* '' _mask"),
    (
        ["A/in_0.png", "A/in_1.png"],
        ["B/out_0.png", "B/out_1.png"],
        "B/ has out_0.png: .*'in_' and 'out_'",
    ),
    (["A/x/0.png"], ["B/0.png"], "A/ has x/0.png, B/ has 0.png: the names agree and the subfolders differ"),
]


@pytest.mark.parametrize(("a", "b", "sentence"), NEAR_MISSES)
def test_names_that_nearly_agree_are_shown_with_what_to_do_by_train_and_check_alike(
    tmp_path: Path, a: list[str], b: list[str], sentence: str
) -> None:
    save_images(tmp_path, *a, *b)
    with pytest.raises(DatasetError, match=sentence) as error:
        detect_layout(tmp_path, "paired")
    assert audit(tmp_path).findings[0].text in str(error.value)


def test_names_of_numbers_are_no_near_miss(tmp_path: Path) -> None:
    save_images(tmp_path, "A/img1.png", "A/img3.png", "B/img2.png", "B/img4.png")
    assert detect_layout(tmp_path).kind == "unpaired"


@pytest.mark.parametrize(("a", "b", "suffixes"), [("A/{}_A", "B/{}_B", ("_A", "_B")), ("A/{}", "B/{}_m", ("", "_m")),
                                                  ("{}_in", "{}_out", ("_in", "_out")), ("{}", "{}x2", ("", "x2")),
                                                  ("train/{}_in", "train/{}_out", ("_in", "_out"))])  # fmt: skip
def test_pairs_are_found_by_the_ends_of_their_names(tmp_path: Path, a: str, b: str, suffixes: tuple[str, str]) -> None:
    save_images(tmp_path, *(f"{name.format(k)}.png" for name in (a, b) for k in "pq"), f"{a.format('alone')}.png")
    layout = detect_layout(tmp_path, pair_suffixes=suffixes)
    assert (layout.kind, layout.name) == ("paired", "pairs")
    pairs = [tuple(layout.relative_name(path) for path in item) for item in layout.splits["train"][0]]
    assert pairs == [(f"{a.format(k)}.png", f"{b.format(k)}.png") for k in "pq"]
    assert [layout.relative_name(path) for path in layout.without_partner] == [f"{a.format('alone')}.png"]


def test_ends_that_no_names_have_are_an_error(tmp_path: Path) -> None:
    save_images(tmp_path, "1_in.png", "1_out.png")
    with pytest.raises(DatasetError, match=r"no two images whose names differ only by _a and _b \(it has 1_in\.png"):
        detect_layout(tmp_path, pair_suffixes=("_a", "_b"))
    with pytest.raises(DatasetError, match="must differ"):
        detect_layout(tmp_path, pair_suffixes=("_in", "_in"))
