import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.networks import PatchGAN, PatchGANConfig, Resnet, ResnetConfig
from i2i.networks.batching import together


def passes(network: nn.Module, *pictures: Tensor) -> list[int]:
    """The batch sizes in which ``together`` calls the network."""
    sizes: list[int] = []
    network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    together(network, *pictures)
    return sizes


def test_pictures_that_do_not_mind_company_go_in_one_pass() -> None:
    a, b = torch.randn(1, 3, 16, 16), torch.randn(2, 3, 16, 16)
    network = Resnet(ResnetConfig(ngf=2, blocks=1))
    assert passes(network, a, b) == [3]
    for ours, alone in zip(together(network, a, b), (network(a), network(b)), strict=True):
        torch.testing.assert_close(ours, alone)


@pytest.mark.parametrize("extra", [{"norm": "batch"}, {"dropout": 0.5}, {"spectral_norm": True}])
def test_batch_norm_dropout_and_spectral_norm_are_passed_one_by_one(extra: dict[str, Any]) -> None:
    a, b = torch.randn(1, 3, 16, 16), torch.randn(1, 3, 16, 16)
    assert passes(Resnet(ResnetConfig(ngf=2, blocks=1, **extra)), a, b) == [1, 1]


def test_a_plain_function_is_called_one_by_one() -> None:
    calls: list[int] = []

    def critic(x: Tensor) -> Tensor:
        calls.append(len(x))
        return x

    together(critic, torch.zeros(1), torch.zeros(2))
    assert calls == [1, 2]


def test_three_steps_of_cyclegan_end_in_the_same_float64_weights_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CycleGANConfig(
        generator=ResnetConfig(ngf=2, blocks=1), discriminator=PatchGANConfig(ndf=2, receptive_field=16), pool=0
    )
    torch.manual_seed(0)
    one = CycleGAN(config, 16).double()
    other = copy.deepcopy(one)

    def train(objective: CycleGAN) -> list[float]:
        torch.manual_seed(1)
        seen = []
        optimizers = {
            player: torch.optim.Adam([w for module in modules for w in module.parameters() if w.requires_grad], lr=2e-4)
            for player, modules in objective.players().items()
        }
        for step in range(3):
            batch = (torch.rand(2, 3, 16, 16).double() * 2 - 1, torch.rand(2, 3, 16, 16).double() * 2 - 1)
            for player, losses in objective.turns(batch, step):
                optimizers[player].zero_grad()
                total = torch.stack(list(losses.values())).sum()
                total.backward(inputs=optimizers[player].param_groups[0]["params"])
                optimizers[player].step()
                seen.append(total.item())
        return seen

    in_one = train(one)
    for place in ("i2i.methods.cyclegan.together", "i2i.losses.adversarial.together"):
        monkeypatch.setattr(place, lambda network, *pictures: [network(x) for x in pictures])
    one_by_one = train(other)
    assert in_one == pytest.approx(one_by_one, rel=1e-12)
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, msg=name)


def test_a_discriminator_judges_the_same_alone_and_together() -> None:
    critic = PatchGAN(PatchGANConfig(ndf=2, receptive_field=16)).double()
    real, fake = torch.randn(2, 3, 16, 16).double(), torch.randn(2, 3, 16, 16).double()
    for ours, alone in zip(together(critic, real, fake), (critic(real), critic(fake)), strict=True):
        torch.testing.assert_close(ours, alone, rtol=1e-12, atol=1e-12)


def test_judgements_at_several_scales_are_parted_as_well() -> None:
    critic = PatchGANConfig(ndf=2, receptive_field=16, scales=2).build()
    a, b = torch.randn(1, 3, 16, 16), torch.randn(2, 3, 16, 16)
    assert passes(critic, a, b) == [3]
    for ours, alone in zip(together(critic, a, b), (critic(a), critic(b)), strict=True):
        torch.testing.assert_close(ours, alone)
