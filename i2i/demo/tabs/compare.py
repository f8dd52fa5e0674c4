"""The tab "Compare": one photo through several models, side by side."""

from typing import Any

import gradio as gr

from i2i.demo.channels import ChannelResult
from i2i.demo.components import OnLoad, channel_file_input, photo_input
from i2i.demo.eta import format_duration
from i2i.demo.handlers import PHOTO_QUEUE, progress_callback, user_errors
from i2i.demo.labels import model_and_direction
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.tabs.channel_input import plain_text
from i2i.demo.translation import PhotoTranslator, ProgressCallback
from i2i.errors import UsageError

MAX_MODELS = 8  # in one comparison
NUM_PRESELECTED = 3


def build_tab(translator: PhotoTranslator) -> list[OnLoad]:
    """Build the tab in the current Gradio context and return its load events."""
    registry = translator.registry
    with gr.Row():
        with gr.Column(min_width=300, scale=1):
            photo = photo_input(
                "Photo", height=260, elem_id="compare-photo", alt_text="The photo to translate",
            )  # fmt: skip
            with gr.Accordion("A file for models of other channels, or of label maps", open=False):
                file = channel_file_input("Image", height=120, elem_id="compare-file")
            choices = gr.CheckboxGroup(label=f"Models, at most {MAX_MODELS}", elem_id="compare-models")
            start = gr.Button("Compare", variant="primary", size="lg", elem_id="compare-start")
        with gr.Column(min_width=320, scale=2):
            gallery = gr.Gallery(
                label="Side by side", columns=3, height="auto", object_fit="contain", format="png", interactive=False,
                elem_id="compare-results", elem_classes="result-gallery", buttons=["download", "fullscreen"],
            )  # fmt: skip
            note = gr.Markdown("The photo and its translations will appear here.", elem_id="compare-note")

    def on_start(photo: str | None, file: str | None, selected: list[str], progress: Any = gr.Progress()) -> list[Any]:  # noqa: B008
        if not selected or len(selected) > MAX_MODELS:
            raise UsageError(f"Choose 1 to {MAX_MODELS} models to compare; found {len(selected or [])}.")
        captioned, notes = _compare(translator, photo, file, selected, progress_callback(progress))
        hint = "Click an image to enlarge it; the arrow keys go through the images."
        return [captioned, "\n\n".join([hint, *notes])]

    def on_load() -> Any:
        return _choices(registry)

    start.click(
        user_errors(on_start), [photo, file, choices], [gallery, note], api_visibility="private",
        show_progress_on=gallery, **PHOTO_QUEUE,
    )  # fmt: skip
    return [OnLoad(user_errors(on_load), [choices])]


def _compare(
    translator: PhotoTranslator, photo: str | None, file: str | None, selected: list[str], progress: ProgressCallback
) -> tuple[list[tuple[str, str]], list[str]]:
    """Translate a photo, or a file of other channels, with each of the selected models.

    Args:
        translator: translates one image with one model.
        photo: path of the photo, for models of photos.
        file: path of the file, for the other models.
        selected: "model:direction" of each.
        progress: called with the progress of the whole comparison.

    Returns: previews with their captions, each input before its first translation, and notes on the results.

    Raises:
        UsageError: a model needs a file, and there is none.
    """
    registry, store = translator.registry, translator.store
    captioned = list[tuple[str, str]]()
    shown = set[str]()
    notes = list[str]()
    for index, choice in enumerate(selected):
        name, _, direction = choice.rpartition(":")
        takes_photos = registry.model(name).info.takes_pictures
        path, kind = (photo, "the photo") if takes_photos else (file, "the file")
        if not takes_photos and not file:
            raise UsageError(f"{name} takes {registry.model(name).takes}. Choose a file for it.")
        strength_range = registry.strength_range(name)
        strength = sum(strength_range) / 2 if strength_range else None
        step_progress = _progress_of_step(progress, name, index, len(selected))
        result = translator(path, name, direction, strength, progress=step_progress)
        if kind not in shown:
            captioned.append((str(store.preview(result.photo)), kind))
            shown.add(kind)
        label = model_and_direction(registry.model(name), direction)
        captioned.append((str(store.preview(result.output)), f"{label}, {format_duration(result.seconds)}"))
        if isinstance(result, ChannelResult):
            notes.append(plain_text(f"{label}: {result.shown}."))
    return captioned, notes


def _progress_of_step(progress: ProgressCallback, name: str, index: int, count: int) -> ProgressCallback:
    """Return a callback for translation ``index`` of ``count`` that reports the progress of the whole comparison."""

    def update(fraction: float, description: str) -> None:
        progress((index + fraction) / count, f"{name}: {description}")

    return update


def _choices(registry: ModelRegistry) -> Any:
    """Return the update of the choices: every direction of every model, the first models selected."""
    models = registry.models()
    choices = [
        (model_and_direction(model, direction), f"{name}:{direction}")
        for name, model in models.items()
        for direction in model.info.directions
    ]
    preselected = [f"{name}:{model.info.directions[0]}" for name, model in models.items()][:NUM_PRESELECTED]
    return gr.update(choices=choices, value=preselected)
