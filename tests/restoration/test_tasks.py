from dataclasses import fields

import numpy as np
import pytest

from i2i.config import from_json, to_json
from i2i.errors import ConfigError
from i2i.restoration import TASKS, Task
from tests.augmentations.pipelines import text, transform

DEGRADATIONS = [name for name in TASKS if name != "none"]


MORE_IS_BETTER = ("dejpeg", "dewebp", "dering", "depixelate", "deposterize")  # the strength is a quality


def default_task(name: str) -> Task:
    """Return a task with its defaults, and with a pipeline if it needs one."""
    pipeline = {"pipeline": text(transform("GaussNoise", p=1))} if name == "albumentations" else {}
    return TASKS[name](**pipeline)  # type: ignore[arg-type]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def photo(side: int = 48) -> np.ndarray:
    """Return a smooth image with an edge and without saturated colours."""
    y, x = np.mgrid[:side, :side] / side
    channels = 60 + 120 * np.stack([x, y, (x + y) / 2], 2) + 20 * (x > y)[..., None]
    return channels.astype(np.uint8)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_a_task_returns_an_image_of_the_declared_shape(name: str) -> None:
    task: Task = default_task(name)
    degraded = task.degrade(photo(), rng())
    side = 48 // task.scale
    assert degraded.shape == (side, side, 3 if task.conditioning == "image" else 4)
    assert degraded.dtype in (np.uint8, np.float32)
    assert np.isfinite(degraded).all()


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_result_depends_on_the_seed_only(name: str) -> None:
    task, clean = default_task(name), photo()
    assert np.array_equal(task.degrade(clean, rng(1)), task.degrade(clean, rng(1)))
    if name not in ("superres", "colorize"):  # which make no random choices
        assert not np.array_equal(task.degrade(clean, rng(1)), task.degrade(clean, rng(2)))


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_degrade_does_not_change_the_clean_image(name: str) -> None:
    clean = photo()
    before = clean.copy()
    default_task(name).degrade(clean, rng())
    assert np.array_equal(clean, before)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_degrade_uses_the_given_strength(name: str) -> None:
    task = default_task(name)
    limits = task.strength_range()
    if limits is None:
        assert task.mid_strength() is None
        return
    assert limits[0] < task.mid_strength() < limits[1]  # type: ignore[operator]
    weak, strong = (
        np.abs(task.degrade(photo(), rng(3), strength)[..., :3].astype(float) - photo()).mean() for strength in limits
    )
    assert (weak > strong) if name in MORE_IS_BETTER else (weak < strong)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_survives_json(name: str) -> None:
    task = default_task(name)
    assert from_json(type(task), to_json(task)) == task


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_falling_ranges_and_values_out_of_bounds_raise_config_error(name: str) -> None:
    for field in fields(TASKS[name]):
        if field.name != "task" and isinstance(field.default, tuple):
            for invalid in ((field.default[1] + 1, field.default[0]), (-1.0, 1.0)):
                with pytest.raises(ConfigError, match=field.name):
                    TASKS[name](**{field.name: invalid})
