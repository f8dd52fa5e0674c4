"""The start of a distributed training: rank 0 makes the run, and the others follow it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from i2i.checkpoints.run import Run
from i2i.data.source import DataSource
from i2i.distributed import from_rank_0, launched_ranks, num_ranks, rank
from i2i.errors import ConfigError
from i2i.recipes.recipe import Recipe
from i2i.training.config import TrainingConfig
from i2i.training.trainer import Trainer

logger = logging.getLogger(__name__)

BuildTrainer = Callable[[Recipe, DataSource, Run], Trainer]


class Blueprint(NamedTuple):
    """What the other ranks need to build the trainer of rank 0."""

    recipe: Recipe
    source: DataSource
    run: Path
    state: dict[str, Any]


def share_trainer(trainer: Trainer, recipe: Recipe, source: DataSource) -> Trainer:
    """Send the trainer of rank 0 to the others, and return it."""
    if num_ranks() > 1:
        from_rank_0(lambda: Blueprint(recipe, source, trainer.run.path, trainer.state_dict()))
    return trainer


def follow_rank_0(build: BuildTrainer) -> Trainer:
    """Return the trainer of rank 0 with its weights, on another rank. It writes no file.

    Args:
        build: returns a new trainer.

    Raises: RankError if rank 0 has ended, such as for settings that are not usable.
    """
    blueprint: Blueprint = from_rank_0(lambda: None)
    trainer = build(blueprint.recipe, blueprint.source, Run(blueprint.run))
    trainer.load_state_dict(blueprint.state)
    return trainer


def is_follower() -> bool:
    """Return whether another process makes the run."""
    return rank() > 0


def with_ranks(overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides of a new training with the number of its processes.

    Raises: ConfigError if they name another number.
    """
    return _with_training(overrides, {"ranks": _checked_ranks(overrides)})


def with_resumed_ranks(training: TrainingConfig, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides of a resume by any number of processes.

    The images of a step stay the same: ``batch_size`` and ``accumulate`` become those of the present processes, unless
    they are given.

    Args:
        training: settings of the run.
        overrides: settings to replace.

    Raises: ConfigError if the processes cannot share the images of a step equally.
    """
    ranks = _checked_ranks(overrides)
    given = overrides.get("training", {})
    if ranks == training.ranks or given.keys() & {"batch_size", "accumulate"}:
        return _with_training(overrides, {"ranks": ranks})
    images = training.images_per_step
    if images % ranks:
        counts = ", ".join(str(count) for count in range(1, images + 1) if images % count == 0)
        raise ConfigError(
            f"A step of this run has {images} images, which {ranks} processes cannot share equally. Start one of: "
            f"{counts}."
        )
    own = images // ranks
    batch_size = max(size for size in range(1, min(own, training.batch_size) + 1) if own % size == 0)
    logger.warning(
        "The run was trained by %d processes before and goes on with %d. A step keeps its %d images: --batch-size %d "
        "--accumulate %d for each process.",
        training.ranks, ranks, images, batch_size, own // batch_size,
    )  # fmt: skip
    return _with_training(overrides, {"ranks": ranks, "batch_size": batch_size, "accumulate": own // batch_size})


def _checked_ranks(overrides: dict[str, Any]) -> int:
    ranks = launched_ranks()
    named = overrides.get("training", {}).get("ranks", ranks)
    if named != ranks:
        raise ConfigError(
            f"ranks is {named}, and this training has {ranks}: torchrun sets the number of processes "
            f"(torchrun --nproc-per-node {named} -m i2i train …)."
        )
    return ranks


def _with_training(overrides: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    return {**overrides, "training": {**overrides.get("training", {}), **settings}}
