"""``i2i.train``: train a model from Python."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from i2i.api.reference_options import refuse_reference_settings
from i2i.arguments import PathLike, check_types
from i2i.checkpoints.model_info import BestMetric
from i2i.checkpoints.run import Run
from i2i.device import resolve_device
from i2i.distributed import device_of_rank, is_restart, process_group, rank
from i2i.errors import UsageError
from i2i.inference import loading, sampler
from i2i.inference.sampler import Sampler
from i2i.inference.translator import Translator
from i2i.recipes import launch
from i2i.recipes.config_file import load_base_recipe
from i2i.recipes.setting_names import errors_name_arguments
from i2i.recipes.settings import overrides_from_settings, setting_paths
from i2i.training.progress import TrainingProgress
from i2i.training.time_budget import TimeLimit, parse_duration
from i2i.training.trainer import Trainer


@dataclass(frozen=True, repr=False)
class TrainingResult:
    """What a training has left. ``i2i.load`` takes it, as the path of the run.

    Attributes:
        run: the run's folder.
        step: training steps of the last checkpoint.
        total_steps: steps of the whole training.
        best: the best result of the validations; None without ``best_metric``.
        samples_from_noise: whether the model generates images from noise.
        unreadable_images: training images that could not be read, relative to the dataset. Others took their place.
    """

    run: Run
    step: int
    total_steps: int
    best: BestMetric | None = None
    samples_from_noise: bool = False
    unreadable_images: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.run.path.name

    def load(self, direction: str | None = None, *, best: bool = False, **options: Any) -> Translator | Sampler:
        """Load the model: a ``Translator``, or a ``Sampler`` if it generates images from noise.

        Args:
            direction: "AtoB" or "BtoA"; by default the model's first direction.
            best: whether to load the checkpoint with the best result, instead of the last.
            options: see ``i2i.load`` and ``i2i.load_sampler``.
        """
        path = self.run.best_path if best else self.run.weights_path
        if self.samples_from_noise:
            return sampler.load(path, **options)
        return loading.load(path, direction, **options)

    def __fspath__(self) -> str:
        return os.fspath(self.run.path)

    def __repr__(self) -> str:
        best = self.best
        kept = f", best {best.metric.upper()} {best.value:.4g} at step {best.step}" if best is not None else ""
        return f"<TrainingResult {self.name}: {self.step} of {self.total_steps} steps{kept}, in {self.run.path}>"


def train(
    method: str,
    *,
    data: PathLike | None = None,
    recipe: str | None = None,
    name: str | None = None,
    resume: bool | PathLike = False,
    config: PathLike | None = None,
    time_limit: str | None = None,
    allow_changed_data: bool = False,
    progress: bool = True,
    **settings: Any,
) -> TrainingResult:
    """Train a model, or resume a training, as ``i2i train METHOD`` does.

    Args:
        method: such as "cyclegan".
        data: the dataset: a path, or a name (``i2i data list``).
        recipe: preset to start from; by default the method's first recipe.
        name: name of the run; by default made from the dataset's and the method's.
        resume: the run to continue: its name, the path of its folder, or what ``train`` has returned; or whether to
            continue the run that ``name`` or ``data`` selects; or "auto": continue that run, or start it if there is
            none.
        config: file with the settings to start from, such as the ``config.json`` of a run; not with ``resume``.
        time_limit: stop after this time, such as "2h" or "1h30m", with the run saved.
        allow_changed_data: for ``resume``: go on although training images were added, removed or resized.
        progress: whether to show the progress on standard error.
        settings: any setting of the method by its flag in snake_case, such as ``epochs=50`` for ``--epochs 50``.
            ``i2i train METHOD --help`` lists them. A setting that is None keeps the recipe's value.

    Returns: the run, which ``i2i.load`` takes.

    Raises:
        ArgumentTypeError: a TypeError: there is no such setting, and the message proposes the nearest; or an argument
            has another type.
        UsageError: the settings, the dataset or the run's name are not usable. Nothing is written then.
        TrainingError: the training cannot continue, or ``stop_on_alarm`` ended it. The last good state is kept.
        KeyboardInterrupt: Ctrl-C stopped the training. The run is saved, and ``resume=True`` continues it.
        SystemExit: SIGTERM stopped the training, with exit code 143. The run is saved.

    >>> i2i.train("cyclegan", data="stripes", recipe="tiny", steps=600)  # doctest: +SKIP
    <TrainingResult stripes-cyclegan: 600 of 600 steps, in checkpoints/stripes-cyclegan>
    >>> translate = i2i.load("checkpoints/stripes-cyclegan")  # doctest: +SKIP
    """
    check_types(train, locals())
    with errors_name_arguments(method):
        refuse_reference_settings("train", settings, setting_paths(method))
        overrides = overrides_from_settings("train", method, {"data": data, **settings})
        limit = TimeLimit(parse_duration(time_limit) if time_limit is not None else None)
        device = device_of_rank(overrides.get("training", {}).get("device", "auto"))
        with process_group(resolve_device(device)):
            return _train(
                method, overrides, recipe, name, resume="auto" if is_restart() else resume, config=config, limit=limit,
                allow_changed_data=allow_changed_data, progress=progress and rank() == 0,
            )  # fmt: skip


def _train(
    method: str,
    overrides: dict[str, Any],
    recipe: str | None,
    name: str | None,
    *,
    resume: bool | PathLike,
    config: PathLike | None,
    limit: TimeLimit,
    allow_changed_data: bool,
    progress: bool,
) -> TrainingResult:
    display = TrainingProgress(Console(stderr=True, highlight=False, quiet=not progress))
    if resume == "auto":
        resume = launch.existing_run(method, overrides, name) is not None
        config = None if resume else config
    if resume:
        trainer = launch.resume_training(
            method, recipe, overrides, _resumed_name(resume, name, config), display,
            allow_changed_data=allow_changed_data,
        )  # fmt: skip
    else:
        base = load_base_recipe(method, recipe, None if config is None else Path(config))
        trainer = launch.new_training(method, base.name, overrides, name, display, base=base)
    trainer.time_limit = limit
    try:
        stop_signal = trainer.train() if trainer.step < trainer.total_steps() else None
    finally:
        trainer.run.unlock()
    if stop_signal == signal.SIGINT:
        raise KeyboardInterrupt(f"stopped at step {trainer.step}; resume=True continues {trainer.run.path}")
    if stop_signal is not None:
        raise SystemExit(128 + stop_signal)
    return _result(trainer)


def _resumed_name(resume: bool | PathLike, name: str | None, config: PathLike | None) -> str | None:
    """Return the name of the run to continue. Raises UsageError if two are named or settings are given in a file."""
    if config is not None:
        raise UsageError("A resume takes the settings of the run. Leave out config, or start a new run with it.")
    if isinstance(resume, bool):
        return name
    reference = os.fspath(resume)
    if name not in (None, reference):
        raise UsageError(f"Two runs are named: resume={reference!r} and name={name!r}. Name one.")
    return reference


def _result(trainer: Trainer) -> TrainingResult:
    best = trainer.validator.best if trainer.validator is not None else None
    return TrainingResult(
        trainer.run, trainer.step, trainer.total_steps(), best, trainer.info.samples_from_noise,
        tuple(trainer.unreadable.reasons),
    )  # fmt: skip
