import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from i2i.losses.augment import EVERY, AdaptiveAugment, Augment, DiffAugment, Draws, augmented, draw


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pictures(count: int = 2, channels: int = 3, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(count, channels, height, width, dtype=torch.float64) * 2 - 1


def by_hand(picture: np.ndarray, draws: Draws, index: int) -> np.ndarray:
    """One picture (3, H, W), pixel by pixel, from the formulas of Zhao et al. 2020."""
    brightness, saturation, contrast = (float(values[index]) for values in draws[:3])
    (down, right), (row, column) = draws.shift[index].tolist(), draws.hole[index].tolist()
    _, height, width = picture.shape
    x = picture + brightness
    for i in range(height):
        for j in range(width):
            grey = x[:, i, j].mean()
            x[:, i, j] = grey + saturation * (x[:, i, j] - grey)
    x = x.mean() + contrast * (x - x.mean())
    moved = np.zeros_like(x)
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                moved[:, i, j] = x[:, i - down, j - right]
    tall, wide = math.floor(height / 2 + 0.5), math.floor(width / 2 + 0.5)
    for i in range(row - tall // 2, row - tall // 2 + tall):
        for j in range(column - wide // 2, column - wide // 2 + wide):
            if 0 <= i < height and 0 <= j < width:
                moved[:, i, j] = 0
    return moved


@pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 13)])
def test_every_picture_is_what_the_formulas_make_of_it_by_hand(height: int, width: int) -> None:
    x = pictures(6, 3, height, width)
    draws = draw(x)
    found = augmented(x, draws).numpy()
    for index, picture in enumerate(x.numpy()):
        np.testing.assert_allclose(found[index], by_hand(picture, draws, index), atol=1e-12)


def test_a_condition_and_its_picture_are_changed_alike_and_each_by_its_own_means() -> None:
    a, b = pictures(3), pictures(3)
    draws = draw(a)
    both = augmented(torch.cat([a, b], 1), draws)
    torch.testing.assert_close(both, torch.cat([augmented(a, draws), augmented(b, draws)], 1))


