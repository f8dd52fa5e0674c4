from math import prod, sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from i2i.networks.layers import (
    InstanceNorm,
    add_spectral_norm,
    conv,
    conv_transpose,
    in_float32,
    initialize,
    needs_bias,
    norm,
)

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("batch", [1, 3])
def test_instance_norm_equals_torchs_own(batch: int) -> None:
    x = 5 * torch.randn(batch, 4, 6, 7) + 2
    torch.testing.assert_close(InstanceNorm()(x), F.instance_norm(x))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_of_instance_norm_passes_gradcheck_twice(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 3, 4, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert gradcheck(InstanceNorm(), x)
    assert gradgradcheck(InstanceNorm(), x)


@pytest.mark.parametrize("above", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_gradient_of_instance_norm_is_right_whatever_the_layouts(
    batch: int, layout: torch.memory_format, above: torch.memory_format
) -> None:
    x, weight = torch.randn(batch, 8, 12, 12), torch.randn(batch, 8, 12, 12)
    wide = x.double().requires_grad_()
    mean = wide.mean((2, 3), keepdim=True)
    centred = wide - mean
    (centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()).backward(weight.double())

    given = x.contiguous(memory_format=layout).requires_grad_()
    InstanceNorm()(given).backward(weight.contiguous(memory_format=above))

    torch.testing.assert_close(given.grad.double(), wide.grad, rtol=1e-4, atol=1e-5)


def test_instance_norm_keeps_channels_last() -> None:
    x = torch.randn(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    assert InstanceNorm()(x).is_contiguous(memory_format=torch.channels_last)


def test_instance_norm_takes_its_statistics_in_float32() -> None:
    x = (100 + torch.randn(1, 2, 16, 16)).bfloat16()
    found = InstanceNorm()(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, F.instance_norm(x.float()).bfloat16())


def test_a_convolution_before_batch_norm_alone_has_no_bias() -> None:
    assert [needs_bias(kind) for kind in ("instance", "batch", "none")] == [True, False, True]


def test_norm_gives_the_layer_of_the_name() -> None:
    assert [type(norm(kind, 4)) for kind in ("instance", "batch", "none")] == [
        InstanceNorm,
        nn.BatchNorm2d,
        nn.Identity,
    ]


def test_in_float32_leaves_autocast() -> None:
    layer, x = nn.Conv2d(2, 2, 1), torch.randn(1, 2, 4, 4)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(in_float32(layer, x), expected)
        assert in_float32(layer, x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "deviation"),
    [
        ("normal", lambda fan_in, fan_out: 0.02),
        ("xavier", lambda fan_in, fan_out: 0.02 * sqrt(2 / (fan_in + fan_out))),
        ("kaiming", lambda fan_in, fan_out: sqrt(2 / fan_in)),
    ],
)
def test_weights_are_drawn_around_0_with_the_deviation_of_their_initialisation(kind: str, deviation: object) -> None:
    layer = nn.Conv2d(48, 96, 3)
    initialize(layer, kind)
    expected = deviation(48 * 9, 96 * 9)
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * expected / sqrt(layer.weight.numel()))


def test_orthogonal_weights_are_orthogonal_rows_of_length_gain() -> None:
    layer = nn.Conv2d(8, 16, 3)
    initialize(layer, "orthogonal")
    rows = layer.weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 0.02**2 * torch.eye(16), atol=1e-8, rtol=0)


@pytest.mark.parametrize("kind", ["normal", "xavier", "kaiming", "orthogonal"])
def test_biases_begin_at_0(kind: str) -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ConvTranspose2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 4))
    initialize(network, kind)
    assert all(not layer.bias.any() for layer in network if hasattr(layer, "bias"))


@pytest.mark.parametrize("kind", ["normal", "xavier", "kaiming", "orthogonal"])
def test_batch_norm_weights_are_drawn_from_N_1_002(kind: str) -> None:
    layer = nn.BatchNorm2d(4096)
    initialize(layer, kind)
    assert layer.weight.mean().item() == pytest.approx(1, abs=0.002)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not layer.bias.any()


@pytest.mark.parametrize(
    ("layer", "rows"),
    [(nn.Conv2d(3, 8, 4), 0), (nn.ConvTranspose2d(8, 3, 4), 1), (nn.Linear(10, 5), 0)],
    ids=["conv", "transposed", "linear"],
)
def test_spectral_norm_makes_the_largest_singular_value_1(layer: nn.Module, rows: int) -> None:
    initialize(layer, "normal")
    add_spectral_norm(layer)
    for _ in range(500):  # one power iteration each
        weight: Tensor = layer.weight
    matrix = weight.transpose(0, rows).reshape(weight.shape[rows], prod(weight.shape) // weight.shape[rows])
    assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("ours", "plain"),
    [
        (conv("instance", 3, 4, 3, 2, 1), nn.Conv2d(3, 4, 3, 2, 1)),
        (conv_transpose("instance", 3, 4, 3, 2, 1, 1), nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)),
    ],
    ids=["conv", "transposed"],
)
def test_a_bias_before_instance_norm_is_kept_but_neither_used_nor_trained(ours: nn.Module, plain: nn.Module) -> None:
    ours, plain = ours.double(), plain.double()
    nn.init.normal_(plain.bias)
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(InstanceNorm()(ours(x)), InstanceNorm()(plain(x)), rtol=1e-10, atol=1e-10)
    ours(x).sum().backward()
    assert ours.bias.grad is None
    assert ours.weight.grad is not None


@pytest.mark.parametrize("kind", ["batch", "none"])
def test_a_bias_before_another_norm_is_trained_or_not_there(kind: str) -> None:
    for layer in (conv(kind, 3, 4, 3), conv_transpose(kind, 3, 4, 3)):
        assert (layer.bias is None) == (kind == "batch")
        assert all(weight.requires_grad for weight in layer.parameters())
