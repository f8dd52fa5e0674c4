"""The parts of the benchmarks that compute a figure."""

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.background import box_mask, load_boxes, measure_change


def test_a_box_is_given_in_eighths_of_the_side() -> None:
    mask = box_mask([(2, 1, 4, 8)], width=16, height=8)
    assert mask[1:, 4:8].all()
    assert mask.sum() == 7 * 4


def test_changes_inside_and_outside_the_boxes_are_measured_apart() -> None:
    source = np.zeros((8, 8, 3), np.uint8)
    translated = source.copy()
    translated[:, :4] = 100
    translated[:, 4:] = 3
    change = measure_change(Image.fromarray(source), Image.fromarray(translated), [(0, 0, 4, 8)])
    assert (change.animal, change.ground) == (pytest.approx(100), pytest.approx(3))


def test_twenty_images_have_boxes_within_the_image() -> None:
    boxes = load_boxes()
    assert len(boxes) == 20
    for left, top, right, bottom in (box for rows in boxes.values() for box in rows):
        assert 0 <= left < right <= 8
        assert 0 <= top < bottom <= 8
