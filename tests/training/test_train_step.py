import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.methods.base import Batch, Method, Turn
from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.networks import PatchGANConfig, ResnetConfig
from i2i.training.config import TrainingConfig
from i2i.training.train_step import TrainStep

CPU = torch.device("cpu")


class TwoPlayers(Method):
    """Two players with one weight each. The batch holds the gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(1, 1, bias=False)
        self.two = nn.Linear(1, 1, bias=False)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"one": [self.one], "two": [self.two]}

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        slope_one, slope_two = batch
        yield "one", {"one/loss": (self.one.weight * slope_one).sum()}
        yield "two", {"two/loss": (self.two.weight * slope_two).sum()}


def train(slopes: list[tuple[float, float]], **training: Any) -> tuple[TrainStep, list[Tensor]]:
    torch.manual_seed(0)
    method = TwoPlayers()
    train_step = TrainStep(method, TrainingConfig(**training), CPU, torch.float32)
    for step, batch in enumerate(slopes):
        train_step(tuple(torch.tensor([slope]) for slope in batch), step, 0.1)
    return train_step, [method.one.weight.detach(), method.two.weight.detach()]


def test_only_gradients_above_the_limit_are_clipped() -> None:
    unclipped, clipped = (train([(0.5, 0.5), (40.0, 0.25)], grad_clip=norm)[1] for norm in (0.0, 2.0))
    expected = train([(0.5, 0.5), (2.0, 0.25)])[1]
    assert not torch.equal(unclipped[0], clipped[0])
    assert torch.allclose(clipped[0], expected[0], rtol=1e-5)
    assert torch.equal(clipped[1], expected[1])


@pytest.mark.parametrize("grad_clip", [0.0, 3.0])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_non_finite_gradient_skips_the_optimizer_step(bad: float, optimizer: str, grad_clip: float) -> None:
    train_step, (one, two) = train([(1.0, 1.0), (bad, 1.0)], optimizer=optimizer, grad_clip=grad_clip)
    _, (one_before, two_before) = train([(1.0, 1.0)], optimizer=optimizer, grad_clip=grad_clip)
    assert torch.equal(one, one_before)
    assert not torch.equal(two, two_before)
    assert float(train_step.skipped) == 1


def test_a_skipped_step_does_not_change_the_state_of_adam() -> None:
    _, with_bad = train([(1.0, 1.0), (math.nan, math.nan), (0.5, 0.5)])
    _, without = train([(1.0, 1.0), (0.5, 0.5)])
    assert all(torch.equal(a, b) for a, b in zip(with_bad, without, strict=True))


def test_finite_steps_are_not_skipped() -> None:
    assert float(train([(1.0, -1.0), (0.0, 1e30)])[0].skipped) == 0


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_loaded_state_keeps_the_settings_of_this_device(optimizer: str) -> None:
    """The state is like one from CUDA, where the learning rate is a tensor and the optimizer is capturable."""
    torch.manual_seed(0)
    config = CycleGANConfig(generator=ResnetConfig(ngf=2, blocks=1), discriminator=PatchGANConfig(ndf=2))
    batch = tuple(torch.rand(1, 3, 32, 32) * 2 - 1 for _ in "AB")
    first = CycleGAN(config, 32)
    original = TrainStep(first, TrainingConfig(optimizer=optimizer), CPU, torch.float32)
    original(batch, 0, 2e-4)
    saved = copy.deepcopy(original.state_dict())
    for player in saved.values():
        for group in player["param_groups"]:
            group |= {"lr": torch.tensor(2e-4), "capturable": True}
    second = copy.deepcopy(first)
    restored = TrainStep(second, TrainingConfig(optimizer=optimizer), CPU, torch.float32)
    restored.load_state_dict(saved)
    for train_step in (original, restored):
        torch.manual_seed(1)
        train_step(batch, 1, 1e-4)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
