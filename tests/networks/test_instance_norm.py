import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from i2i.networks.instance_norm import BatchNorm2d, InstanceNorm, _InstanceNormByImage, _is_faster_by_image

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("batch", [1, 3])
def test_instance_norm_equals_torchs_own(batch: int) -> None:
    x = 5 * torch.randn(batch, 4, 6, 7) + 2
    torch.testing.assert_close(InstanceNorm()(x), F.instance_norm(x))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_passes_gradcheck_twice(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 3, 4, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert gradcheck(InstanceNorm(), x)
    assert gradgradcheck(InstanceNorm(), x)


@pytest.mark.parametrize("grad_layout", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_gradient_is_correct_for_all_memory_layouts(
    batch: int, layout: torch.memory_format, grad_layout: torch.memory_format
) -> None:
    x = torch.randn(batch, 8, 12, 12)
    grad_output = torch.randn(batch, 8, 12, 12)
    wide = x.double().requires_grad_()
    mean = wide.mean((2, 3), keepdim=True)
    centred = wide - mean
    (centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()).backward(grad_output.double())

    y = x.contiguous(memory_format=layout).requires_grad_()
    InstanceNorm()(y).backward(grad_output.contiguous(memory_format=grad_layout))

    torch.testing.assert_close(y.grad.double(), wide.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_norm_by_image_has_the_values_and_both_derivatives_of_the_norm_by_batch(batch: int) -> None:
    x = (5 * torch.randn(batch, 4, 6, 7, dtype=torch.float64) + 2).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    output, expected = _InstanceNormByImage.apply(x, 1e-5), InstanceNorm()(x)
    torch.testing.assert_close(output, expected)
    for grad_output in (torch.randn_like(output), torch.randn(output.shape, dtype=torch.float64)):
        (gradient,) = torch.autograd.grad(output, x, grad_output, retain_graph=True)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, x, grad_output, retain_graph=True)[0])
        assert gradient.is_contiguous(memory_format=torch.channels_last)
    assert gradcheck(lambda x: _InstanceNormByImage.apply(x, 1e-5), (x,))
    assert gradgradcheck(lambda x: _InstanceNormByImage.apply(x, 1e-5), (x,))


def test_large_images_in_small_batches_are_normalised_one_by_one() -> None:
    shapes = {(1, 64, 64, 64): True, (2, 256, 32, 32): True, (8, 64, 64, 64): False, (8, 192, 64, 64): True,
              (16, 128, 64, 64): False}  # fmt: skip
    assert {shape: _is_faster_by_image(torch.empty(shape, device="meta")) for shape in shapes} == shapes


def test_instance_norm_keeps_channels_last() -> None:
    x = torch.randn(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    assert InstanceNorm()(x).is_contiguous(memory_format=torch.channels_last)


def test_instance_norm_computes_statistics_in_float32() -> None:
    x = (100 + torch.randn(1, 2, 16, 16)).bfloat16()
    output = InstanceNorm()(x)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output, F.instance_norm(x.float()).bfloat16())


@pytest.mark.parametrize("norm", [InstanceNorm(), BatchNorm2d(4)], ids=["instance", "batch"])
def test_the_statistics_hook_gets_mean_and_variance_and_replaces_them(norm: InstanceNorm | BatchNorm2d) -> None:
    x = 5 * torch.randn(3, 4, 6, 7) + 2
    received = []

    def shift_mean(statistics: Tensor) -> Tensor:
        received.append(statistics)
        return statistics + torch.tensor([[1.0], [0.0]])

    norm.statistics = shift_mean
    output = norm(x)
    norm.statistics = None

    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    torch.testing.assert_close(received, [torch.stack([mean, variance], 1)])
    expected = F.instance_norm(x) - torch.rsqrt(variance + norm.eps)[..., None, None]
    torch.testing.assert_close(output, expected)


def test_batch_norm_without_a_hook_is_torchs() -> None:
    x = torch.randn(3, 4, 6, 7)
    norm, expected = BatchNorm2d(4), torch.nn.BatchNorm2d(4)
    assert torch.equal(norm(x), expected(x))
    for ours, theirs in zip(norm.state_dict().items(), expected.state_dict().items(), strict=True):
        assert ours[0] == theirs[0]
        assert torch.equal(ours[1], theirs[1])
