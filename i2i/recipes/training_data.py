"""The data of a training: find and check them, and keep in the run where they are."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2i.data.audit import training_warnings
from i2i.data.config import DataConfig, DirectedConfig
from i2i.data.layout import HINT, Kind, Layout, PairSizes
from i2i.data.layout.shards import inspected_items
from i2i.data.saved_source import SAVED_PLACES
from i2i.data.source import PLACES, DataSource
from i2i.data.unreadable import max_unreadable
from i2i.directions import Direction
from i2i.errors import DatasetError, ImageError
from i2i.images import read_header
from i2i.recipes.recipe import Recipe

logger = logging.getLogger(__name__)

DATA_KIND_HINTS: dict[Kind, str] = {
    "paired": "Train on it with `i2i train pix2pix`.",
    "unpaired": "Train on it with `i2i train cyclegan` or `i2i train cut`.",
    "clean": "Train on it with `i2i train regression --task denoise` to restore such photos, or with `i2i train gan` "
    "to generate more of them. To translate between two kinds of photos, put them into trainA/ and trainB/.",
}


def run_config(recipe: Recipe, source: DataSource) -> dict[str, Any]:
    """Return the content of a run's ``config.json``: the recipe, and where its dataset is on this machine."""
    return {**recipe.to_json(), SAVED_PLACES: dict(source.with_absolute().absolute or {})}


def with_one_place(data: DataConfig, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides of a recipe; a place of the dataset in them replaces all places in ``data``."""
    changes = overrides.get("data", {})
    if not changes.keys() & set(PLACES):
        return dict(overrides)
    unset = {name: None if name == "pairs" else "" for name in PLACES if hasattr(data, name)}
    return {**overrides, "data": {**unset, **changes}}


def load_and_check_layout(recipe: Recipe, source: DataSource, *, resumed: bool = False) -> Layout:
    """Return the layout of a training's dataset, downloaded if necessary.

    Args:
        recipe: of the training.
        source: where the dataset is.
        resumed: whether the training is continued: then as many files may be unreadable as during a training.

    Raises:
        DatasetError: there is no such dataset, its kind is not the one that the method needs, or a file is no image.
    """
    needed = recipe.data_kind()
    layout = source.load(needed)
    if layout.kind != needed:
        raise DatasetError(
            f"{layout.root} holds {layout.kind} data ({layout.source}), and {recipe.method} needs {needed} data. "
            f"{_data_kind_hint(layout, needed, recipe.method)} {HINT}"
        )
    errors = []
    for path in _all_files(layout):
        try:
            read_header(path)
        except ImageError as error:
            errors.append(str(error))
    if resumed and errors and len(errors) <= max_unreadable(layout):
        return layout  # the training names and replaces them
    if errors:
        count = (
            f"{len(errors)} files cannot be read as images" if len(errors) > 1 else "1 file cannot be read as an image"
        )
        more = f" And {len(errors) - 3} more." if len(errors) > 3 else ""
        raise DatasetError(f"{count}: {' '.join(errors[:3])}{more} Remove, replace or complete them.")
    return layout


def fit_to_pairs(recipe: Recipe, layout: Layout, overrides: dict[str, Any]) -> tuple[Recipe, Layout]:
    """Return the recipe and the layout of a new training, for super-resolution if its pairs are of this kind.

    Args:
        recipe: of the training.
        layout: of its dataset.
        overrides: those that made the recipe.

    Raises:
        DatasetError: targets are larger than their inputs by a factor that varies or is none of 2, 3 and 4, or the
            inputs are label maps.
        ConfigError: a generator was chosen that enlarges no images.
    """
    target = _target_index(recipe)
    if problem := layout.sizes.problem(target):
        raise DatasetError(f"{layout.root}: {problem}")
    scale = layout.sizes.scale(target)
    if scale == 1:
        if (factor := layout.sizes.scale(1 - target)) > 1:
            logger.warning(
                "warning: targets are %d times smaller than inputs. Both are resized to --size, and the model learns "
                "no super-resolution. --direction %s learns ×%d.",
                factor,
                Direction.A_TO_B if target == 0 else Direction.B_TO_A,
                factor,
            )
        return recipe, replace(layout, sizes=PairSizes())
    if getattr(recipe.data, "labels", None) is not None:
        raise DatasetError(
            f"{layout.root}: targets are {scale} times as wide and high as their label maps, and super-resolution "
            "takes pictures. --layout pairs resizes both images of a pair to --size, label maps without interpolation."
        )
    recipe = recipe.for_superres_pairs(scale, overrides)
    logger.info("targets are %d times as wide and high as inputs: the restorer learns super-resolution", scale)
    return recipe, layout


def log_data_warnings(recipe: Recipe, layout: Layout) -> None:
    """Log the warnings of `i2i data check` that concern a training."""
    if layout.is_remote:
        return  # the check would download all shards
    resize = "native" if recipe.superres_scale > 1 else recipe.data.resize_mode
    for text in training_warnings(layout, recipe.data_kind(), resize=resize):
        logger.warning("warning: %s", text)


def check_saved_scale(recipe: Recipe, layout: Layout) -> Layout:
    """Return the layout of a resumed training, whose recipe says whether it is super-resolution.

    Raises:
        DatasetError: the pairs have another scale than those that the run was started with.
    """
    if recipe.superres_scale == 1:
        return replace(layout, sizes=PairSizes())
    scale = layout.sizes.scale(_target_index(recipe))
    if recipe.data_kind() == "paired" and scale != recipe.superres_scale:
        raise DatasetError(
            f"This run learns super-resolution ×{recipe.superres_scale}, and the pairs of {layout.root} have the scale "
            f"{scale}. Resume it with pairs of its scale, or start a new run."
        )
    return layout


def _target_index(recipe: Recipe) -> int:
    """Return 1 if B is the target of the training, 0 if A is."""
    reverse = isinstance(recipe.data, DirectedConfig) and recipe.data.direction == Direction.B_TO_A
    return 0 if reverse else 1


def _all_files(layout: Layout) -> Iterator[Path]:
    for domains in layout.splits.values():
        for domain in domains:
            for item in inspected_items(layout, domain):
                yield from item


def _data_kind_hint(layout: Layout, needed: Kind, method: str) -> str:
    """Return what to do with a dataset whose kind is not the needed one."""
    if (method, layout.kind) == ("distill", "clean"):
        return (
            "For a teacher that restores photos, add its --task. For one that translates, put images of its input into "
            "trainA/ and images of its output into trainB/."
        )
    if needed == "clean" and layout.name != "side-by-side":
        folder = layout.folders["train"][0]
        return f"Name one of its folders, such as --data {folder}, or give --layout photos to use all of them."
    if needed == "paired" and layout.name == "unpaired":
        return f"{DATA_KIND_HINTS['unpaired']} If files of equal names are pairs, add --layout pairs."
    if needed == "paired" and layout.name == "photos":
        hint = "If each file holds both images of a pair side by side, add --layout side-by-side."
        if len(layout.folders["train"]) == 1:
            hint += " If two files are a pair, name the ends of their names, such as --pair-suffixes _in _out."
        return f"{hint} {DATA_KIND_HINTS['clean']}"
    return DATA_KIND_HINTS[layout.kind]
