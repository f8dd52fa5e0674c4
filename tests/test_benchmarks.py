"""The parts of the benchmarks that compute a figure."""

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.networks import ResnetConfig
from tests.benchmarks.background import box_mask, load_boxes, measure_change
from tests.benchmarks.norm_spikes import measure, spike


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


def test_a_spike_of_one_location_holds_nearly_all_of_the_variance() -> None:
    x = torch.randn(1, 4, 10, 10, generator=torch.Generator().manual_seed(0))
    even = spike(x, x)
    x[..., 3, 4] = 1000
    assert even.share < 0.06
    assert spike(x, x).share > 0.98
    assert spike(x, x).largest == 1000


def test_every_instance_norm_of_a_network_is_measured() -> None:
    network = ResnetConfig(ngf=2, blocks=1).build(16)
    rows = measure(network, [torch.rand(1, 3, 16, 16) * 2 - 1 for _ in range(2)])
    assert len(rows) == 3 + 2 + 2
    assert all(0 < row.share < 1 for row in rows.values())
