"""Fit a recipe to the channels of its dataset."""

import logging
from dataclasses import replace
from typing import Any

from i2i.config import merge
from i2i.data.config import DirectedConfig, PairedConfig, SingleDomainConfig, UnpairedConfig
from i2i.data.layout import Layout
from i2i.data.pixel_formats import check_rgb, dataset_formats
from i2i.directions import Direction
from i2i.errors import ConfigError
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats
from i2i.methods.cyclegan import CycleGANConfig
from i2i.networks import RestorerConfig
from i2i.recipes.recipe import Recipe
from i2i.recipes.teacher import find_teacher

logger = logging.getLogger(__name__)


def find_formats(recipe: Recipe, layout: Layout) -> DomainFormats:
    """Return the formats of the images A and B of a new training.

    Restoration tasks and noise generators take pictures: grey ones get three equal channels.

    Raises:
        DatasetError: files of a domain differ in their channels, have others than the recipe states or the teacher of a
            student takes, or are no pictures where these are needed.
        ConfigError: channels are stated for a restoration task, or other ones than those of a teacher.
    """
    if recipe.data.restoration_task is not None or isinstance(recipe.data, SingleDomainConfig):
        task = getattr(recipe.data.restoration_task, "task", "")
        for name in ("in_channels", "out_channels"):
            if getattr(recipe.data, name, None) not in (None, 3):
                raise ConfigError(
                    f"--task {task} restores pictures, grey or RGB, as three channels: omit "
                    f"--{name.replace('_', '-')} {getattr(recipe.data, name)}, or train without --task on pairs."
                )
        return check_rgb(layout, f"--task {task}" if task else f"`i2i train {recipe.method}`")
    assert isinstance(recipe.data, UnpairedConfig)
    stated = (recipe.data.in_channels, recipe.data.out_channels)
    if (teacher := find_teacher(recipe)) is not None:
        return teacher.dataset_formats(layout, stated)
    if isinstance(recipe.data, PairedConfig) and recipe.data.labels is not None:
        return dataset_formats(layout, stated, recipe.data.label_classes)
    return dataset_formats(layout, stated[::-1] if _is_reversed(recipe) else stated)


def saved_formats(recipe: Recipe, layout: Layout) -> DomainFormats:
    """Return the formats of the images A and B of a training that is continued; RGB of 8 bits if it states none.

    Raises:
        DatasetError: the files do not have the channels of the run any more.
    """
    if not isinstance(recipe.data, UnpairedConfig) or recipe.data.out_channels is None:
        return RGB_FORMATS
    return find_formats(recipe, layout)


def fit_to_channels(recipe: Recipe, formats: DomainFormats, overrides: dict[str, Any]) -> Recipe:
    """Return the recipe of a new training with the channels of its dataset.

    Between different channels, settings that need equal ones are replaced unless they were chosen: the identity loss of
    CycleGAN by none, and the residual of a restorer by its direct prediction.

    Args:
        recipe: of the training.
        formats: of the images A and B.
        overrides: those that made the recipe.
    """
    if not isinstance(recipe.data, UnpairedConfig) or recipe.data.restoration_task is not None:
        return recipe
    teacher = find_teacher(recipe)
    if formats == RGB_FORMATS and teacher is None:
        return recipe
    source, target = formats[::-1] if _is_reversed(recipe) else formats
    if teacher is not None:
        source, target = teacher.input, teacher.output
    found = {"in_channels": None if source.labels else source.channels, "out_channels": target.channels}
    recipe = replace(recipe, data=merge(recipe.data, found))
    if source.channels == target.channels:
        return recipe
    chosen = overrides.get("model", {})
    changes: dict[str, Any] = {}
    if isinstance(recipe.model, CycleGANConfig) and recipe.model.weight_identity and "weight_identity" not in chosen:
        changes["weight_identity"] = 0.0
        logger.info("no identity loss: A has %d channels and B %d", formats[0].channels, formats[1].channels)
    generator = recipe.model.generator
    is_residual = isinstance(generator, RestorerConfig) and generator.prediction == "residual"
    if is_residual and "prediction" not in chosen.get("generator", {}):
        changes["generator"] = {"prediction": "direct"}
    return replace(recipe, model=merge(recipe.model, changes))


def _is_reversed(recipe: Recipe) -> bool:
    return isinstance(recipe.data, DirectedConfig) and recipe.data.direction == Direction.B_TO_A
