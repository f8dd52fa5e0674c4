import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.networks import PatchGAN, PatchGANConfig, Resnet, ResnetConfig, blurpool, instance_norm, padding
from i2i.networks.padding import ReflectionPad2d, _ReflectionPad, is_channels_last_on_cuda, reflect_pad


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
    monkeypatch.setattr(padding, "is_channels_last_on_cuda", lambda x: True)
    with pytest.raises(RuntimeError, match="Padding size"):
        reflect_pad(image(1, 2, 3, 5), 3)
    assert reflect_pad(image(1, 2, 4, 5), 3).shape == (1, 2, 10, 11)
    assert ReflectionPad2d(1)(image(1, 2, 4, 5)).shape == (1, 2, 6, 7)


def test_no_image_on_a_cpu_takes_the_way_of_cuda() -> None:
    assert not is_channels_last_on_cuda(image(1, 2, 4, 4))


def test_networks_compute_the_same_in_the_way_of_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = ResnetConfig(ngf=4, blocks=2, upsampling="resize", antialias=True, skip_input=True)
    networks = [Resnet(config), PatchGAN(PatchGANConfig(ndf=4, antialias=True, receptive_field=34))]
    for network in networks:
        network.double().to(memory_format=torch.channels_last)
        x = image(2, 3, 40, 48)
        inputs = [x, *(weight for weight in network.parameters() if weight.requires_grad)]
        output = network(x)
        grad_output = torch.randn_like(output)
        expected = [output, *torch.autograd.grad(output, inputs, grad_output)]
        with monkeypatch.context() as patch:
            for module in (padding, blurpool, instance_norm):
                patch.setattr(module, "is_channels_last_on_cuda", lambda x: True)
            patch.setattr(instance_norm, "MIN_SIZE_BY_IMAGE", 0)
            output = network(x)
            names = {type(node).__name__ for node in graph_nodes(output)}
            found = [output, *torch.autograd.grad(output, inputs, grad_output)]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert {"_BlurPoolBackward", "_InstanceNormByImageBackward"} <= names
        assert ("_ReflectionPadBackward" in names) == isinstance(network, Resnet)


def graph_nodes(output: Tensor) -> set[object]:
    """Return the nodes of the backward pass of ``output``."""
    seen: set[object] = set()
    open_nodes: list[object] = [output.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            open_nodes += [parent for parent, _ in node.next_functions]  # type: ignore[attr-defined]
    return seen
