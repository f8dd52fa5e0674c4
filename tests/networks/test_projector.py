import pytest
import torch
from torch import nn

from i2i.networks.projector import Projector, flip_locations, gather_at, sample_locations


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_published_projector_has_560_384_parameters() -> None:
    with torch.device("meta"):
        network = Projector([3, 128, 256, 256, 256])
    assert sum(weight.numel() for weight in network.parameters()) == 560_384


def test_each_layer_has_its_own_head_that_returns_unit_vectors() -> None:
    network = Projector([3, 8], dim=16)
    features = [torch.randn(2, 3, 6, 6), torch.randn(2, 8, 3, 3)]
    vectors = network(features, [sample_locations(x, 5) for x in features])
    assert [tuple(x.shape) for x in vectors] == [(2, 5, 16), (2, 5, 16)]
    for x in vectors:
        torch.testing.assert_close(x.norm(dim=-1), torch.ones(2, 5), rtol=0.01, atol=0)
    assert not torch.equal(network.heads[0][2].weight, network.heads[1][2].weight)
    assert [[type(part) for part in head] for head in network.heads] == [[nn.Linear, nn.ReLU, nn.Linear]] * 2


def test_a_vector_is_the_normalised_mlp_of_the_feature_at_its_location() -> None:
    network = Projector([8], dim=16).double()
    x = torch.randn(2, 8, 3, 4).double()
    locations = torch.tensor([[5, 0], [11, 7]])
    (vectors,) = network([x], [locations])
    for n in range(2):
        for index, location in enumerate(locations[n].tolist()):
            v = network.heads[0](x[n, :, location // 4, location % 4])
            torch.testing.assert_close(vectors[n, index], v / (v.norm() + 1e-7))


def test_the_projector_computes_in_float32_under_autocast() -> None:
    network = Projector([8], dim=16)
    x = torch.randn(1, 8, 4, 4)
    locations = [sample_locations(x, 4)]
    with torch.autocast("cpu", torch.bfloat16):
        (vectors,) = network([x], locations)
        (from_bfloat16,) = network([x.bfloat16()], locations)
    assert torch.equal(vectors, network([x], locations)[0])
    assert from_bfloat16.dtype == torch.float32


def test_a_feature_of_0_has_a_finite_gradient() -> None:
    network = Projector([8], dim=4)
    nn.init.zeros_(network.heads[0][0].weight)
    x = torch.zeros(1, 8, 2, 2, requires_grad=True)
    network([x], [torch.tensor([[0, 1]])])[0].sum().backward()
    assert x.grad is not None
    assert all(weight.grad.isfinite().all() for weight in (x, *network.parameters()))


def test_locations_are_distinct_and_sampled_for_each_image() -> None:
    locations = sample_locations(torch.zeros(3, 1, 5, 4), 15)
    assert locations.shape == (3, 15)
    assert all(len(set(row)) == 15 and set(row) <= set(range(20)) for row in locations.tolist())
    assert len({frozenset(row) for row in locations.tolist()}) == 3


def test_all_locations_are_equally_likely() -> None:
    counts = sample_locations(torch.zeros(4000, 1, 2, 4), 2).flatten().bincount()
    assert counts.tolist() == pytest.approx([1000] * 8, abs=100)


def test_all_locations_of_a_small_map_are_sampled() -> None:
    assert sorted(sample_locations(torch.zeros(1, 1, 3, 2), 256)[0].tolist()) == list(range(6))


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_a_location_is_row_times_width_plus_column(memory: torch.memory_format) -> None:
    x = torch.arange(24.0).view(1, 2, 3, 4).contiguous(memory_format=memory)
    assert gather_at(x, torch.tensor([[0, 6, 11]])).tolist() == [[[0, 12], [6, 18], [11, 23]]]


def test_flipped_locations_of_the_flipped_map_give_the_same_features() -> None:
    x = torch.randn(2, 3, 5, 7)
    locations = sample_locations(x, 20)
    assert torch.equal(gather_at(x.flip(3), flip_locations(locations, 7)), gather_at(x, locations))
