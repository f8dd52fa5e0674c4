import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from i2i.losses.feature_matching import feature_matching, mean_feature_matching


def layers(seed: int) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in ((2, 3, 4, 4), (2, 5, 2, 2), (2, 7))]


def test_feature_matching_is_the_sum_over_layers_of_the_mean_distance() -> None:
    real = [torch.zeros(1, 2, 1, 2), torch.ones(1, 1)]
    fake = [torch.tensor([1.0, 2.0, 3.0, -4.0]).view(1, 2, 1, 2), torch.full((1, 1), 1.5)]
    assert feature_matching(real, fake).item() == pytest.approx(10 / 4 + 0.5)


def test_mean_feature_matching_is_the_sum_of_squared_distances_of_the_channel_means() -> None:
    real = [torch.zeros(2, 2, 1, 2), torch.ones(2, 1)]
    fake = [torch.tensor([1.0, 3.0, 5.0, 5.0, 2.0, 2.0, -1.0, 3.0]).view(2, 2, 1, 2), torch.tensor([[2.0], [6.0]])]
    assert mean_feature_matching(real, fake).item() == pytest.approx(2.0**2 + 3.0**2 + 3.0**2)


def test_only_feature_matching_depends_on_the_locations() -> None:
    real = layers(0)
    shuffled = [x.flip(0).flip(-1) if x.dim() == 4 else x.flip(0) for x in real]
    assert feature_matching(real, shuffled) > 0.1
    assert mean_feature_matching(real, shuffled).item() == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("loss", [feature_matching, mean_feature_matching])
def test_equal_features_have_no_loss_and_real_features_get_no_gradient(loss: type) -> None:
    real, fake = layers(0), layers(1)
    assert loss(real, real) == 0
    for x in real:
        x.requires_grad_()
    assert gradcheck(lambda *features: loss(real, features), [x.requires_grad_() for x in fake])
    loss(real, fake).backward()
    assert all(x.grad is None for x in real)


@pytest.mark.parametrize("loss", [feature_matching, mean_feature_matching])
def test_features_of_lower_precision_are_compared_in_float32(loss: type) -> None:
    real, fake = ([x.bfloat16() for x in layers(seed)] for seed in (0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        result = loss(real, fake)
    assert result.dtype == torch.float32
    assert torch.equal(result, loss([x.float() for x in real], [x.float() for x in fake]))
