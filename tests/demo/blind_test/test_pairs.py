import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i.data.layout import pictures
from i2i.demo.blind_test.pairs import Deck, Showing, exhibits, find, side_by_side
from i2i.errors import PictureError, UsageError
from i2i.images import read
from tests.conftest import picture, write_pictures
from tests.demo.drawn_images import halves_of

Header = dict[str, Any]


def header(name: str, directions: tuple[str, ...] = ("AtoB",), **more: Any) -> Header:
    return {"directions": list(directions), "size": 16, "data": {"name": name},
            "settings": {"data": {"fit": "stretch"}}, **more}  # fmt: skip


def darker(model: str, direction: str, image: Image.Image) -> Image.Image:
    return image.point(lambda level: level // 2)


def test_a_model_is_judged_on_the_test_pictures_of_what_it_learnt_from(unpaired: Path) -> None:
    found, missing = exhibits({"run": header("two", ("AtoB", "BtoA"))})
    assert [exhibit.title for exhibit in found] == ["run, A to B (two)", "run, B to A (two)"]
    assert not missing
    showing = Showing(found[0], None, darker)
    seen = {showing.draw() for _ in range(4)}
    for index in seen:
        made, real = showing.pair(index)
        source = read(pictures(unpaired / "testA")[index])
        assert made.tobytes() == darker("", "", source).tobytes()
        assert real.tobytes() in {read(path).tobytes() for path in pictures(unpaired / "testB")}
    assert seen == {0, 1, 2, 3}


def test_of_pairs_the_real_one_is_the_truth_of_the_same_input(paired: Path) -> None:
    (exhibit,), _ = exhibits({"run": header("pairs", ("BtoA",))})
    made, real = Showing(exhibit, None, darker).pair(2)
    joined = read(pictures(paired / "test")[2])
    assert made.tobytes() == darker("", "", joined.crop((16, 0, 32, 16))).tobytes()
    assert real.tobytes() == joined.crop((0, 0, 16, 16)).tobytes()


def test_two_models_are_given_the_same_picture(unpaired: Path) -> None:
    (one, other), _ = exhibits({"one": header("two"), "other": header("two", size=32)})
    seen = []

    def spy(model: str, direction: str, image: Image.Image) -> Image.Image:
        seen.append((model, image.size, image.tobytes()))
        return image

    Showing(one, other, spy).pair(0)
    assert [model for model, _, _ in seen] == ["one", "other"]
    assert seen[0][1:] == seen[1][1:]
    assert seen[0][1] == (32, 32)


def test_rivals_make_the_same_of_the_same(unpaired: Path, paired: Path) -> None:
    found, _ = exhibits({"a": header("two", ("AtoB", "BtoA")), "b": header("two"), "c": header("pairs")})
    assert [rival.title for rival in found[0].rivals(found)] == ["b, A to B (two)"]
    assert found[1].rivals(found) == []


def test_a_restored_photo_is_held_against_the_photo_before_it_was_damaged() -> None:
    write_pictures(Path("datasets/photos/train"), 3, width=300)
    paths = write_pictures(Path("datasets/photos/test"), 3, width=300, seed=5)
    for path in paths:
        picture(1, 300, 300).save(path)
    task = {"task": "denoise", "sigma": [10.0, 30.0]}
    (exhibit,), missing = exhibits({"run": header("photos", task=task)})
    assert not missing
    made, real = Showing(exhibit, None, lambda model, direction, image: image).pair(0)
    assert made.size == real.size == (256, 256)
    assert made.tobytes() != real.tobytes()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("elsewhere", "not on this machine"),
        ("", "learnt from pictures without a name"),
        ("../datasets/two", "not on this machine"),
        (".", "not on this machine"),
        ("untested", "untested has no test pictures"),
    ],
)
def test_a_model_without_pictures_is_not_offered_and_told_why(unpaired: Path, name: str, reason: str) -> None:
    for part in ("trainA", "trainB"):
        write_pictures(Path("datasets/untested") / part, 2)
    found, (sentence,) = exhibits({"run": header(name)})
    assert not found
    assert sentence.startswith("run: ")
    assert reason in sentence


def test_a_header_that_says_nothing_is_told_and_holds_up_nobody_else(unpaired: Path) -> None:
    found, missing = exhibits({"odd": {"directions": ["AtoB"], "size": "big", "data": 3}, "run": header("two")})
    assert [exhibit.model for exhibit in found] == ["run"]
    assert len(missing) == 1
    with pytest.raises(UsageError, match="Choose a model"):
        find(found, "odd")


def test_nothing_but_pixels_leaves_and_both_halves_go_one_way() -> None:
    left, right = picture(1), picture(2)
    left.info |= {"exif": b"Exif\0\0secret", "icc_profile": b"secret", "comment": "translated"}
    png = side_by_side(left, right)
    assert b"secret" not in png
    assert b"translated" not in png
    assert [half.tobytes() for half in halves_of(png)] == [left.tobytes(), right.tobytes()]
    with pytest.raises(PictureError, match="differ in size"):
        side_by_side(left, picture(2, 20, 16))


def test_all_come_once_before_any_comes_again() -> None:
    deck = Deck(5, random.Random(3))
    drawn = [deck.draw() for _ in range(15)]
    assert [sorted(drawn[start : start + 5]) for start in (0, 5, 10)] == [list(range(5))] * 3
    assert drawn[:5] != drawn[5:10]
