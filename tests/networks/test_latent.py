import math

import pytest
import torch

from i2i.networks.latent import latents_from_seeds, slerp


def test_a_seeds_latent_depends_on_neither_other_seeds_nor_the_global_generator() -> None:
    expected = latents_from_seeds([7], 10)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(latents_from_seeds([1, 7, 2], 10)[1:2], expected)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(latents_from_seeds([8], 10), expected)


def test_latents_are_normal() -> None:
    noise = latents_from_seeds(range(200), 100)
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1, abs=0.02)


def test_slerp_of_unit_vectors_moves_along_the_circle_at_constant_speed() -> None:
    east = torch.tensor([1.0, 0.0])
    north = torch.tensor([0.0, 1.0])
    for t in (0.0, 0.25, 0.5, 1.0):
        angle = t * math.pi / 2
        torch.testing.assert_close(slerp(east, north, t), torch.tensor([math.cos(angle), math.sin(angle)]))


def test_slerp_returns_its_ends_exactly() -> None:
    start, end = latents_from_seeds([0, 1], 64)
    assert torch.equal(slerp(start, end, 0), start)
    assert torch.equal(slerp(start, end, 1), end)


def test_slerp_of_equal_latents_returns_them() -> None:
    (noise,) = latents_from_seeds([0], 64)
    torch.testing.assert_close(slerp(noise, noise, 0.3), noise)
