"""The settings of a method by the names of their flags, as keyword arguments."""

import json
import os
from collections.abc import Mapping
from typing import Any

import torch

from i2i.arguments import refuse_unknown
from i2i.config import flags
from i2i.recipes import SECTIONS, find_recipe


def setting_paths(method: str) -> dict[str, tuple[str, ...]]:
    """Return the path in the nested overrides of each setting of a method, by its flag in snake_case.

    >>> setting_paths("cyclegan")["weight_cycle"]
    ('model', 'weight_cycle')
    """
    recipe = find_recipe(method)
    return {
        flag.name.replace("-", "_"): (section, *flag.path)
        for section in SECTIONS
        for flag in flags(getattr(recipe, section))
    }


def overrides_from_settings(function: str, method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as the nested overrides of a recipe. A setting that is None keeps the recipe's value.

    Args:
        function: name of the function that was called, for messages.
        method: such as "cyclegan".
        settings: values by flag in snake_case, such as ``weight_cycle``.

    Raises:
        ArgumentTypeError: there is no such setting; the message proposes the nearest.
    """
    paths = setting_paths(method)
    refuse_unknown(function, settings, [*paths, "recipe", "name", "resume", "progress"])
    overrides: dict[str, Any] = {}
    for name, value in settings.items():
        if value is None:
            continue
        table = overrides
        *sections, field = paths[name]
        for section in sections:
            table = table.setdefault(section, {})
        table[field] = _as_plain(value)
    return overrides


def _as_plain(value: Any) -> Any:
    """Return a path, a device or an Albumentations pipeline, or each of a tuple or list, as text."""
    if isinstance(value, tuple | list):
        return type(value)(map(_as_plain, value))
    if isinstance(value, torch.device):
        return str(value)
    if type(value).__module__.startswith("albumentations."):  # a pipeline: as its file would hold it
        from albumentations.core.serialization import serialize_enum

        return json.dumps(serialize_enum(value.to_dict()))
    return os.fspath(value) if isinstance(value, os.PathLike) else value
