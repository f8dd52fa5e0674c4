import math

import pytest
import torch

from i2i.losses.pixel import charbonnier, robust_colour_distance


def test_charbonnier_is_the_l1_distance_smoothed_at_zero() -> None:
    x = torch.tensor([0.5, -0.5], requires_grad=True)
    assert charbonnier(x, torch.zeros(2)).item() == pytest.approx(0.5, abs=1e-5)
    at_zero = torch.zeros(3, requires_grad=True)
    charbonnier(at_zero, torch.zeros(3)).backward()
    assert (at_zero.grad == 0).all()


@pytest.mark.parametrize("change", [0.0, 0.02, 0.2, 1.0])
def test_the_robust_distance_of_a_uniform_change_is_the_formula(change: float) -> None:
    source = torch.zeros(2, 3, 8, 8)
    expected = change**2 / (change**2 + 0.2**2)
    assert float(robust_colour_distance(source + change, source)) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_large_change_has_a_smaller_gradient_than_a_small_one() -> None:
    def gradient(change: float) -> float:
        output = torch.full((1, 3, 4, 4), change, requires_grad=True)
        robust_colour_distance(output, torch.zeros(1, 3, 4, 4)).backward()
        assert output.grad is not None
        return float(output.grad.sum())

    assert gradient(0.1) > 10 * gradient(1.0) > 0


def test_texture_with_the_same_mean_colour_has_no_distance() -> None:
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