def test_the_draws_have_the_published_strengths_and_every_picture_its_own() -> None:
    draws = draw(torch.zeros(2000, 3, 16, 24))
    for values, low, high in ((draws.brightness, -0.5, 0.5), (draws.saturation, 0, 2), (draws.contrast, 0.5, 1.5)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high >= values.max() > high - 0.01 * (high - low)
        assert len(values.unique()) > 1900
    assert [sorted(set(axis.tolist())) for axis in draws.shift.T] == [[*range(-2, 3)], [*range(-3, 4)]]
    assert [sorted(set(axis.tolist())) for axis in draws.hole.T] == [[*range(17)], [*range(25)]]


def test_what_leaves_the_range_of_a_picture_is_not_clipped() -> None:
    bright = torch.ones(64, 3, 4, 4)
    assert augmented(bright, draw(bright)).max() > 1


def test_a_probability_of_0_leaves_pictures_bit_for_bit_and_1_is_diffaugment() -> None:
    x = torch.rand(8, 6, 15, 16) * 2 - 1
    assert torch.equal(augmented(x, draw(x, torch.zeros(()))), x)
    torch.manual_seed(1)
    always = augmented(x, draw(x, torch.ones(())))
    torch.manual_seed(1)
    assert torch.equal(always, augmented(x, DiffAugment().draw(x)))


def test_each_operation_is_done_with_its_probability_whatever_the_others_do() -> None:
    idle = draw(torch.zeros(1, 3, 16, 16), torch.zeros(()))
    draws = draw(torch.zeros(4000, 3, 16, 16), torch.tensor(0.3))
    done = torch.stack([(values != neutral).flatten(1).any(1) for values, neutral in zip(draws, idle, strict=True)])
    chance = torch.tensor([0.3, 0.3, 0.3, 0.3 * 24 / 25, 0.3])  # of 25 shifts one leaves a picture where it is
    torch.testing.assert_close(done.double().mean(1), chance.double(), atol=0.03, rtol=0)
    torch.testing.assert_close(torch.corrcoef(done.double()), torch.eye(5).double(), atol=0.06, rtol=0)


def test_gradients_flow_through_every_operation_twice() -> None:
    x = pictures(2, 3, 4, 6).requires_grad_()
    draws = draw(x)
    assert gradcheck(lambda y: augmented(y, draws), x)
    assert gradgradcheck(lambda y: augmented(y, draws).square(), x)


def test_no_augmentation_returns_the_very_pictures_and_draws_nothing() -> None:
    x, before = pictures(), torch.get_rng_state()
    assert augmented(x, Augment().draw(x)) is x
    assert torch.equal(torch.get_rng_state(), before)


def judged(*values: float) -> list[Tensor]:
    return [torch.tensor(values)]


def test_ada_moves_its_probability_every_four_batches_by_what_500_thousand_pictures_allow() -> None:
    ada = AdaptiveAugment(middle=0.0, target=0.6, pictures=500_000)
    for _ in range(EVERY - 1):
        ada.observe(judged(3.0, 2.0))
    assert ada.p == 0
    ada.observe(judged(3.0, 2.0))
    assert ada.p.item() == pytest.approx(2 * 4 / 500_000)


@pytest.mark.parametrize(
    ("middle", "real", "rises"),
    [
        (0.0, (1.0, 1.0, 1.0, -1.0, 1.0), False),  # r is 0.6 exactly: neither
        (0.0, (9.0,) * 9 + (-1.0,), True),  # 0.8
        (0.0, (9.0,) * 7 + (-1.0,) * 3, False),  # 0.4
        (0.5, (0.4,) * 10, False),
        (0.5, (0.6,) * 10, True),
    ],
)
def test_ada_rises_where_more_real_pictures_than_the_target_are_called_real(
    middle: float, real: tuple[float, ...], rises: bool
) -> None:
    ada = AdaptiveAugment(middle, target=0.6, pictures=100)
    ada.p.fill_(0.5)
    for _ in range(EVERY):
        ada.observe(judged(*real))
    assert (ada.p > 0.5) == rises


def test_ada_goes_by_all_batches_since_the_last_adjustment_and_by_no_older_ones() -> None:
    ada = AdaptiveAugment(0.0, target=0.6, pictures=100)
    for batch in (1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):  # r is 0.5, then 1
        ada.observe(judged(batch))
    assert ada.p.item() == pytest.approx(0.04)
    for batch in (1.0, 1.0, 1.0, -1.0):
        ada.observe(judged(batch))
    assert ada.p == 0


@pytest.mark.parametrize(("real", "end"), [(1.0, 1.0), (-1.0, 0.0)])
def test_adas_probability_stays_from_0_to_1(real: float, end: float) -> None:
    ada = AdaptiveAugment(0.0, target=0.6, pictures=5)
    for _ in range(4 * EVERY):
        ada.observe(judged(real))
    assert ada.p == end


def test_every_scale_of_a_discriminator_has_an_equal_say() -> None:
    ada = AdaptiveAugment(0.0, target=0.6, pictures=100)
    ada.observe([torch.ones(1, 1, 9, 9), -torch.ones(1, 1, 2, 2)])
    assert ada.sureness == 0


def test_adas_state_is_kept_and_goes_on_exactly() -> None:
    one, other = (AdaptiveAugment(0.0, target=0.6, pictures=50) for _ in range(2))
    for _ in range(EVERY + 2):
        one.observe(judged(1.0))
    other.load_state_dict(one.state_dict())
    for ada in (one, other):
        for _ in range(2):
            ada.observe(judged(1.0))
    assert one.state_dict() == other.state_dict()
    assert one.p.item() == pytest.approx(8 / 50)
