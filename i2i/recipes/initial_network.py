"""A new training that starts from the weights of a model has a network of that model's size."""

import logging
from typing import Any

from i2i.checkpoints.model_file import find_model_file, load_model_info
from i2i.config import to_json
from i2i.recipes.recipe import Recipe

logger = logging.getLogger(__name__)

SIZE_FIELDS = {
    "restorer": ("width", "levels", "depth"),
    "compact": ("width", "convolutions"),
    "resnet": ("ngf", "blocks"),
    "unet": ("ngf",),
}


def with_initial_network(recipe: Recipe, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides of a recipe, with the network's size from the model of ``training.init_from``.

    Sizes that the overrides state or the restoration task prescribes stay, and so do all if the model's network is of
    another kind. Otherwise hardly any of its tensors would have the shapes of those of the new network.

    Args:
        recipe: with the overrides.
        overrides: {"data": {…}, "model": {…}, "training": {…}}; each may be missing.

    Raises:
        ModelFileError: there is no such model, or it cannot be read.
    """
    generator = getattr(recipe.model, "generator", None)
    if not recipe.training.init_from or generator is None:
        return overrides
    found = load_model_info(find_model_file(recipe.training.init_from)).generator
    own = to_json(generator)
    if found["network"] != own["network"]:
        return overrides
    task = recipe.data.restoration_task
    stated = {**overrides.get("model", {}).get("generator", {}), **(task.network_defaults if task else {})}
    sizes = {
        name: found[name]
        for name in SIZE_FIELDS.get(own["network"], ())
        if name in found and name not in stated and found[name] != own[name]
    }
    if not sizes:
        return overrides
    words = ", ".join(f"{name} {value}" for name, value in sizes.items())
    logger.info("the network has the size of that of %s: %s", recipe.training.init_from, words)
    model = overrides.get("model", {})
    return {**overrides, "model": {**model, "generator": {**model.get("generator", {}), **sizes}}}
