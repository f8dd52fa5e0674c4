import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.networks import padding
from i2i.networks.padding import ReflectionPad2d, _ReflectionPad, reflect_pad


def image(*shape: int) -> Tensor:
    torch.manual_seed(0)
    x = torch.randn(*shape, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    return x.requires_grad_()


@pytest.mark.parametrize(("height", "width", "size"), [(2, 3, 1), (5, 4, 1), (5, 4, 3), (8, 9, 2)])
def test_the_pad_for_cuda_has_the_values_and_both_derivatives_of_torchs(height: int, width: int, size: int) -> None:
    x = image(2, 3, height, width)
    output, expected = _ReflectionPad.apply(x, size), F.pad(x, (size,) * 4, mode="reflect")
    assert torch.equal(output, expected)
    grad_output = torch.randn_like(output)
    (gradient,) = torch.autograd.grad(output, x, grad_output)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, x, grad_output)[0])
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)
    assert torch.autograd.gradgradcheck(lambda x: _ReflectionPad.apply(x, size), (x,))


def test_a_pad_that_is_not_smaller_than_the_image_is_refused_as_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padding, "prefers_more_kernels", lambda x: True)
    with pytest.raises(RuntimeError, match="Padding size"):
        reflect_pad(image(1, 2, 3, 5), 3)
    assert reflect_pad(image(1, 2, 4, 5), 3).shape == (1, 2, 10, 11)
    assert ReflectionPad2d(1)(image(1, 2, 4, 5)).shape == (1, 2, 6, 7)
