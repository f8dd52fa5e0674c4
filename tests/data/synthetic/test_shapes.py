import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from i2i.data.layout import detect_layout
from i2i.data.synthetic import generate, synthetic_name
from i2i.data.synthetic.shapes import CLASSES, COLOURS, ImageArray, classify, draw, score
from i2i.errors import DatasetError


def draw_images(count: int, size: int = 32) -> list[ImageArray]:
    return [draw(np.random.SeedSequence([7, index]), "train", "", size)["train"] for index in range(count)]


def test_a_generated_dataset_is_a_folder_of_photos_with_a_recorded_name(tmp_path: Path) -> None:
    root = generate("shapes", tmp_path / "set", train=3, test=1)
    layout = detect_layout(root)
    assert (layout.kind, layout.count()) == ("clean", 3)
    assert synthetic_name(root) == "shapes"
    assert synthetic_name(tmp_path) is None
    (tmp_path / "about.json").write_text("[]")
    assert synthetic_name(tmp_path) is None


@pytest.mark.parametrize("size", [24, 32, 64])
def test_every_drawn_image_is_classified_and_all_classes_occur(size: int) -> None:
    result = score(draw_images(300, size))
    assert result["clean"] == 1
    assert result["kinds"] == len(CLASSES) == 18
    assert result["even"] > 16
    assert result["pictures"] == 300


def test_the_classification_is_the_drawn_class() -> None:
    for image in draw_images(30):
        shape, colour = classify(image) or ("none", "none")
        strength = np.abs(image.astype(int) - image[0, 0]).sum(2)
        inside = strength > strength.max() / 2
        middle = image[inside].mean(0)
        assert np.abs(middle - COLOURS[colour]).max() < 30
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        fill = inside.sum() / box  # π/4 for a circle, 1 for a square, 1/2 for a triangle
        assert fill == pytest.approx({"circle": 0.785, "square": 1.0, "triangle": 0.5}[shape], abs=0.12)


def test_no_shape_touches_the_border_of_its_image() -> None:
    for image in draw_images(200):
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert (edge == edge[0]).all()


def test_a_little_noise_or_blur_leaves_a_shape_clean_and_much_does_not() -> None:
    rng = np.random.default_rng(0)
    images = draw_images(60)

    def clean_share(degraded: list[np.ndarray]) -> float:
        return score([np.clip(image, 0, 255).astype(np.uint8) for image in degraded])["clean"]

    assert clean_share([image + rng.normal(0, 12, image.shape) for image in images]) > 0.95
    assert clean_share([image + rng.normal(0, 60, image.shape) for image in images]) < 0.2
    assert clean_share([cv2.GaussianBlur(image, (0, 0), 0.8) for image in images]) > 0.95
    assert clean_share([cv2.GaussianBlur(image, (0, 0), 3) for image in images]) < 0.3


def test_two_shapes_no_shape_and_half_a_shape_are_not_clean() -> None:
    images = draw_images(60)
    overlaid = [np.minimum(image, other[:, ::-1]) for image, other in itertools.pairwise(images)]
    assert score(overlaid)["clean"] < 0.2
    pairs = zip(images, overlaid, strict=False)
    mean = [((image.astype(int) + other) // 2).astype(np.uint8) for image, other in pairs]
    assert score(mean)["clean"] < 0.3
    for grey in (0, 128, 255):
        assert classify(np.full((32, 32, 3), grey, np.uint8)) is None
    rng = np.random.default_rng(0)
    assert classify(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) is None


def test_a_shape_of_an_unknown_colour_is_not_clean() -> None:
    image = draw_images(1)[0]
    recoloured = np.where(np.abs(image.astype(int) - image[0, 0]).sum(2, keepdims=True) > 60, (0, 255, 255), image)
    assert classify(image) is not None
    assert classify(recoloured.astype(np.uint8)) is None


def test_a_single_class_has_an_even_of_one() -> None:
    result = score([draw_images(1)[0]] * 20)
    assert (result["clean"], result["kinds"], result["even"]) == (1, 1, 1)


def test_a_folder_is_scored_image_by_image_and_an_empty_one_is_rejected(tmp_path: Path) -> None:
    root = generate("shapes", tmp_path / "set", train=4, test=0)
    assert score(root / "train")["pictures"] == 4
    with pytest.raises(DatasetError, match="no images to score"):
        score(root / "test")
