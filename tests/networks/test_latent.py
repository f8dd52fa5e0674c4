import math

import pytest
import torch

from i2i.networks.latent import between, noise_of


def test_noise_of_a_seed_is_the_same_in_any_company_and_at_any_state_of_the_ambient_generator() -> None:
    alone = noise_of([7], 10)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(noise_of([1, 7, 2], 10)[1:2], alone)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(noise_of([8], 10), alone)


def test_noise_is_normal() -> None:
    noise = noise_of(range(200), 100)
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1, abs=0.02)


def test_the_way_between_unit_vectors_goes_along_the_circle_at_an_even_pace() -> None:
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    for share in (0.0, 0.25, 0.5, 1.0):
        angle = share * math.pi / 2
        torch.testing.assert_close(between(east, north, share), torch.tensor([math.cos(angle), math.sin(angle)]))


def test_the_ends_of_the_way_are_exactly_the_two_noises() -> None:
    start, end = noise_of([0, 1], 64)
    assert torch.equal(between(start, end, 0), start)
    assert torch.equal(between(start, end, 1), end)


def test_between_equal_noises_there_is_nothing_else() -> None:
    (noise,) = noise_of([0], 64)
    torch.testing.assert_close(between(noise, noise, 0.3), noise)
