import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from i2i.losses.augment import (
    ADA_INTERVAL,
    AdaptiveAugment,
    Augment,
    AugmentParams,
    DiffAugment,
    apply_params,
    sample_params,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def images(count: int = 2, channels: int = 3, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(count, channels, height, width, dtype=torch.float64) * 2 - 1


def augment_by_hand(image: np.ndarray, params: AugmentParams, index: int) -> np.ndarray:
    """Augment one image (3, H, W), pixel by pixel, by the formulas of Zhao et al. 2020."""
    brightness, saturation, contrast = (float(values[index]) for values in params[:3])
    (down, right), (row, column) = params.translation[index].tolist(), params.cutout[index].tolist()
    _, height, width = image.shape
    x = image + brightness
    for i in range(height):
        for j in range(width):
            grey = x[:, i, j].mean()
            x[:, i, j] = grey + saturation * (x[:, i, j] - grey)
    x = x.mean() + contrast * (x - x.mean())
    translated = np.zeros_like(x)
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                translated[:, i, j] = x[:, i - down, j - right]
    cutout_height, cutout_width = math.floor(height / 2 + 0.5), math.floor(width / 2 + 0.5)
    for i in range(row - cutout_height // 2, row - cutout_height // 2 + cutout_height):
        for j in range(column - cutout_width // 2, column - cutout_width // 2 + cutout_width):
            if 0 <= i < height and 0 <= j < width:
                translated[:, i, j] = 0
    return translated


@pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 13)])
def test_augmentation_equals_the_formulas_pixel_by_pixel(height: int, width: int) -> None:
    x = images(6, 3, height, width)
    params = sample_params(x)
    result = apply_params(x, params).numpy()
    for index, image in enumerate(x.numpy()):
        np.testing.assert_allclose(result[index], augment_by_hand(image, params, index), atol=1e-12)


def test_condition_and_image_get_the_same_params_with_their_own_means() -> None:
    a, b = images(3), images(3)
    params = sample_params(a)
    joint = apply_params(torch.cat([a, b], 1), params)
    torch.testing.assert_close(joint, torch.cat([apply_params(a, params), apply_params(b, params)], 1))


def test_params_have_the_published_ranges_and_differ_for_each_image() -> None:
    params = sample_params(torch.zeros(2000, 3, 16, 24))
    for values, low, high in ((params.brightness, -0.5, 0.5), (params.saturation, 0, 2), (params.contrast, 0.5, 1.5)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high >= values.max() > high - 0.01 * (high - low)
        assert len(values.unique()) > 1900
    assert [sorted(set(axis.tolist())) for axis in params.translation.T] == [[*range(-2, 3)], [*range(-3, 4)]]
    assert [sorted(set(axis.tolist())) for axis in params.cutout.T] == [[*range(17)], [*range(25)]]


def test_values_outside_the_range_are_not_clipped() -> None:
    bright = torch.ones(64, 3, 4, 4)
    assert apply_params(bright, sample_params(bright)).max() > 1


def test_probability_0_is_the_identity_and_1_is_diffaugment() -> None:
    x = torch.rand(8, 6, 15, 16) * 2 - 1
    assert torch.equal(apply_params(x, sample_params(x, torch.zeros(()))), x)
    torch.manual_seed(1)
    always = apply_params(x, sample_params(x, torch.ones(())))
    torch.manual_seed(1)
    assert torch.equal(always, apply_params(x, DiffAugment().sample_params(x)))


def test_each_operation_is_applied_independently_with_probability_p() -> None:
    identity = sample_params(torch.zeros(1, 3, 16, 16), torch.zeros(()))
    params = sample_params(torch.zeros(4000, 3, 16, 16), torch.tensor(0.3))
    applied = torch.stack(
        [(values != neutral).flatten(1).any(1) for values, neutral in zip(params, identity, strict=True)]
    )
    expected = torch.tensor([0.3, 0.3, 0.3, 0.3 * 24 / 25, 0.3])  # one of 25 translations is 0
    torch.testing.assert_close(applied.double().mean(1), expected.double(), atol=0.03, rtol=0)
    torch.testing.assert_close(torch.corrcoef(applied.double()), torch.eye(5).double(), atol=0.06, rtol=0)


def test_every_operation_is_twice_differentiable() -> None:
    x = images(2, 3, 4, 6).requires_grad_()
    params = sample_params(x)
    assert gradcheck(lambda y: apply_params(y, params), x)
    assert gradgradcheck(lambda y: apply_params(y, params).square(), x)


def test_no_augmentation_returns_its_input_and_draws_no_random_numbers() -> None:
    x, before = images(), torch.get_rng_state()
    assert apply_params(x, Augment().sample_params(x)) is x
    assert torch.equal(torch.get_rng_state(), before)


def logits(*values: float) -> list[Tensor]:
    return [torch.tensor(values)]


def test_ada_adjusts_p_every_four_batches_so_that_500_thousand_images_take_it_to_1() -> None:
    ada = AdaptiveAugment(0.0, target=0.6, num_images=500_000)
    for _ in range(ADA_INTERVAL - 1):
        ada.update_stats(logits(3.0, 2.0))
    assert ada.p == 0
    ada.update_stats(logits(3.0, 2.0))
    assert ada.p.item() == pytest.approx(2 * 4 / 500_000)


@pytest.mark.parametrize(
    ("threshold", "real", "rises"),
    [
        (0.0, (1.0, 1.0, 1.0, -1.0, 1.0), False),  # r is exactly the target 0.6
        (0.0, (9.0,) * 9 + (-1.0,), True),  # 0.8
        (0.0, (9.0,) * 7 + (-1.0,) * 3, False),  # 0.4
        (0.5, (0.4,) * 10, False),
        (0.5, (0.6,) * 10, True),
    ],
)
def test_p_rises_if_more_real_images_than_the_target_are_classified_as_real(
    threshold: float, real: tuple[float, ...], rises: bool
) -> None:
    ada = AdaptiveAugment(threshold, target=0.6, num_images=100)
    ada.p.fill_(0.5)
    for _ in range(ADA_INTERVAL):
        ada.update_stats(logits(*real))
    assert (ada.p > 0.5) == rises


def test_ada_uses_all_batches_since_the_last_adjustment() -> None:
    ada = AdaptiveAugment(0.0, target=0.6, num_images=100)
    for batch in (1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):  # r is 0.5, then 1
        ada.update_stats(logits(batch))
    assert ada.p.item() == pytest.approx(0.04)
    for batch in (1.0, 1.0, 1.0, -1.0):
        ada.update_stats(logits(batch))
    assert ada.p == 0


@pytest.mark.parametrize(("real", "end"), [(1.0, 1.0), (-1.0, 0.0)])
def test_p_stays_between_0_and_1(real: float, end: float) -> None:
    ada = AdaptiveAugment(0.0, target=0.6, num_images=5)
    for _ in range(4 * ADA_INTERVAL):
        ada.update_stats(logits(real))
    assert ada.p == end


def test_every_scale_has_the_same_weight_in_r() -> None:
    ada = AdaptiveAugment(0.0, target=0.6, num_images=100)
    ada.update_stats([torch.ones(1, 1, 9, 9), -torch.ones(1, 1, 2, 2)])
    assert ada.sureness == 0


def test_ada_resumes_exactly_from_its_state() -> None:
    original, resumed = (AdaptiveAugment(0.0, target=0.6, num_images=50) for _ in range(2))
    for _ in range(ADA_INTERVAL + 2):
        original.update_stats(logits(1.0))
    resumed.load_state_dict(original.state_dict())
    for ada in (original, resumed):
        for _ in range(2):
            ada.update_stats(logits(1.0))
    assert original.state_dict() == resumed.state_dict()
    assert original.p.item() == pytest.approx(8 / 50)
