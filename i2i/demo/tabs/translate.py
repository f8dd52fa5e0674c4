"""The tab "Translate": one photo, one model, before and after."""

from typing import Any

import gradio as gr

from i2i.demo.components import (
    OnLoad,
    card_gallery,
    model_cards,
    model_picker,
    photo_input,
    update_model_picker,
    validate_strength,
)
from i2i.demo.examples import examples
from i2i.demo.handlers import PHOTO_QUEUE, UNQUEUED, progress_callback, user_errors
from i2i.demo.regions import Selection
from i2i.demo.translation import PhotoTranslator

EMPTY = "Your translation will appear here. Drag the line across it to compare."
MASK_LABEL = "Mask: white where the model is to fill. Without a mask, make parts of the photo transparent."


class TranslateTab:
    """The components of the tab and their handlers.

    Gradio names endpoints after handlers, so no handler here may be called ``translate``: tabs/api.py needs that name.
    """

    def __init__(self, translator: PhotoTranslator) -> None:
        self.translator = translator
        self.registry = translator.registry
        self.store = translator.store
        with gr.Row():
            with gr.Column(min_width=320):
                self.photo = photo_input(
                    "Photo", height=320, elem_id="photo", alt_text="The photo to translate",
                    placeholder="Drop a photo here, paste one,\nor click to choose one",
                )  # fmt: skip
                gr.HTML('<h2 class="step">Model</h2>')
                self.models = card_gallery("Choose a model", "models")
                self.name, self.direction, self.strength = model_picker("translate")
                self.mask = photo_input(MASK_LABEL, sources=["upload"], height=160, visible=False)
                self.start = gr.Button("Translate", variant="primary", size="lg", elem_id="start")
            with gr.Column(min_width=320):
                self.comparison = gr.ImageSlider(
                    label="Before | after", type="filepath", format="png", max_height=560, image_mode=None,
                    interactive=False, elem_id="result", buttons=["fullscreen"],
                )  # fmt: skip
                self.summary = gr.Markdown(EMPTY, elem_id="summary")
                self.download = gr.DownloadButton("Download full size (PNG)", visible=False, elem_id="download")
                gr.HTML('<h2 class="step">No photo at hand? Try an example</h2>')
                self.examples = card_gallery("Example photos", "examples")

    def on_load(self) -> list[Any]:
        """Select the first model."""
        names = self.registry.names()
        first = names[0] if names else None
        return [gr.update(choices=names, value=first), *self.on_model_change(first)]

    def on_model_change(self, name: str | None) -> list[Any]:
        """Update direction, strength, mask, examples and the selected card."""
        needs_mask = self.registry.model(name).info.takes_mask if name else False
        names = self.registry.names()
        cards = model_cards(self.registry, self.store)
        return [
            *update_model_picker(self.registry, name),
            gr.update(visible=needs_mask),
            self.on_direction_change(name, None),
            gr.update(value=cards, selected_index=names.index(name) if name in names else None),
        ]

    def on_direction_change(self, name: str | None, direction: str | None) -> Any:
        """Show the examples of a direction."""
        paths = examples(self.registry.model(name), self.store.assets, direction) if name else []
        return gr.update(value=[(str(path), f"Example {number}") for number, path in enumerate(paths, 1)])

    def on_card_select(self, event: gr.SelectData) -> str:
        """Return the name of the selected model."""
        return self.registry.names()[int(event.index)]

    def on_example_select(self, name: str, direction: str, event: gr.SelectData) -> str:
        """Return the path of the selected example."""
        return str(examples(self.registry.model(name), self.store.assets, direction)[int(event.index)])

    def clear(self) -> list[Any]:
        """Remove the summary and the download of the previous translation."""
        return [EMPTY, gr.update(visible=False)]

    def on_start(
        self,
        photo: str | None,
        name: str,
        direction: str,
        strength: float,
        mask: str | None,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Translate the photo and show the result."""
        strength_or_none = validate_strength(self.registry, name, strength)
        selection = Selection(mask) if mask else None
        step = progress_callback(progress)
        result = self.translator(photo, name, direction, strength_or_none, selection, progress=step)
        before = result.photo
        if before.size != result.output.size:
            before = before.resize(result.output.size)
        file = self.store.save(result.encode(), result.file_name())
        images = str(self.store.preview(before)), str(self.store.preview(result.output))
        return [images, result.summary(), gr.update(value=str(file), visible=True)]


def build_tab(translator: PhotoTranslator) -> list[OnLoad]:
    """Build the tab in the current Gradio context and return its load events."""
    tab = TranslateTab(translator)
    depends_on_model = [tab.direction, tab.strength, tab.mask, tab.examples, tab.models]
    inputs = [tab.photo, tab.name, tab.direction, tab.strength, tab.mask]
    outputs = [tab.comparison, tab.summary, tab.download]
    options: dict[str, Any] = {"api_visibility": "private", "show_progress_on": tab.comparison}
    options |= {"scroll_to_output": True, **PHOTO_QUEUE}
    on_model_change = user_errors(tab.on_model_change)
    on_start = user_errors(tab.on_start)

    tab.name.input(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    tab.direction.input(user_errors(tab.on_direction_change), [tab.name, tab.direction], tab.examples, **UNQUEUED)
    card_selected = tab.models.select(user_errors(tab.on_card_select), None, tab.name, **UNQUEUED)
    card_selected.then(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    started = tab.start.click(tab.clear, None, [tab.summary, tab.download], **UNQUEUED)
    started.then(on_start, inputs, outputs, **options)
    example_selected = tab.examples.select(
        user_errors(tab.on_example_select), [tab.name, tab.direction], tab.photo, **UNQUEUED
    )
    example_selected.success(on_start, inputs, outputs, **options)
    return [OnLoad(user_errors(tab.on_load), [tab.name, *depends_on_model])]
