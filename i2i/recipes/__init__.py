"""Recipes: the table of presets, and how to find one by name or load one from a run."""

from dataclasses import replace
from typing import Any

from i2i.config import from_json
from i2i.errors import ConfigError, SettingError, UsageError
from i2i.networks import NETWORK_PLUGINS
from i2i.recipes.plugins import METHOD_PLUGINS, RECIPE_PLUGINS
from i2i.recipes.recipe import SECTIONS, ModelConfig, Recipe
from i2i.recipes.table import FORMER_NAMES, RECIPES
from i2i.restoration import TASK_PLUGINS

__all__ = [
    "RECIPES", "SECTIONS", "ModelConfig", "Recipe", "find_recipe", "is_name_of", "method_names", "plugin_packages",
    "recipe_from_json", "recipes_of",
]  # fmt: skip


def method_names() -> list[str]:
    """Return the methods of i2i and of plugins, without importing the latter."""
    return [*RECIPES, *METHOD_PLUGINS.names()]


def recipes_of(method: str) -> dict[str, Recipe]:
    """Return the recipes of a method by name, with those of plugins.

    Raises:
        UsageError: no such method; the message lists the existing ones.
        PluginError: the method is a plugin that cannot be used.
    """
    recipes = RECIPES.get(method) or METHOD_PLUGINS.find(method)
    if recipes is None:
        raise UsageError(
            f"No method {method!r}. There are: {', '.join(method_names())}. A method of another package needs that "
            "package."
        )
    more = RECIPE_PLUGINS.load_all() if any(name.startswith(f"{method}.") for name in RECIPE_PLUGINS.names()) else {}
    return recipes | {recipe.name: recipe for recipe in more.values() if recipe.method == method}


def plugin_packages(recipe: Recipe) -> tuple[str, ...]:
    """Return the packages of the plugins that a recipe uses, such as "i2i-wavelet 1.0"."""
    task = recipe.data.restoration_task
    packages = [
        METHOD_PLUGINS.package_of(recipe.method),
        RECIPE_PLUGINS.package_of(f"{recipe.method}.{recipe.name}"),
        NETWORK_PLUGINS.package_of(getattr(getattr(recipe.model, "generator", None), "network", "")),
        TASK_PLUGINS.package_of(getattr(task, "task", "")),
    ]
    return tuple(dict.fromkeys(filter(None, packages)))


def find_recipe(method: str, name: str | None = None) -> Recipe:
    """Return a recipe of the table.

    Args:
        method: such as "cyclegan".
        name: such as "paper", or a former name; None for the method's first recipe.

    Raises:
        UsageError: no such method or recipe; the message lists the existing ones.
    """
    recipes = recipes_of(method)
    if name is None:
        return next(iter(recipes.values()))
    name = FORMER_NAMES.get((method, name), name)
    if name not in recipes:
        raise UsageError(
            f"{method} has no recipe {name!r}. It has: {', '.join(recipes)}. A recipe of another package needs that "
            "package."
        )
    return recipes[name]


def is_name_of(recipe: Recipe, name: str | None) -> bool:
    """Return whether ``name`` is the name or a former name of ``recipe``, or None, which stands for any recipe."""
    return name is None or FORMER_NAMES.get((recipe.method, name), name) == recipe.name


def recipe_from_json(saved: dict[str, Any]) -> Recipe:
    """Return the recipe that ``Recipe.to_json`` wrote.

    Raises:
        ConfigError: a section is missing or a value is out of range.
    """
    missing = {"method", "recipe", *SECTIONS} - saved.keys()
    if missing:
        raise ConfigError(f"The saved configuration lacks {', '.join(sorted(missing))}.")
    for key in ("method", "recipe"):
        if not isinstance(saved[key], str):
            raise ConfigError(f"The saved configuration has a {key} that is no name: {str(saved[key])[:100]!r}.")
    recipe = find_recipe(saved["method"], saved["recipe"])
    try:
        sections = {section: from_json(type(getattr(recipe, section)), saved[section], section) for section in SECTIONS}
    except SettingError as error:  # the value is not that of a flag
        raise ConfigError(f"The saved configuration has a wrong value: {error}") from error
    return replace(recipe, **sections)
