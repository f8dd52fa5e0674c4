import pytest
import torch
from torch.nn import functional as F

from i2i.networks.cpu_conv import Conv2d


@pytest.mark.parametrize(("channels", "out"), [(6, 3), (3, 6), (6, 1), (6, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_rearranged_gives_the_values_and_gradients_of_the_plain_one(
    channels: int, out: int, bias: bool
) -> None:
    torch.manual_seed(0)
    layer = Conv2d(channels, out, (7, 5), bias=bias).double()
    x = torch.randn(2, channels, 12, 11, dtype=torch.float64, requires_grad=True)
    ours, plain = layer(x), F.conv2d(x, layer.weight, layer.bias)
    above = torch.randn_like(plain)
    wanted = [x, *layer.parameters()]
    slopes = zip(*(torch.autograd.grad(y, wanted, above) for y in (ours, plain)), strict=True)
    assert torch.allclose(ours, plain, rtol=0, atol=1e-12)
    assert all(torch.allclose(one, other, rtol=0, atol=1e-11) for one, other in slopes)


@pytest.mark.parametrize(("channels", "out"), [(6, 3), (3, 6)])
def test_it_has_a_second_derivative(channels: int, out: int) -> None:
    torch.manual_seed(0)
    layer = Conv2d(channels, out, 5).double()
    x = torch.randn(1, channels, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square(), x)


def test_it_is_the_plain_one_where_nothing_is_gained() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 9, 9)
    for layer in (Conv2d(3, 8, 3), Conv2d(8, 3, 3), Conv2d(3, 8, 7), Conv2d(8, 3, 7, padding=3), Conv2d(8, 3, 7, 2)):
        like = x.expand(1, 3, 9, 9) if layer.in_channels == 3 else torch.randn(1, 8, 9, 9)
        assert torch.equal(layer(like), F.conv2d(like, layer.weight, layer.bias, layer.stride, layer.padding))
