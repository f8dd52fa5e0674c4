import pytest
import torch
from torch import nn

from i2i.networks.projector import Projector, draw_places, mirrored, take


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_published_projector_has_560_384_parameters_before_its_first_picture() -> None:
    with torch.device("meta"):
        network = Projector([3, 128, 256, 256, 256])
    assert sum(weight.numel() for weight in network.parameters()) == 560_384


def test_each_layer_has_its_own_head_and_answers_with_unit_vectors() -> None:
    network = Projector([3, 8], features=16)
    maps = [torch.randn(2, 3, 6, 6), torch.randn(2, 8, 3, 3)]
    answers = network(maps, [draw_places(x, 5) for x in maps])
    assert [tuple(x.shape) for x in answers] == [(2, 5, 16), (2, 5, 16)]
    for x in answers:
        torch.testing.assert_close(x.norm(dim=-1), torch.ones(2, 5), rtol=0.01, atol=0)
    assert not torch.equal(network.heads[0][2].weight, network.heads[1][2].weight)
    assert [[type(part) for part in head] for head in network.heads] == [[nn.Linear, nn.ReLU, nn.Linear]] * 2


def test_an_answer_is_the_mlp_of_the_feature_at_its_place() -> None:
    network, x, places = (
        Projector([8], features=16).double(),
        torch.randn(2, 8, 3, 4).double(),
        torch.tensor([[5, 0], [11, 7]]),
    )
    (answers,) = network([x], [places])
    for n in range(2):
        for index, place in enumerate(places[n].tolist()):
            v = network.heads[0](x[n, :, place // 4, place % 4])
            torch.testing.assert_close(answers[n, index], v / (v.norm() + 1e-7))


def test_the_projector_computes_in_float32_under_autocast() -> None:
    network, x = Projector([8], features=16), torch.randn(1, 8, 4, 4)
    places = [draw_places(x, 4)]
    with torch.autocast("cpu", torch.bfloat16):
        (answers,) = network([x], places)
        (narrow,) = network([x.bfloat16()], places)
    assert torch.equal(answers, network([x], places)[0])
    assert narrow.dtype == torch.float32


def test_a_feature_of_0_has_a_finite_gradient() -> None:
    network = Projector([8], features=4)
    nn.init.zeros_(network.heads[0][0].weight)
    x = torch.zeros(1, 8, 2, 2, requires_grad=True)
    network([x], [torch.tensor([[0, 1]])])[0].sum().backward()
    assert x.grad is not None
    assert all(weight.grad.isfinite().all() for weight in (x, *network.parameters()))


def test_places_are_different_and_drawn_for_each_picture() -> None:
    places = draw_places(torch.zeros(3, 1, 5, 4), 15)
    assert places.shape == (3, 15)
    assert all(len(set(row)) == 15 and set(row) <= set(range(20)) for row in places.tolist())
    assert len({frozenset(row) for row in places.tolist()}) == 3


def test_every_place_is_drawn_as_often_as_any_other() -> None:
    drawn = draw_places(torch.zeros(4000, 1, 2, 4), 2).flatten().bincount()
    assert drawn.tolist() == pytest.approx([1000] * 8, abs=100)


def test_a_small_map_is_taken_whole() -> None:
    assert sorted(draw_places(torch.zeros(1, 1, 3, 2), 256)[0].tolist()) == list(range(6))


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_a_place_is_row_times_width_plus_column(memory: torch.memory_format) -> None:
    x = torch.arange(24.0).view(1, 2, 3, 4).contiguous(memory_format=memory)
    assert take(x, torch.tensor([[0, 6, 11]])).tolist() == [[[0, 12], [6, 18], [11, 23]]]


def test_mirrored_places_of_the_mirrored_map_hold_what_the_places_hold() -> None:
    x = torch.randn(2, 3, 5, 7)
    places = draw_places(x, 20)
    assert torch.equal(take(x.flip(3), mirrored(places, 7)), take(x, places))
