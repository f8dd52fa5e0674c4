import pytest
import torch
from torch import Tensor

from i2i.images import to_float, to_uint8
from i2i.losses.pixel import charbonnier
from i2i.metrics.paired import ms_ssim as measured
from i2i.metrics.ssim import ms_ssim


def pictures(seed: int = 0, side: int = 192) -> Tensor:
    coarse = torch.rand(2, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1) * 2 - 1


def test_charbonnier_is_the_absolute_distance_but_smooth_at_zero() -> None:
    x = torch.tensor([0.5, -0.5], requires_grad=True)
    assert charbonnier(x, torch.zeros(2)).item() == pytest.approx(0.5, abs=1e-5)
    at_zero = torch.zeros(3, requires_grad=True)
    charbonnier(at_zero, torch.zeros(3)).backward()
    assert (at_zero.grad == 0).all()


def test_ms_ssim_is_the_metric_of_that_name() -> None:
    x, y = pictures(0), (pictures(0) + 0.3 * pictures(1)).clamp(-1, 1)
    expected = measured(to_uint8(x), to_uint8(y)).mean()
    assert ms_ssim(to_float(to_uint8(x)), to_float(to_uint8(y))).item() == pytest.approx(expected, abs=1e-3)


def test_ms_ssim_is_1_for_equal_pictures_and_falls_with_the_damage() -> None:
    truth = pictures()
    assert ms_ssim(truth, truth).item() == pytest.approx(1, abs=1e-5)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(5))
    found = [ms_ssim(truth + strength * noise, truth).item() for strength in (0.05, 0.2, 0.8)]
    assert sorted(found, reverse=True) == found


@pytest.mark.parametrize("side", [16, 40, 96])
def test_ms_ssim_takes_pictures_too_small_for_all_its_scales(side: int) -> None:
    truth = pictures(0, side)
    assert ms_ssim(truth, truth).item() == pytest.approx(1, abs=1e-5)


def test_ms_ssim_can_be_learnt_from() -> None:
    x = pictures(1, 48).requires_grad_()
    (1 - ms_ssim(x, pictures(0, 48))).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
