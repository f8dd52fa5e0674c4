import pytest
import torch
from torch.nn import functional as F

from i2i.networks.few_channels import FewChannelConv2d


@pytest.mark.parametrize(("in_channels", "out_channels"), [(6, 3), (3, 6), (6, 1), (6, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_equal_those_of_a_plain_convolution(
    in_channels: int, out_channels: int, bias: bool
) -> None:
    torch.manual_seed(0)
    layer = FewChannelConv2d(in_channels, out_channels, (7, 5), bias=bias).double()
    x = torch.randn(2, in_channels, 12, 11, dtype=torch.float64, requires_grad=True)
    output = layer(x)
    expected = F.conv2d(x, layer.weight, layer.bias)
    grad_output = torch.randn_like(expected)
    inputs = [x, *layer.parameters()]
    gradients = torch.autograd.grad(output, inputs, grad_output)
    expected_gradients = torch.autograd.grad(expected, inputs, grad_output)
    assert torch.allclose(output, expected, rtol=0, atol=1e-12)
    for a, b in zip(gradients, expected_gradients, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("in_channels", "out_channels"), [(6, 3), (3, 6)])
def test_it_has_a_second_derivative(in_channels: int, out_channels: int) -> None:
    torch.manual_seed(0)
    layer = FewChannelConv2d(in_channels, out_channels, 5).double()
    x = torch.randn(1, in_channels, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square(), x)


def test_small_strided_and_padded_convolutions_are_computed_plainly() -> None:
    torch.manual_seed(0)
    layers = [
        FewChannelConv2d(3, 8, 3),
        FewChannelConv2d(8, 3, 3),
        FewChannelConv2d(3, 8, 7),
        FewChannelConv2d(8, 3, 7, padding=3),
        FewChannelConv2d(8, 3, 7, 2),
    ]
    for layer in layers:
        x = torch.randn(1, layer.in_channels, 9, 9)
        assert torch.equal(layer(x), F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding))
