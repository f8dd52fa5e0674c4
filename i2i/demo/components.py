"""Gradio components that several tabs use."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from i2i.demo.examples import thumbnail_or_blank
from i2i.demo.labels import card_caption, direction_choices
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images.formats import ARRAY_SUFFIXES, IMAGE_SUFFIXES
from i2i.inference.auto.choice import AUTO

PHOTO_PLACEHOLDER = "Drop a photo here, paste one,\nor click to choose one"
FILE_PLACEHOLDER = "Drop an image here,\nor click to choose one"


class OnLoad(NamedTuple):
    """A handler that runs when a browser opens the page.

    Attributes:
        handler: takes the values of the inputs.
        outputs: the components that it fills.
        inputs: components whose values it gets.
    """

    handler: Callable[..., Any]
    outputs: list[Any]
    inputs: list[Any] | None = None


def raw_upload(component: Any) -> Any:
    """Make an upload component pass the paths of the uploaded files as they are. Gradio would decode or copy them."""

    def preprocess(payload: Any) -> Any:
        if payload is None:
            return None
        files = getattr(payload, "root", payload)
        return [file.path for file in files] if isinstance(files, list) else files.path

    component.preprocess = preprocess
    return component


def photo_input(label: str, **options: Any) -> gr.Image:
    """Return an input for a photo by upload, clipboard or camera. Its value is a path."""
    options.setdefault("sources", ["upload", "clipboard", "webcam"])
    options.setdefault("placeholder", PHOTO_PLACEHOLDER if len(options["sources"]) > 1 else FILE_PLACEHOLDER)
    camera = gr.WebcamOptions(mirror=False, constraints={"video": {"facingMode": {"ideal": "environment"}}})
    component = gr.Image(
        type="filepath", image_mode=None, format="png", label=label, webcam_options=camera, buttons=[], **options
    )
    return raw_upload(component)


def channel_file_input(label: str, **options: Any) -> gr.File:
    """Return an input for a file of any channels or a label map. Its value is a path.

    Gradio's image component shows a file in the browser, which can show neither arrays nor TIFF.
    """
    types = sorted(IMAGE_SUFFIXES | ARRAY_SUFFIXES)
    return raw_upload(gr.File(label=label, file_count="single", file_types=types, **options))


def card_gallery(label: str, elem_id: str) -> gr.Gallery:
    """Return a gallery of small images from which one is selected."""
    return gr.Gallery(
        label=label, show_label=False, columns=3, height="auto", allow_preview=False, interactive=False, buttons=[],
        object_fit="cover", elem_id=elem_id, elem_classes="card-gallery", container=False,
    )  # fmt: skip


def model_picker(id_prefix: str) -> tuple[gr.Dropdown, gr.Radio, gr.Slider]:
    """Return inputs for a model, its direction and the degradation strength; see ``update_model_picker``."""
    with gr.Group():
        name = gr.Dropdown(label="Model", elem_id=f"{id_prefix}-model", filterable=True)
        direction = gr.Radio(label="Direction", elem_id=f"{id_prefix}-direction", visible=False)
        strength = gr.Slider(label="Degradation strength", elem_id=f"{id_prefix}-strength", visible=False)
        unchecked: Any = strength
        unchecked.preprocess = lambda value: value  # Gradio would check it against the bounds of the model before
    return name, direction, strength


def finishing_inputs(id_prefix: str) -> tuple[gr.Slider, gr.Slider]:
    """Return inputs for the mixture of the result with the photo, and for film grain; see ``Finishing``."""
    with gr.Row():
        blend = gr.Slider(
            0, 1, value=1, step=0.05, label="Blend", info="0: the photo, 1: the result", min_width=140,
            elem_id=f"{id_prefix}-blend",
        )  # fmt: skip
        grain = gr.Slider(
            0, 20, value=0, step=0.5, label="Film grain", info="Strength in grey levels", min_width=140,
            elem_id=f"{id_prefix}-grain",
        )  # fmt: skip
    return blend, grain


def update_model_picker(registry: ModelRegistry, name: str | None) -> list[Any]:
    """Return the updates of direction and strength for a model. An input without a choice is hidden."""
    choices = direction_choices(registry.model(name)) if name else []
    strength_range = registry.strength_range(name) if name else None
    low, high = strength_range or (0.0, 1.0)
    return [
        gr.update(choices=choices, value=choices[0][1] if choices else None, visible=len(choices) > 1),
        gr.update(visible=strength_range is not None, minimum=low, maximum=high, value=(low + high) / 2),
    ]


def validate_strength(
    registry: ModelRegistry, name: str, strength: float | None, *, strict: bool = False
) -> float | None:
    """Return the strength for a model, or None if the model takes none.

    Args:
        registry: the models.
        name: of the model.
        strength: given by the user.
        strict: whether a strength for a model that takes none is an error. The page sends one for every model.

    Raises:
        UsageError: the strength is missing, out of range, or not taken by the model.
    """
    strength_range = None if name == AUTO else registry.strength_range(name)
    if strength_range is None:
        if strict and strength is not None:
            raise UsageError(f"{name} does not take the degradation strength: omit it.")
        return None
    low, high = strength_range
    if strength is None or not low <= strength <= high:
        value = "none" if strength is None else f"{strength:g}"
        raise UsageError(f"{name} needs the degradation strength, from {low:g} to {high:g}; found {value}.")
    return strength


def model_cards(registry: ModelRegistry, store: UploadStore) -> list[tuple[str, str]]:
    """Return (thumbnail, what the model does) of each model for a ``card_gallery``."""
    models = registry.models().values()
    return [(str(thumbnail_or_blank(model, store.assets)), card_caption(model)) for model in models]
