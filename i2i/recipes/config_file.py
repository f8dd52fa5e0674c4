"""Settings of a training in a JSON file: a run's ``config.json``, or a file of ``--save-config``."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.checkpoints.config_file import decode_config
from i2i.checkpoints.run import write_or_explain
from i2i.checkpoints.upgrade import upgrade_config
from i2i.data.layout import find_dataset
from i2i.data.saved_source import SAVED_PLACES
from i2i.errors import ConfigError, UsageError, io_errors
from i2i.images.files import remove_unfinished
from i2i.json_parsing import JsonError
from i2i.recipes import SECTIONS, Recipe, find_recipe, is_name_of

logger = logging.getLogger(__name__)

KEYS = ("method", "recipe", *SECTIONS)


def load_config_file(path: Path, method: str) -> Recipe:
    """Return the settings of a file. Settings that it leaves out are those of its recipe.

    Args:
        path: of the file, as ``Recipe.to_json`` writes it, by this version or an earlier one.
        method: of the training; the file's must be the same.

    Raises:
        ConfigError: the file cannot be read, is for another method, or holds an unknown setting or value.
    """
    with io_errors(path, "could not be read", error_type=ConfigError):
        text = path.read_bytes()
    try:
        content, is_unchanged = decode_config(text)
        saved = upgrade_config(content)
    except JsonError as error:
        raise ConfigError(f"{path} {error}. A run's config.json and --save-config make such a file.") from error
    if not is_unchanged:
        logger.warning("%s was changed after i2i wrote it. Its settings are used as they are now.", path)
    places = saved.pop(SAVED_PLACES, None)
    if unknown := sorted(saved.keys() - set(KEYS)):
        raise ConfigError(f"{path} has unknown keys: {', '.join(unknown)}. It may have {', '.join(KEYS)}.")
    if saved.get("method", method) != method:
        raise ConfigError(
            f"{path} holds the settings of a {saved['method']} training: `i2i train {saved['method']} --config {path}`."
        )
    sections = {section: saved[section] for section in SECTIONS if section in saved}
    for section, table in sections.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is {table!r}; it must be a table of settings.")
    if isinstance(places, dict) and "data" in sections:
        sections["data"] = {name: _present_place(value, places) for name, value in sections["data"].items()}
    try:
        return find_recipe(method, saved.get("recipe")).with_overrides(sections)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _present_place(value: Any, places: Mapping[str, Any]) -> Any:
    """Return the absolute path that a run has kept of a folder, if the folder is not found by its name from here."""
    if isinstance(value, list):
        return [_present_place(item, places) for item in value]
    absolute = places.get(value) if isinstance(value, str) else None
    if not isinstance(absolute, str) or find_dataset(value) is not None or not Path(absolute).is_dir():
        return value
    return absolute


def load_base_recipe(method: str, recipe_name: str | None, path: Path | None) -> Recipe:
    """Return the settings from which a training starts: those of a file or, without one, of a recipe.

    Args:
        method: of the training.
        recipe_name: None for the file's recipe or, without a file, for the method's first.
        path: of a file for ``load_config_file``; None for no file.

    Raises:
        UsageError: the file or recipe is not usable, or the file's recipe is another one.
    """
    if path is None:
        return find_recipe(method, recipe_name)
    recipe = load_config_file(path, method)
    if not is_name_of(recipe, recipe_name):
        raise UsageError(
            f"{path} holds settings of the recipe {recipe.name}, not {recipe_name}. Leave out --recipe or --config."
        )
    return recipe


def save_config_file(path: Path, recipe: Recipe) -> None:
    """Write all settings of a training.

    Raises:
        ConfigError: the file exists.
        I2IError: it cannot be written.
    """
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} exists already; nothing is overwritten. Choose another name for --save-config.")
    remove_unfinished([path.parent], path.name)
    write_or_explain(path, json.dumps(recipe.to_json(), indent=2).encode() + b"\n")
