"""Make a trainer from a recipe and a dataset: for a new training, or for the resume of an earlier one."""

import logging
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from i2i._version import __version__
from i2i.checkpoints.model_info import DataInfo, ModelInfo
from i2i.checkpoints.run import Run
from i2i.checkpoints.writing import training_goes_on
from i2i.config import to_json
from i2i.data.config import DirectedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import HINT, Layout
from i2i.data.pixel_formats import with_ranges
from i2i.data.saved_source import saved_places
from i2i.data.source import PLACES, DataSource
from i2i.data.value_ranges import NO_RANGES, DomainRanges, dataset_ranges
from i2i.diagnostics import AlarmMonitor, flag_values
from i2i.directions import Direction
from i2i.errors import ConfigError, I2IError, UsageError
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats
from i2i.recipes import Recipe, find_recipe, is_name_of, plugin_packages, recipe_from_json
from i2i.recipes.caching import open_image_cache
from i2i.recipes.channels import find_formats, fit_to_channels, saved_formats
from i2i.recipes.initial_network import with_initial_network
from i2i.recipes.ranks import follow_rank_0, is_follower, share_trainer, with_ranks, with_resumed_ranks
from i2i.recipes.resumable import check_resumable, require_state
from i2i.recipes.teacher import known_ranges, model_formats
from i2i.recipes.training_data import (
    check_saved_scale,
    fit_to_pairs,
    load_and_check_layout,
    log_data_warnings,
    run_config,
    with_one_place,
)
from i2i.training.monitor import TrainingMonitor
from i2i.training.progress import TrainingProgress
from i2i.training.seeding import seed_everything
from i2i.training.trainer import Trainer
from i2i.training.validator import Validator
from i2i.training.warm_start import load_matching_weights

logger = logging.getLogger(__name__)


def new_training(
    method: str,
    recipe_name: str | None,
    overrides: dict[str, Any],
    run_name: str | None,
    progress: TrainingProgress,
    *,
    base: Recipe | None = None,
) -> Trainer:
    """Return the trainer of a new run, and write the run's ``config.json``.

    Args:
        method: such as "cyclegan".
        recipe_name: such as "paper"; None for the method's first recipe.
        overrides: settings that replace those of the recipe, as in ``Recipe.with_overrides``.
        run_name: None for a name made from the dataset's and the method's.
        progress: shows the progress of the training.
        base: settings that the overrides replace; None for those of the recipe.

    Raises:
        UsageError: the settings, the dataset or the run's name are not usable. Nothing is written then.
    """
    if is_follower():
        return follow_rank_0(partial(_follow, progress))
    base = base or find_recipe(method, recipe_name)
    overrides = with_ranks(overrides)
    overrides = with_one_place(base.data, overrides)
    overrides = with_initial_network(base.with_overrides(overrides), overrides)
    recipe = base.with_overrides(overrides)
    source = DataSource.from_config(recipe.data)
    if not source.is_named:
        raise UsageError(f"No dataset was named. Give --data NAME or --data PATH. {HINT}")
    recipe, layout = fit_to_pairs(recipe, load_and_check_layout(recipe, source), overrides)
    formats = find_formats(recipe, layout)
    recipe = fit_to_channels(recipe, formats, overrides)
    task = getattr(recipe.data.restoration_task, "task", "")
    run = Run.from_name(run_name or _default_run_name(source, method, task))
    log_data_warnings(recipe, layout)
    trainer = _build_trainer(recipe, source, layout, formats, run, progress, recipe.training.init_from)
    run.create(run_config(recipe, source))
    return share_trainer(trainer, recipe, source)


def resume_training(
    method: str,
    recipe_name: str | None,
    overrides: dict[str, Any],
    run_name: str | None,
    progress: TrainingProgress,
    *,
    allow_changed_data: bool = False,
) -> Trainer:
    """Return the trainer of an existing run in its last saved state.

    Args:
        method: such as "cyclegan"; it must be the run's.
        recipe_name: None, or the run's recipe.
        overrides: settings to replace; only those of ``resumable.RESUMABLE_FIELDS`` may differ from the run's.
        run_name: name of the run or path of its folder; None for the name that ``new_training`` makes from the
            dataset's and the method's.
        progress: shows the progress of the training.
        allow_changed_data: continue although the training images differ from those of the state.

    Raises:
        UsageError: there is no such run, or the settings differ from the run's.
    """
    if is_follower():
        return follow_rank_0(partial(_follow, progress))
    changes = overrides.get("data", {})
    run = Run.find(run_name or _run_name_from_data(method, changes))
    config = run.load_config()
    recipe = recipe_from_json(config)
    if recipe.method != method:
        raise UsageError(f"{run.path} is a {recipe.method} training: `i2i train {recipe.method} --resume …`.")
    if not is_name_of(recipe, recipe_name):
        raise ConfigError(f"{run.path} was started with --recipe {recipe.name}, not {recipe_name}.")
    overrides = with_resumed_ranks(recipe.training, with_one_place(recipe.data, overrides))
    check_resumable(recipe, overrides)
    require_state(run)
    recipe = recipe.with_overrides(overrides)
    source = DataSource.from_config(
        recipe.data, None if changes.keys() & set(PLACES) else saved_places(config, run.path)
    )
    run.lock_for_training()
    try:
        layout = check_saved_scale(recipe, load_and_check_layout(recipe, source, resumed=True))
        trainer = _build_trainer(recipe, source, layout, saved_formats(recipe, layout), run, progress)
        state = run.load_state()
        if state is not None:
            trainer.load_state_dict(state, allow_changed_data=allow_changed_data)
    except I2IError:
        run.unlock()
        raise
    with training_goes_on("The changed config.json"):
        run.save_config(run_config(recipe, source))
    return share_trainer(trainer, recipe, source)


