import dataclasses

import pytest

from i2i.recipes import RECIPES
from i2i.training.config import TrainingConfig
from i2i.training.schedule import lr_factor


def test_the_papers_schedule_is_100_constant_and_100_decaying_epochs() -> None:
    config = RECIPES["cyclegan"]["paper"].training
    factors = [lr_factor(config, epoch * 1334, 1334) for epoch in range(200)]
    assert factors == [1 - max(0, epoch + 1 - 100) / 101 for epoch in range(200)]
    assert config.total_steps(1334) == 266_800


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_every_schedule_starts_at_1_and_never_increases(schedule: str) -> None:
    config = dataclasses.replace(TrainingConfig(), steps=50, schedule=schedule)
    factors = [lr_factor(config, step, 7) for step in range(50)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] == 1 if schedule == "constant" else factors[-1] < 0.05
