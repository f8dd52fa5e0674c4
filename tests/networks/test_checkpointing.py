"""Activation checkpointing: equal gradients, buffers and random states, and less memory."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.networks import (
    DCGANGeneratorConfig,
    MLPGeneratorConfig,
    ResnetConfig,
    RestorerConfig,
    UnetConfig,
)
from i2i.networks.checkpointing import CheckpointedSequential, recompute, set_checkpointing

NETWORKS: dict[str, Any] = {
    "resnet": ResnetConfig(ngf=2, blocks=2, dropout=0.5),
    "resnet with batch norm": ResnetConfig(ngf=2, blocks=2, norm="batch", upsampling="bilinear"),
    "resnet with spectral norm": ResnetConfig(ngf=2, blocks=1, spectral_norm=True),
    "unet": UnetConfig(ngf=2),
    "restorer": RestorerConfig(width=4, depth=1),
    "dcgan": DCGANGeneratorConfig(ngf=2, latent=4),
    "mlp": MLPGeneratorConfig(width=8, latent=4),
}


def gradients(network: nn.Module, x: Tensor, *, whole: bool = False, passes: int = 2) -> dict[str, Any]:
    """Return the gradients of several passes, then the buffers and the random state."""
    torch.manual_seed(3)
    outputs = [recompute(network, network, x * (n + 1)) if whole else network(x * (n + 1)) for n in range(passes)]
    sum(output.square().sum() for output in outputs).backward()  # type: ignore[union-attr]
    result: dict[str, Any] = {f"{name}.grad": weight.grad for name, weight in network.named_parameters()}
    return result | dict(network.named_buffers()) | {"random": torch.get_rng_state()}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_buffers_and_random_numbers_are_equal_bit_for_bit(name: str, whole: bool) -> None:
    torch.manual_seed(0)
    plain = NETWORKS[name].build(32).to(memory_format=torch.channels_last)
    x = torch.rand(3, 4) if name in ("dcgan", "mlp") else torch.rand(3, 3, 32, 32) * 2 - 1
    checkpointed = copy.deepcopy(plain)
    assert whole or set_checkpointing(checkpointed) > 0
    one, other = gradients(plain, x), gradients(checkpointed, x, whole=whole)
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert (value is None and other[key] is None) or torch.equal(value, other[key]), key


def kept_bytes(network: nn.Module, x: Tensor) -> int:
    """Return the bytes of all tensors but the weights that wait for the backward pass."""
    weights = {weight.data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        tensors.append(tensor)  # so that no address is used twice
        return tensor

    tensors: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(x)
    del output
    return sum(kept.values())


@pytest.mark.parametrize(("name", "share"), [("resnet", 0.4), ("unet", 0.6), ("restorer", 0.8)])
def test_a_checkpointed_network_keeps_a_share_of_its_activations(name: str, share: float) -> None:
    network = NETWORKS[name].build(32)
    x = torch.rand(2, 3, 32, 32)
    before = kept_bytes(network, x)
    set_checkpointing(network)
    assert kept_bytes(network, x) < share * before


def test_nothing_is_computed_again_without_gradients_or_in_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    network = CheckpointedSequential(nn.Linear(2, 2))
    set_checkpointing(network)
    monkeypatch.setattr("i2i.networks.checkpointing.recompute", lambda *_: pytest.fail("checkpointed"))
    with torch.no_grad():
        network(torch.zeros(1, 2))
    network.eval()(torch.zeros(1, 2))
