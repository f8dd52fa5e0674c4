"""What can be trained: the table of recipes, and a recipe found by its name or in a run."""

from dataclasses import replace
from typing import Any

from i2i.config import from_json
from i2i.errors import ConfigError, UsageError
from i2i.recipes.recipe import SECTIONS, ModelConfig, Recipe
from i2i.recipes.table import RECIPES

__all__ = ["RECIPES", "SECTIONS", "ModelConfig", "Recipe", "recipe", "recipe_from_json"]


def recipe(objective: str, name: str | None = None) -> Recipe:
    """A row of the table, by default the objective's first. Raises UsageError naming those there are."""
    rows = RECIPES.get(objective)
    if rows is None:
        raise UsageError(f"No objective {objective!r}. There are: {', '.join(RECIPES)}.")
    if name is None:
        return next(iter(rows.values()))
    if name not in rows:
        raise UsageError(f"{objective} has no recipe {name!r}. It has: {', '.join(rows)}.")
    return rows[name]


def recipe_from_json(saved: dict[str, Any]) -> Recipe:
    """The recipe that ``Recipe.to_json`` gave. Raises ConfigError where it is incomplete or out of range."""
    missing = {"objective", "recipe", *SECTIONS} - saved.keys()
    if missing:
        raise ConfigError(f"The saved configuration lacks {', '.join(sorted(missing))}.")
    row = recipe(saved["objective"], saved["recipe"])
    sections = {section: from_json(type(getattr(row, section)), saved[section], section) for section in SECTIONS}
    return replace(row, **sections)
