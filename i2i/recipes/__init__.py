"""Recipes: the table of presets, and how to find one by name or load one from a run."""

from dataclasses import replace
from typing import Any

from i2i.config import from_json
from i2i.errors import ConfigError, UsageError
from i2i.recipes.recipe import SECTIONS, ModelConfig, Recipe
from i2i.recipes.table import RECIPES

__all__ = ["RECIPES", "SECTIONS", "ModelConfig", "Recipe", "find_recipe", "recipe_from_json"]


def find_recipe(method: str, name: str | None = None) -> Recipe:
    """Return a recipe of the table.

    Args:
        method: such as "cyclegan".
        name: such as "paper"; None for the method's first recipe.

    Raises:
        UsageError: no such method or recipe; the message lists the existing ones.
    """
    recipes = RECIPES.get(method)
    if recipes is None:
        raise UsageError(f"No method {method!r}. There are: {', '.join(RECIPES)}.")
    if name is None:
        return next(iter(recipes.values()))
    if name not in recipes:
        raise UsageError(f"{method} has no recipe {name!r}. It has: {', '.join(recipes)}.")
    return recipes[name]


def recipe_from_json(saved: dict[str, Any]) -> Recipe:
    """Return the recipe that ``Recipe.to_json`` wrote.

    Raises:
        ConfigError: a section is missing or a value is out of range.
    """
    missing = {"method", "recipe", *SECTIONS} - saved.keys()
    if missing:
        raise ConfigError(f"The saved configuration lacks {', '.join(sorted(missing))}.")
    recipe = find_recipe(saved["method"], saved["recipe"])
    sections = {section: from_json(type(getattr(recipe, section)), saved[section], section) for section in SECTIONS}
    return replace(recipe, **sections)
