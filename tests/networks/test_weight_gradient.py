"""Convolutions with the gradient of the weight from contiguous memory, beside those of torch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from i2i.networks import weight_gradient
from i2i.networks.weight_gradient import Conv2d, ConvTranspose2d

CHANNELS_LAST = torch.channels_last


@pytest.fixture(autouse=True)
def cpu_without_avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(weight_gradient, "MIN_PIXELS", 36)
    monkeypatch.setattr(weight_gradient, "MIN_SIZE", 36)


class Differentiations(TorchDispatchMode):
    """Records which gradients each call of ``convolution_backward`` computes, and the layout of its input.

    Attributes:
        calls: (of the input, of the weight, of the bias), and whether the input is contiguous in NCHW.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[list[bool], bool]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten.convolution_backward.default:
            self.calls.append((list(args[-1]), args[1].is_contiguous()))
        return function(*args, **(kwargs or {}))


def layers(kind: str, **options: Any) -> tuple[nn.Conv2d | nn.ConvTranspose2d, nn.Conv2d | nn.ConvTranspose2d]:
    """Return a layer of i2i and one of torch, with the same weights, channels-last."""
    torch.manual_seed(0)
    pair = (Conv2d, nn.Conv2d) if kind == "conv" else (ConvTranspose2d, nn.ConvTranspose2d)
    ours, reference = (layer(4, 6, 3, **options).to(memory_format=CHANNELS_LAST) for layer in pair)
    reference.load_state_dict(ours.state_dict())
    return ours, reference


def image() -> Tensor:
    return torch.randn(2, 4, 9, 8).contiguous(memory_format=CHANNELS_LAST).requires_grad_()


@pytest.mark.parametrize(
    ("kind", "options", "contiguous"),
    [
        ("conv", {}, True),
        ("conv", {"padding": 1, "bias": False}, True),
        ("conv", {"padding": 1, "dilation": 2}, True),
        ("conv", {"padding": 2, "groups": 2}, True),
        ("conv", {"stride": 2, "padding": 6}, True),
        ("conv", {"padding": "same"}, False),
        ("conv", {"padding": 1, "padding_mode": "reflect"}, False),
        ("transposed", {}, True),
        ("transposed", {"stride": 2, "padding": 1, "output_padding": 1, "bias": False}, True),
    ],
)
def test_values_and_gradients_equal_those_of_torch(kind: str, options: dict[str, Any], contiguous: bool) -> None:
    ours, reference = layers(kind, **options)
    x = image()
    output, expected = ours(x), reference(x)
    assert torch.equal(output, expected)
    gradient = torch.randn_like(expected)
    with Differentiations() as seen:
        found = torch.autograd.grad(output, [x, *ours.parameters()], gradient)
    wanted = torch.autograd.grad(expected, [x, *reference.parameters()], gradient)
    assert any(mask[1] and is_contiguous for mask, is_contiguous in seen.calls) == contiguous
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    assert found[1].stride() == ours.weight.stride()


def test_small_feature_maps_and_kernels_of_one_pixel_stay_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    x = image()
    for layer in (Conv2d(4, 6, 1), Conv2d(4, 6, 7)):
        with Differentiations() as seen:
            layer.to(memory_format=CHANNELS_LAST)(x).sum().backward()
        assert not any(is_contiguous for _, is_contiguous in seen.calls)
    monkeypatch.setattr(weight_gradient, "MIN_SIZE", 4 * 72 + 1)
    with Differentiations() as seen:
        Conv2d(4, 6, 3, padding=1).to(memory_format=CHANNELS_LAST)(x).sum().backward()
    assert not any(is_contiguous for _, is_contiguous in seen.calls)


@pytest.mark.parametrize("kind", ["conv", "transposed"])
def test_a_penalty_on_the_gradient_of_the_input_has_the_gradients_of_torch(kind: str) -> None:
    ours, reference = layers(kind)
    x = image()
    found, wanted = (_penalty_gradients(layer, x) for layer in (ours, reference))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def _penalty_gradients(layer: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    logits = layer(x).square().sum()
    (gradient,) = torch.autograd.grad(logits, x, create_graph=True)
    return torch.autograd.grad(gradient.square().sum() + logits, [x, *layer.parameters()])


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_the_gradient_of_the_weight_is_not_computed_for_another_player(spectral_norm: bool) -> None:
    layer, _ = layers("conv", padding=1)
    if spectral_norm:
        nn.utils.parametrizations.spectral_norm(layer)
    weights = list(layer.parameters())
    x = image()
    for inputs, of_weight in (([x], False), (weights, True), ([x, *weights], True)):
        with Differentiations() as seen:
            layer(x).sum().backward(inputs=inputs)
        assert any(mask[1] for mask, _ in seen.calls) == of_weight


@pytest.mark.parametrize("capability", ["AVX512", "DEFAULT"])
def test_other_cpus_use_the_convolution_of_torch(monkeypatch: pytest.MonkeyPatch, capability: str) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    layer, _ = layers("conv")
    with Differentiations() as seen:
        layer(image()).sum().backward()
    assert seen.calls == [([True, True, True], False)]


def test_autocast_and_float64_use_the_convolution_of_torch() -> None:
    layer, reference = layers("conv")
    x = image()
    with torch.autocast("cpu", torch.bfloat16):
        output, expected = layer(x), reference(x)
    assert output.dtype == torch.bfloat16
    assert torch.equal(output, expected)
    with Differentiations() as seen:
        layer.double()(x.double()).sum().backward()
    assert not any(is_contiguous for _, is_contiguous in seen.calls)
