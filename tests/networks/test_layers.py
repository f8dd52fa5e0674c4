from math import prod, sqrt

import pytest
import torch
from torch import Tensor, nn

from i2i.networks.instance_norm import BatchNorm2d, InstanceNorm
from i2i.networks.layers import (
    add_spectral_norm,
    conv,
    conv_transpose,
    initialize,
    norm,
    run_in_float32,
    uses_bias,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_a_convolution_before_batch_norm_alone_has_no_bias() -> None:
    assert [uses_bias(kind) for kind in ("instance", "batch", "none")] == [True, False, True]


def test_norm_builds_the_named_layer() -> None:
    assert [type(norm(kind, 4)) for kind in ("instance", "batch", "none")] == [
        InstanceNorm,
        BatchNorm2d,
        nn.Identity,
    ]


def test_run_in_float32_disables_autocast() -> None:
    layer = nn.Conv2d(2, 2, 1)
    x = torch.randn(1, 2, 4, 4)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(run_in_float32(layer, x), expected)
        assert run_in_float32(layer, x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "std"),
    [
        ("normal", lambda fan_in, fan_out: 0.02),
        ("xavier", lambda fan_in, fan_out: 0.02 * sqrt(2 / (fan_in + fan_out))),
        ("kaiming", lambda fan_in, fan_out: sqrt(2 / fan_in)),
    ],
)
def test_weights_have_mean_0_and_the_standard_deviation_of_their_initialisation(kind: str, std: object) -> None:
    layer = nn.Conv2d(48, 96, 3)
    initialize(layer, kind)
    expected = std(48 * 9, 96 * 9)
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * expected / sqrt(layer.weight.numel()))


def test_orthogonal_weights_are_orthogonal_rows_of_length_gain() -> None:
    layer = nn.Conv2d(8, 16, 3)
    initialize(layer, "orthogonal")
    rows = layer.weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 0.02**2 * torch.eye(16), atol=1e-8, rtol=0)


@pytest.mark.parametrize("kind", ["normal", "xavier", "kaiming", "orthogonal"])
def test_biases_are_initialised_with_0(kind: str) -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ConvTranspose2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 4))
    initialize(network, kind)
    assert all(not layer.bias.any() for layer in network if hasattr(layer, "bias"))


@pytest.mark.parametrize("kind", ["normal", "xavier", "kaiming", "orthogonal"])
def test_batch_norm_weights_are_initialised_by_N_1_002(kind: str) -> None:
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
    ("layer", "reference"),
    [
        (conv("instance", 3, 4, 3, 2, 1), nn.Conv2d(3, 4, 3, 2, 1)),
        (conv_transpose("instance", 3, 4, 3, 2, 1, 1), nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)),
    ],
    ids=["conv", "transposed"],
)
def test_a_bias_before_instance_norm_is_kept_but_neither_used_nor_trained(
    layer: nn.Module, reference: nn.Module
) -> None:
    layer, reference = layer.double(), reference.double()
    nn.init.normal_(reference.bias)
    layer.load_state_dict(reference.state_dict())
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(InstanceNorm()(layer(x)), InstanceNorm()(reference(x)), rtol=1e-10, atol=1e-10)
    layer(x).sum().backward()
    assert layer.bias.grad is None
    assert layer.weight.grad is not None


@pytest.mark.parametrize("kind", ["batch", "none"])
def test_before_batch_norm_there_is_no_bias_and_before_none_it_is_trained(kind: str) -> None:
    for layer in (conv(kind, 3, 4, 3), conv_transpose(kind, 3, 4, 3)):
        assert (layer.bias is None) == (kind == "batch")
        assert all(weight.requires_grad for weight in layer.parameters())
