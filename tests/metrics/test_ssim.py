import pytest
import torch
from torch import Tensor

from i2i.images import to_float, to_uint8
from i2i.metrics.paired import ms_ssim as ms_ssim_metric
from i2i.metrics.ssim import ms_ssim


def images(seed: int = 0, side: int = 192) -> Tensor:
    coarse = torch.rand(2, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1) * 2 - 1


def test_the_ms_ssim_loss_equals_the_ms_ssim_metric() -> None:
    x, y = images(0), (images(0) + 0.3 * images(1)).clamp(-1, 1)
    expected = ms_ssim_metric(to_uint8(x), to_uint8(y)).mean()
    assert ms_ssim(to_float(to_uint8(x)), to_float(to_uint8(y))).item() == pytest.approx(expected, abs=1e-3)


def test_ms_ssim_is_1_for_equal_images_and_falls_with_the_noise() -> None:
    target = images()
    assert ms_ssim(target, target).item() == pytest.approx(1, abs=1e-5)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(5))
    values = [ms_ssim(target + sigma * noise, target).item() for sigma in (0.05, 0.2, 0.8)]
    assert sorted(values, reverse=True) == values


@pytest.mark.parametrize("side", [16, 40, 96])
def test_ms_ssim_accepts_images_too_small_for_all_five_scales(side: int) -> None:
    target = images(0, side)
    assert ms_ssim(target, target).item() == pytest.approx(1, abs=1e-5)


def test_ms_ssim_has_a_finite_gradient() -> None:
    x = images(1, 48).requires_grad_()
    (1 - ms_ssim(x, images(0, 48))).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
