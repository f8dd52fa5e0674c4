"""Methods and recipes of other packages."""

from typing import Any

from i2i.plugins import PluginGroup
from i2i.recipes.recipe import Recipe
from i2i.recipes.table import RECIPES


def _check_method(name: str, found: Any) -> dict[str, Recipe]:
    """Return the recipes of a method by name, the default first."""
    recipes = [found] if isinstance(found, Recipe) else found
    recipes = list(recipes.values()) if isinstance(recipes, dict) else list(recipes)
    if not recipes:
        raise ValueError("it has no recipe")
    for recipe in recipes:
        _check(recipe, name)
    return {recipe.name: recipe for recipe in recipes}


def _check_recipe(name: str, recipe: Any) -> Recipe:
    method, _, recipe_name = name.partition(".")
    _check(recipe, method)
    if recipe.name != recipe_name:
        raise ValueError(f"its recipe is called {recipe.name!r}; the entry point must be {method}.{recipe.name}")
    return recipe


def _check(recipe: Any, method: str) -> None:
    if not isinstance(recipe, Recipe):
        raise TypeError(f"{recipe!r} is no i2i.recipes.Recipe")
    if recipe.method != method:
        raise ValueError(f"its recipe is of the method {recipe.method!r}, not {method!r}")


def _builtin_recipes() -> list[str]:
    return [f"{method}.{name}" for method, recipes in RECIPES.items() for name in recipes]


METHOD_PLUGINS = PluginGroup("i2i.methods", "method", lambda: RECIPES, _check_method)
RECIPE_PLUGINS = PluginGroup("i2i.recipes", "recipe", _builtin_recipes, _check_recipe)
