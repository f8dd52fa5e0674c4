import pytest
import torch
from torch import Tensor

from i2i.losses.pixel import charbonnier, psnr
from i2i.losses.structure import ms_ssim, ssim_parts


def pictures(seed: int = 0, side: int = 192) -> Tensor:
    coarse = torch.rand(2, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1) * 2 - 1


def test_charbonnier_is_the_absolute_distance_but_smooth_at_zero() -> None:
    x = torch.tensor([0.5, -0.5], requires_grad=True)
    assert charbonnier(x, torch.zeros(2)).item() == pytest.approx(0.5, abs=1e-5)
    at_zero = torch.zeros(3, requires_grad=True)
    charbonnier(at_zero, torch.zeros(3)).backward()
    assert (at_zero.grad == 0).all()


def test_psnr_is_20_log10_of_the_range_over_the_error_and_clips_first() -> None:
    truth = torch.zeros(1, 3, 8, 8)
    assert psnr(truth + 2 * 25.5 / 255, truth) == pytest.approx(20, abs=1e-3)
    assert psnr(torch.full((1, 3, 8, 8), 7.0), torch.ones(1, 3, 8, 8)) == 106.02059936523438


def test_psnr_is_the_mean_over_pictures() -> None:
    truth = torch.zeros(2, 3, 8, 8)
    errors = torch.tensor([0.02, 0.2]).view(2, 1, 1, 1)
    assert psnr(truth + errors, truth) == pytest.approx((40 + 20) / 2, abs=1e-3)


def test_ssim_agrees_with_the_library_at_every_place() -> None:
    from kornia.metrics import ssim

    x, y = pictures(0, 48), pictures(1, 48)
    light, structure = ssim_parts(x, y)
    expected = ssim((x + 1) / 2, (y + 1) / 2, 11, padding="valid")
    # Of a range of 1, on the other side of zero: the luminance term sees other means.
    assert structure.shape == expected.shape
    shifted, same = ssim_parts(x + 1, y + 1)
    assert torch.allclose(shifted * same, expected, atol=1e-4)
    assert torch.allclose(structure, same, atol=1e-4)
    assert light.max() <= 1 + 1e-5


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
