import math

import pytest
import torch

from i2i.losses.pixel import robust_colour_distance


@pytest.mark.parametrize("change", [0.0, 0.02, 0.2, 1.0])
def test_the_robust_distance_of_an_even_change_is_the_formula(change: float) -> None:
    source = torch.zeros(2, 3, 8, 8)
    expected = change**2 / (change**2 + 0.2**2)
    assert float(robust_colour_distance(source + change, source)) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_large_change_is_pulled_back_less_than_a_small_one() -> None:
    def slope(change: float) -> float:
        output = torch.full((1, 3, 4, 4), change, requires_grad=True)
        robust_colour_distance(output, torch.zeros(1, 3, 4, 4)).backward()
        assert output.grad is not None
        return float(output.grad.sum())

    assert slope(0.1) > 10 * slope(1.0) > 0


def test_texture_that_leaves_the_mean_colour_does_not_count() -> None:
    source = torch.zeros(1, 3, 8, 8)
    stripes = source.clone()
    stripes[..., ::2], stripes[..., 1::2] = 0.5, -0.5
    assert float(robust_colour_distance(stripes, source)) == pytest.approx(0, abs=1e-12)
    assert float(robust_colour_distance(stripes, source, reduction=1)) > 0.8


def test_no_gradient_flows_into_the_source() -> None:
    source = torch.zeros(1, 3, 4, 4, requires_grad=True)
    output = torch.ones(1, 3, 4, 4, requires_grad=True)
    robust_colour_distance(output, source).backward()
    assert source.grad is None
    assert output.grad is not None
    assert math.isfinite(float(output.grad.sum()))
