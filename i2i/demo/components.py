"""Parts that several tabs are made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from i2i.demo.labels import ways
from i2i.demo.model_registry import Models
from i2i.errors import UsageError

Opened = tuple[Callable[..., Any], list[Any]]  # what is asked when a page is opened, and what it fills


def as_path(box: Any) -> Any:
    """``box`` with uploaded files' paths as its value, and nothing done to them: gradio would decode or copy them."""

    def path(payload: Any) -> Any:
        if payload is None:
            return None
        several = getattr(payload, "root", payload)
        return [one.path for one in several] if isinstance(several, list) else several.path

    box.preprocess = path
    return box


def photo_box(label: str, **how: Any) -> gr.Image:
    """Where a photo is dropped, pasted or taken; its value is a path."""
    how.setdefault("sources", ["upload", "clipboard", "webcam"])
    camera = gr.WebcamOptions(mirror=False, constraints={"video": {"facingMode": {"ideal": "environment"}}})
    box = gr.Image(
        type="filepath", image_mode=None, format="png", label=label, webcam_options=camera, buttons=[], **how
    )
    return as_path(box)


def shelf(label: str, name: str) -> gr.Gallery:
    """Pictures to choose one of."""
    return gr.Gallery(
        label=label, show_label=False, columns=3, height="auto", allow_preview=False, interactive=False, buttons=[],
        object_fit="cover", elem_id=name, elem_classes="shelf", container=False,
    )  # fmt: skip


def chosen_model(place: str) -> tuple[gr.Dropdown, gr.Radio, gr.Slider]:
    """The choice of a model by its name, of a direction, and of a strength where the model is told one."""
    with gr.Group():
        name = gr.Dropdown(label="Model", elem_id=f"{place}-model", filterable=True)
        direction = gr.Radio(label="Direction", elem_id=f"{place}-direction", visible=False)
        strength = gr.Slider(label="Strength of the damage", elem_id=f"{place}-strength", visible=False)
        as_it_is: Any = strength
        as_it_is.preprocess = lambda value: value  # gradio would hold it against the bounds of before
    return name, direction, strength


def tell_model(models: Models, name: str | None) -> list[Any]:
    """What direction and strength of ``chosen_model`` offer for a model; not shown where there is nothing to choose."""
    choices = ways(models.model(name)) if name else []
    span = models.strengths(name) if name else None
    low, high = span or (0.0, 1.0)
    return [
        gr.update(choices=choices, value=choices[0][1] if choices else None, visible=len(choices) > 1),
        gr.update(visible=span is not None, minimum=low, maximum=high, value=(low + high) / 2),
    ]


def strength_told(models: Models, name: str, strength: float | None) -> float | None:
    """The strength for a model that wants to be told one, else None. Raises UsageError where it is missing or wrong."""
    span = models.strengths(name)
    if span is None:
        return None
    if strength is None or not span[0] <= strength <= span[1]:
        raise UsageError(f"{name} wants to be told how strong the damage is: from {span[0]:g} to {span[1]:g}.")
    return strength


def cards(models: Models) -> list[tuple[str, str]]:
    """A picture of each model and its name; a model without a picture has a plain one."""
    return [(str(models.thumbnail(name) or _blank(models)), name) for name in models.names()]


def _blank(models: Models) -> Path:
    path = models.desk.assets / "blank.png"
    if not path.exists():
        Image.new("RGB", (258, 128), (148, 163, 184)).save(path)
    return path
