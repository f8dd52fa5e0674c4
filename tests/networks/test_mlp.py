from typing import Any

import pytest
import torch
from torch import nn

from i2i.errors import ConfigError
from i2i.networks import MLPDiscriminatorConfig, MLPGeneratorConfig
from i2i.networks.mlp import Maxout


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count_parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_parameter_counts_are_those_of_the_layers() -> None:
    with torch.device("meta"):
        G = MLPGeneratorConfig().build(32)
        D = MLPDiscriminatorConfig().build(32)
    assert count_parameters(G) == 100 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 3072 + 3072
    assert count_parameters(D) == 3072 * 1200 + 1200 + 240 * 1200 + 1200 + 240 + 1


@pytest.mark.parametrize("size", [8, 17, 32])
def test_noise_gives_an_image_in_range_and_an_image_gives_one_logit(size: int) -> None:
    G = MLPGeneratorConfig(latent=5, width=8, depth=3, weight_init="kaiming").build(size)
    D = MLPDiscriminatorConfig(width=4, depth=3).build(size)
    image = G(torch.randn(3, 5))
    assert image.shape == (3, 3, size, size)
    assert image.abs().max() <= 1
    assert D(image).shape == (3, 1)


def test_depth_is_the_number_of_hidden_layers() -> None:
    G = MLPGeneratorConfig(width=8, depth=4).build(8)
    D = MLPDiscriminatorConfig(width=8, depth=4).build(8)
    assert sum(isinstance(part, nn.Linear) for part in G.modules()) == 5
    assert sum(isinstance(part, nn.Linear) for part in D.modules()) == 5


def test_a_maxout_unit_is_the_maximum_of_its_pieces() -> None:
    units = torch.tensor([[1.0, 5.0, -2.0, 0.0, -1.0, -3.0]])
    assert Maxout(3)(units).tolist() == [[5.0, 0.0]]
    assert Maxout(2)(units).tolist() == [[5.0, 0.0, -1.0]]


def test_one_piece_is_a_leaky_relu() -> None:
    D = MLPDiscriminatorConfig(width=4, depth=1, maxout_pieces=1, dropout=0.0).build(8)
    assert [type(part) for part in D.body] == [nn.Linear, nn.LeakyReLU]


def test_dropout_is_active_in_training_only() -> None:
    D = MLPDiscriminatorConfig(width=16, depth=1, weight_init="kaiming").build(8)
    image = torch.randn(1, 3, 8, 8)
    assert not torch.equal(D(image), D(image))
    D.eval()
    assert torch.equal(D(image), D(image))


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (MLPGeneratorConfig, {"latent": 0}),
        (MLPGeneratorConfig, {"width": 10**6}),
        (MLPGeneratorConfig, {"depth": 0}),
        (MLPDiscriminatorConfig, {"depth": 17}),
        (MLPDiscriminatorConfig, {"maxout_pieces": 0}),
        (MLPDiscriminatorConfig, {"dropout": 1.0}),
    ],
)
def test_values_out_of_range_are_refused(config: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        config(**change)


@pytest.mark.parametrize("pieces", [1, 5])
def test_features_are_the_activations_of_every_hidden_layer(pieces: int) -> None:
    D = MLPDiscriminatorConfig(width=6, depth=3, maxout_pieces=pieces).build(8).eval()
    image = torch.rand(2, 3, 8, 8)
    logits, features = D.with_features(image)
    assert torch.equal(logits, D(image))
    assert [tuple(x.shape) for x in features] == [(2, 6)] * 3
    torch.testing.assert_close(features[-1], D.body(image.flatten(1)))


def test_images_and_logits_stay_float32_under_autocast() -> None:
    G = MLPGeneratorConfig(width=8).build(8)
    D = MLPDiscriminatorConfig(width=8).build(8)
    with torch.autocast("cpu", torch.bfloat16):
        image = G(torch.randn(2, 100))
        assert (image.dtype, D(image).dtype) == (torch.float32, torch.float32)