def _follow(progress: TrainingProgress, recipe: Recipe, source: DataSource, run: Run) -> Trainer:
    """Return the trainer of a rank that writes no file."""
    layout = load_and_check_layout(recipe, source)
    return _build_trainer(recipe, source, layout, saved_formats(recipe, layout), run, progress)


def existing_run(method: str, overrides: dict[str, Any], run_name: str | None) -> Run | None:
    """Return the run that ``resume_training`` would continue; None if it was never started.

    Raises UsageError if neither a name nor a dataset is given.
    """
    run = Run.find(run_name or _run_name_from_data(method, overrides.get("data", {})))
    return run if run.exists() or run.has_state() else None


def _run_name_from_data(method: str, data: dict[str, Any]) -> str:
    """Return the name that ``new_training`` makes from the settings of the data."""
    source = DataSource(**{name: data[name] for name in PLACES if data.get(name)})
    if not source.is_named:
        raise UsageError("No run was named. --resume needs --name, or the --data that the run was started with.")
    return _default_run_name(source, method, data.get("task", {}).get("task", ""))


def _default_run_name(source: DataSource, method: str, task: str) -> str:
    """Return "DATASET-METHOD", "DATASET-METHOD-TASK", or for regression "DATASET-TASK".

    A dash replaces each part of the dataset's name that a run's name cannot hold.
    """
    dataset = re.sub(r"[^A-Za-z0-9._-]+", "-", source.title).strip("-._")
    suffixes = [task] if task and method == "regression" else [method, task]
    return "-".join(filter(None, [dataset, *suffixes]))


def _build_trainer(
    recipe: Recipe,
    source: DataSource,
    layout: Layout,
    formats: DomainFormats,
    run: Run,
    progress: TrainingProgress,
    init_from: str = "",
) -> Trainer:
    training = recipe.training
    seed_everything(training.seed)
    method = recipe.build()
    if init_from:
        load_matching_weights(method, init_from)
    data = recipe.data
    ranges = dataset_ranges(
        layout, data.value_range, data.value_range_a, data.value_range_b, known=known_ranges(recipe)
    )
    formats = with_ranges(formats, ranges)
    model_pixels, model_ranges = model_formats(recipe, formats, ranges)
    if formats != RGB_FORMATS:
        logger.info("images A: %s; images B: %s", *model_pixels)
    cache = open_image_cache(recipe, layout, ranges, formats)
    dataset = TrainingDataset(layout, data, training.seed, cache, ranges, formats)
    total_steps = training.total_steps(dataset.epoch_length)
    settings = flag_values(recipe.data, recipe.model, training)
    alarms = AlarmMonitor(settings, total_steps, method.discriminator_weight, method.discriminator_outputs)
    monitor = TrainingMonitor(alarms, stop_on_alarm=training.stop_on_alarm)
    info = model_info(recipe, source, layout, list(method.translators()), model_ranges, model_pixels)
    validator = Validator(training, dataset, info.directions, method.generator_config(), run.best_path)
    return Trainer(method, dataset, training, run, info, progress, monitor, validator)


def model_info(
    recipe: Recipe,
    source: DataSource,
    layout: Layout,
    directions: Sequence[str],
    ranges: DomainRanges = NO_RANGES,
    formats: DomainFormats = RGB_FORMATS,
) -> ModelInfo:
    """Return the part of a model file's metadata that does not change during a training.

    The metadata holds names of datasets and models, but no paths, because model files are shared.
    """
    if isinstance(recipe.data, DirectedConfig) and recipe.data.direction == Direction.B_TO_A:
        directions = [Direction.B_TO_A]
    task = recipe.data.restoration_task
    changes: dict[str, Any] = {
        "data": source.shareable(), "training": {"init_from": _shareable_model(recipe.training.init_from)}
    }  # fmt: skip
    if teacher := getattr(recipe.model, "teacher", ""):
        changes["model"] = {"teacher": _shareable_model(teacher)}
    settings = recipe.with_overrides(changes)
    return ModelInfo(
        method=recipe.method,
        recipe=recipe.name,
        title=recipe.training.title,
        version=__version__,
        size=recipe.data.size,
        directions=tuple(map(str, directions)),
        generator=to_json(recipe.model.generator),
        task=to_json(task) if task else None,
        data=DataInfo(layout.data_name, layout.fingerprint(), tuple(len(domain) for domain in layout.splits["train"])),
        settings=settings.to_json(),
        plugins=plugin_packages(recipe),
        value_ranges=ranges,
        formats=formats,
    )


def _shareable_model(model: str) -> str:
    """Return the name of a model that is given by its name or by a path."""
    return re.sub(r".*/(?=[^/]+$)|/weights\.safetensors$", "", model)
