import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.methods.base import Batch, Objective, Turn
from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.networks import PatchGANConfig, ResnetConfig
from i2i.training.config import TrainingConfig
from i2i.training.train_step import Stepper

CPU = torch.device("cpu")


class Lopsided(Objective):
    """Two players with a weight each, whose loss is what the batch says."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)

    def players(self) -> dict[str, list[nn.Module]]:
        return {"one": [self.one], "two": [self.two]}

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        slope_one, slope_two = batch
        yield "one", {"one/loss": (self.one.weight * slope_one).sum()}
        yield "two", {"two/loss": (self.two.weight * slope_two).sum()}


def played(slopes: list[tuple[float, float]], **training: Any) -> tuple[Stepper, list[Tensor]]:
    torch.manual_seed(0)
    objective = Lopsided()
    stepper = Stepper(objective, TrainingConfig(**training), CPU, torch.float32)
    for step, batch in enumerate(slopes):
        stepper(tuple(torch.tensor([slope]) for slope in batch), step, 0.1)
    return stepper, [objective.one.weight.detach(), objective.two.weight.detach()]


def test_a_gradient_longer_than_the_longest_is_cut_to_it_and_a_shorter_one_left_alone() -> None:
    free, cut = (played([(0.5, 0.5), (40.0, 0.25)], clip_norm=norm)[1] for norm in (0.0, 2.0))
    told = played([(0.5, 0.5), (2.0, 0.25)])[1]
    assert not torch.equal(free[0], cut[0])
    assert torch.allclose(cut[0], told[0], rtol=1e-5)
    assert torch.equal(cut[1], told[1])


@pytest.mark.parametrize("clip_norm", [0.0, 3.0])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_no_step_is_taken_from_a_gradient_that_is_not_finite(bad: float, optimizer: str, clip_norm: float) -> None:
    stepper, (one, two) = played([(1.0, 1.0), (bad, 1.0)], optimizer=optimizer, clip_norm=clip_norm)
    _, (one_before, two_before) = played([(1.0, 1.0)], optimizer=optimizer, clip_norm=clip_norm)
    assert torch.equal(one, one_before)
    assert not torch.equal(two, two_before)
    assert float(stepper.refused) == 1


def test_a_move_that_was_refused_leaves_no_trace_in_adam() -> None:
    _, with_bad = played([(1.0, 1.0), (math.nan, math.nan), (0.5, 0.5)])
    _, without = played([(1.0, 1.0), (0.5, 0.5)])
    assert all(torch.equal(a, b) for a, b in zip(with_bad, without, strict=True))


def test_sound_steps_are_not_refused() -> None:
    assert float(played([(1.0, -1.0), (0.0, 1e30)])[0].refused) == 0


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_state_loaded_keeps_the_settings_of_this_device_and_the_moments_of_the_other(optimizer: str) -> None:
    """As a training begun on CUDA leaves them, where the rate is a tensor and the optimiser capturable."""
    torch.manual_seed(0)
    config = CycleGANConfig(generator=ResnetConfig(ngf=2, blocks=1), discriminator=PatchGANConfig(ndf=2))
    batch = tuple(torch.rand(1, 3, 32, 32) * 2 - 1 for _ in "AB")
    first = CycleGAN(config, 32)
    here = Stepper(first, TrainingConfig(optimizer=optimizer), CPU, torch.float32)
    here(batch, 0, 2e-4)
    saved = copy.deepcopy(here.state())
    for player in saved.values():
        for group in player["param_groups"]:
            group |= {"lr": torch.tensor(2e-4), "capturable": True}
    second = copy.deepcopy(first)
    there = Stepper(second, TrainingConfig(optimizer=optimizer), CPU, torch.float32)
    there.load_state(saved)
    for each in (here, there):
        torch.manual_seed(1)
        each(batch, 1, 1e-4)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
