"""Texts for models and directions."""

import re

from i2i.demo.model_registry import RegisteredModel
from i2i.directions import Direction

_DOMAIN_NAMES = {  # of datasets whose name is not of the form "horse2zebra"
    "stripes": ("plain", "striped"),
    "outlines": ("outline", "painting"),
    "facades": ("photo", "label map"),
}


def direction_label(model: RegisteredModel, direction: str) -> str:
    """Return a direction in words, such as "horse → zebra", or "A → B" if the domains have no names."""
    dataset = model.info.data.name
    match = re.fullmatch(r"([a-z]+)2([a-z]+)", dataset)
    a, b = _DOMAIN_NAMES.get(dataset) or (match.groups() if match else ("A", "B"))
    return f"{a} → {b}" if direction == Direction.A_TO_B else f"{b} → {a}"


def direction_choices(model: RegisteredModel) -> list[tuple[str, str]]:
    """Return (label, direction) of each direction of a model, as Gradio's choices."""
    if model.info.task is not None:
        return [(model.info.task_name, model.info.directions[0])]
    return [(direction_label(model, direction), direction) for direction in model.info.directions]


def model_and_direction(model: RegisteredModel, direction: str) -> str:
    """Return the model's name, followed by the direction if the model has two."""
    return f"{model.name}: {direction_label(model, direction)}" if len(model.info.directions) > 1 else model.name
