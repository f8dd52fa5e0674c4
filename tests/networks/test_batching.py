import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.networks import PatchGAN, PatchGANConfig, Resnet, ResnetConfig
from i2i.networks.batching import batched_forward


def batch_sizes(network: nn.Module, *batches: Tensor) -> list[int]:
    """Return the batch sizes with which ``batched_forward`` calls the network."""
    sizes: list[int] = []
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    batched_forward(network, *batches)
    return sizes


def test_a_network_that_treats_images_independently_takes_one_pass() -> None:
    a, b = torch.randn(1, 3, 16, 16), torch.randn(2, 3, 16, 16)
    network = Resnet(ResnetConfig(ngf=2, blocks=1))
    assert batch_sizes(network, a, b) == [3]
    for output, expected in zip(batched_forward(network, a, b), (network(a), network(b)), strict=True):
        torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("extra", [{"norm": "batch"}, {"dropout": 0.5}, {"spectral_norm": True}])
def test_batch_norm_dropout_and_spectral_norm_take_separate_passes(extra: dict[str, Any]) -> None:
    a, b = torch.randn(1, 3, 16, 16), torch.randn(1, 3, 16, 16)
    assert batch_sizes(Resnet(ResnetConfig(ngf=2, blocks=1, **extra)), a, b) == [1, 1]


def test_a_plain_function_is_called_once_for_each_batch() -> None:
    calls: list[int] = []

    def function(x: Tensor) -> Tensor:
        calls.append(len(x))
        return x

    batched_forward(function, torch.zeros(1), torch.zeros(2))
    assert calls == [1, 2]


def test_batching_does_not_change_three_steps_of_cyclegan_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CycleGANConfig(
        generator=ResnetConfig(ngf=2, blocks=1), discriminator=PatchGANConfig(ndf=2, receptive_field=16), pool_size=0
    )
    torch.manual_seed(0)
    batched = CycleGAN(config, 16).double()
    separate = copy.deepcopy(batched)

    def train(method: CycleGAN) -> list[float]:
        torch.manual_seed(1)
        totals = []
        optimizers = {
            player: torch.optim.Adam([w for module in modules for w in module.parameters() if w.requires_grad], lr=2e-4)
            for player, modules in method.players().items()
        }
        for step in range(3):
            batch = (torch.rand(2, 3, 16, 16).double() * 2 - 1, torch.rand(2, 3, 16, 16).double() * 2 - 1)
            for player, losses in method.turns(batch, step):
                optimizers[player].zero_grad()
                total = torch.stack(list(losses.values())).sum()
                total.backward(inputs=optimizers[player].param_groups[0]["params"])
                optimizers[player].step()
                totals.append(total.item())
        return totals

    batched_totals = train(batched)
    for target in ("i2i.methods.cyclegan.batched_forward", "i2i.losses.adversarial.batched_forward"):
        monkeypatch.setattr(target, lambda network, *batches: [network(x) for x in batches])
    separate_totals = train(separate)
    assert batched_totals == pytest.approx(separate_totals, rel=1e-12)
    for (name, a), b in zip(batched.state_dict().items(), separate.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, msg=name)


def test_a_discriminator_returns_the_same_logits_batched_and_separately() -> None:
    discriminator = PatchGAN(PatchGANConfig(ndf=2, receptive_field=16)).double()
    real, fake = torch.randn(2, 3, 16, 16).double(), torch.randn(2, 3, 16, 16).double()
    for output, expected in zip(
        batched_forward(discriminator, real, fake), (discriminator(real), discriminator(fake)), strict=True
    ):
        torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


def test_logits_of_several_scales_are_split_too() -> None:
    discriminator = PatchGANConfig(ndf=2, receptive_field=16, scales=2).build()
    a, b = torch.randn(1, 3, 16, 16), torch.randn(2, 3, 16, 16)
    assert batch_sizes(discriminator, a, b) == [3]
    for output, expected in zip(
        batched_forward(discriminator, a, b), (discriminator(a), discriminator(b)), strict=True
    ):
        torch.testing.assert_close(output, expected)
