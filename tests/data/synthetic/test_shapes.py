import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from i2i.data.layout import layout
from i2i.data.synthetic import make, sample_of
from i2i.data.synthetic.shapes import COLOURS, KINDS, Picture, draw, recognise, score
from i2i.errors import DatasetError


def drawn(count: int, size: int = 32) -> list[Picture]:
    return [draw(np.random.SeedSequence([7, index]), "train", "", size)["train"] for index in range(count)]


def test_a_made_set_is_a_folder_of_photos_that_knows_its_name(tmp_path: Path) -> None:
    root = make("shapes", tmp_path / "set", train=3, test=1)
    found = layout(root)
    assert (found.kind, found.count()) == ("clean", 3)
    assert sample_of(root) == "shapes"
    assert sample_of(tmp_path) is None
    (tmp_path / "about.json").write_text("[]")
    assert sample_of(tmp_path) is None


@pytest.mark.parametrize("size", [24, 32, 64])
def test_every_drawn_picture_is_recognised_and_all_kinds_are_drawn(size: int) -> None:
    found = score(drawn(300, size))
    assert found["clean"] == 1
    assert found["kinds"] == len(KINDS) == 18
    assert found["even"] > 16
    assert found["pictures"] == 300


def test_what_is_recognised_is_what_was_drawn() -> None:
    for picture in drawn(30):
        shape, colour = recognise(picture) or ("none", "none")
        strength = np.abs(picture.astype(int) - picture[0, 0]).sum(2)
        inside = strength > strength.max() / 2
        middle = picture[inside].mean(0)
        assert np.abs(middle - COLOURS[colour]).max() < 30
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        fill = inside.sum() / box  # of a circle π/4, of a square all, of a triangle half
        assert fill == pytest.approx({"circle": 0.785, "square": 1.0, "triangle": 0.5}[shape], abs=0.12)


def test_no_shape_touches_the_edge_of_its_picture() -> None:
    for picture in drawn(200):
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (edge == edge[0]).all()


def test_a_little_noise_or_blur_leaves_a_shape_clean_and_much_does_not() -> None:
    rng, pictures = np.random.default_rng(0), drawn(60)

    def share(spoilt: list[np.ndarray]) -> float:
        return score([np.clip(picture, 0, 255).astype(np.uint8) for picture in spoilt])["clean"]

    assert share([picture + rng.normal(0, 12, picture.shape) for picture in pictures]) > 0.95
    assert share([picture + rng.normal(0, 60, picture.shape) for picture in pictures]) < 0.2
    assert share([cv2.GaussianBlur(picture, (0, 0), 0.8) for picture in pictures]) > 0.95
    assert share([cv2.GaussianBlur(picture, (0, 0), 3) for picture in pictures]) < 0.3


def test_two_shapes_no_shape_and_half_a_shape_are_not_clean() -> None:
    pictures = drawn(60)
    two = [np.minimum(picture, other[:, ::-1]) for picture, other in itertools.pairwise(pictures)]
    assert score(two)["clean"] < 0.2
    halves = zip(pictures, two, strict=False)
    mean = [((picture.astype(int) + other) // 2).astype(np.uint8) for picture, other in halves]
    assert score(mean)["clean"] < 0.3
    for grey in (0, 128, 255):
        assert recognise(np.full((32, 32, 3), grey, np.uint8)) is None
    rng = np.random.default_rng(0)
    assert recognise(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) is None


def test_a_colour_that_is_in_no_paintbox_is_not_clean() -> None:
    picture = drawn(1)[0]
    odd = np.where(np.abs(picture.astype(int) - picture[0, 0]).sum(2, keepdims=True) > 60, (0, 255, 255), picture)
    assert recognise(picture) is not None
    assert recognise(odd.astype(np.uint8)) is None


def test_one_kind_over_and_over_is_not_even() -> None:
    found = score([drawn(1)[0]] * 20)
    assert (found["clean"], found["kinds"], found["even"]) == (1, 1, 1)


def test_a_folder_is_scored_picture_by_picture_and_an_empty_one_refused(tmp_path: Path) -> None:
    root = make("shapes", tmp_path / "set", train=4, test=0)
    assert score(root / "train")["pictures"] == 4
    with pytest.raises(DatasetError, match="no pictures to score"):
        score(root / "test")
