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


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_parameters_are_those_of_the_layers_written_out() -> None:
    with torch.device("meta"):
        G, D = MLPGeneratorConfig().build(32), MLPDiscriminatorConfig().build(32)
    assert count(G) == 100 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 3072 + 3072
    assert count(D) == 3072 * 1200 + 1200 + 240 * 1200 + 1200 + 240 + 1


@pytest.mark.parametrize("size", [8, 17, 32])
def test_noise_becomes_a_picture_in_range_and_a_picture_one_logit(size: int) -> None:
    G = MLPGeneratorConfig(latent=5, width=8, depth=3, init="kaiming").build(size)
    D = MLPDiscriminatorConfig(width=4, depth=3).build(size)
    picture = G(torch.randn(3, 5))
    assert picture.shape == (3, 3, size, size)
    assert picture.abs().max() <= 1
    assert D(picture).shape == (3, 1)


def test_depth_is_the_number_of_hidden_layers() -> None:
    G, D = MLPGeneratorConfig(width=8, depth=4).build(8), MLPDiscriminatorConfig(width=8, depth=4).build(8)
    assert sum(isinstance(part, nn.Linear) for part in G.modules()) == 5
    assert sum(isinstance(part, nn.Linear) for part in D.modules()) == 5


def test_a_maxout_unit_is_the_largest_of_its_own_pieces() -> None:
    units = torch.tensor([[1.0, 5.0, -2.0, 0.0, -1.0, -3.0]])
    assert Maxout(3)(units).tolist() == [[5.0, 0.0]]
    assert Maxout(2)(units).tolist() == [[5.0, 0.0, -1.0]]


def test_one_piece_is_a_leaky_relu() -> None:
    D = MLPDiscriminatorConfig(width=4, depth=1, pieces=1, dropout=0.0).build(8)
    assert [type(part) for part in D.body] == [nn.Linear, nn.LeakyReLU]


def test_dropout_is_drawn_in_training_alone() -> None:
    D = MLPDiscriminatorConfig(width=16, depth=1, init="kaiming").build(8)
    picture = torch.randn(1, 3, 8, 8)
    assert not torch.equal(D(picture), D(picture))
    D.eval()
    assert torch.equal(D(picture), D(picture))


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (MLPGeneratorConfig, {"latent": 0}),
        (MLPGeneratorConfig, {"width": 10**6}),
        (MLPGeneratorConfig, {"depth": 0}),
        (MLPDiscriminatorConfig, {"depth": 17}),
        (MLPDiscriminatorConfig, {"pieces": 0}),
        (MLPDiscriminatorConfig, {"dropout": 1.0}),
    ],
)
def test_an_mlp_that_does_not_exist_is_refused(config: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        config(**change)


@pytest.mark.parametrize("pieces", [1, 5])
def test_features_are_what_every_hidden_layer_gives_beside_the_same_logits(pieces: int) -> None:
    D, picture = MLPDiscriminatorConfig(width=6, depth=3, pieces=pieces).build(8).eval(), torch.rand(2, 3, 8, 8)
    logits, features = D.with_features(picture)
    assert torch.equal(logits, D(picture))
    assert [tuple(x.shape) for x in features] == [(2, 6)] * 3
    torch.testing.assert_close(features[-1], D.body(picture.flatten(1)))


def test_pictures_and_logits_stay_float32_under_autocast() -> None:
    G, D = MLPGeneratorConfig(width=8).build(8), MLPDiscriminatorConfig(width=8).build(8)
    with torch.autocast("cpu", torch.bfloat16):
        picture = G(torch.randn(2, 100))
        assert (picture.dtype, D(picture).dtype) == (torch.float32, torch.float32)
