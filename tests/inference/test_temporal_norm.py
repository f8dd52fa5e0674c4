from typing import Any

import torch
from torch import Tensor, nn

from i2i.inference.options import InferenceOptions
from i2i.inference.streaming import stream_rows
from i2i.inference.temporal_norm import TemporalNorm
from i2i.inference.translator import Translator
from i2i.networks import ResnetConfig
from tests.conftest import random_image


def flickering() -> Translator:
    """Return a network in which an object that enters the frame changes the colours of the whole frame."""
    torch.manual_seed(0)
    config = ResnetConfig(ngf=4, blocks=1, weight_init="kaiming")
    return Translator(config.build(32), config, size=32, direction="AtoB", options=InferenceOptions("cpu", "float32"))


def noise(count: int) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_temporal_norm_is_the_same_in_batches_single_frames_and_streamed() -> None:
    network = flickering().network
    with TemporalNorm(network, 10):
        together = network(noise(4))
    with TemporalNorm(network, 10):
        alone = torch.cat([network(frame[None]) for frame in noise(4)])
    with TemporalNorm(network, 10):
        strips = torch.cat([_whole(network, frame[None]) for frame in noise(4)])
    assert torch.allclose(together, alone, atol=1e-4)
    assert torch.allclose(together, strips, atol=1e-4)


def _whole(network: nn.Module, x: Tensor) -> Tensor:
    streamed: Any = network(stream_rows(16, 16, lambda top, bottom: x[:, :, top:bottom]))
    return torch.cat([strip for _, strip in streamed.strips()], 2)


@torch.no_grad()
def test_temporal_norm_does_not_change_the_first_frame_or_later_use_of_the_network() -> None:
    network, x = flickering().network, noise(2)
    plain = network(x)
    with TemporalNorm(network, 10) as steady:
        assert torch.allclose(network(x[:1]), plain[:1], atol=1e-4)
        assert not torch.allclose(network(x[1:]), plain[1:], atol=1e-2)
        steady.reset()
        assert torch.allclose(network(x[1:]), plain[1:], atol=1e-4)
    assert torch.equal(network(x), plain)


@torch.no_grad()
def test_temporal_norm_runs_a_compiled_network_uncompiled_and_compiled_again_afterwards() -> None:
    translate = flickering()
    compiled: Any = object()  # calling it would fail
    translate.runner.forward_fn = compiled
    with translate.temporal_norm(10):
        assert translate.runner.forward_fn is translate.network
        translate.translate([random_image(0, 16, 16)])
    assert translate.runner.forward_fn is compiled
