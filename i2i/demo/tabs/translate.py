"""The tab "Translate": one photo, one model, before and after."""

from typing import Any

import gradio as gr

from i2i.demo.components import Opened, cards, chosen_model, photo_box, shelf, strength_told, tell_model
from i2i.demo.labels import PHOTOS, SILENT, teller, told
from i2i.demo.model_registry import Models
from i2i.demo.translation import Translating

EMPTY = "Your translation will appear here. Drag the line across it to compare."
MASK = "Mask: white where something is to be filled in. Or none, and make parts of the photo transparent."


class Tab:
    """Its parts, left to right and top to bottom."""

    def __init__(self, models: Models) -> None:
        with gr.Row(elem_classes="halves"):
            with gr.Column(min_width=320):
                self.photo = photo_box(
                    "Photo", height=320, elem_id="photo", alt_text="The photo to be translated",
                    placeholder="Drop a photo here, paste one,\nor click to choose one",
                )  # fmt: skip
                gr.HTML('<h2 class="step">Model</h2>')
                self.shelf = shelf("The models: choose one", "models")
                self.choice = chosen_model("translate")
                self.mask = photo_box(MASK, sources=["upload"], height=160, visible=False)
                self.start = gr.Button("Translate", variant="primary", size="lg", elem_id="start")
            with gr.Column(min_width=320, elem_classes="results"):
                self.slider = gr.ImageSlider(
                    label="Before | after", type="filepath", format="png", max_height=560, image_mode=None,
                    interactive=False, elem_id="result", buttons=["fullscreen"],
                )  # fmt: skip
                self.words = gr.Markdown(EMPTY, elem_id="words")
                self.file = gr.DownloadButton("Download full size (PNG)", visible=False, elem_id="download")
                gr.HTML('<h2 class="step">Nothing at hand? Try one of these</h2>')
                self.tries = shelf("Pictures to try the model on", "examples")
        self.models = models

    def of_model(self, name: str | None) -> list[Any]:
        """What follows from a model: direction, strength, mask, examples, and the card that is marked."""
        fills = bool(name) and self.models.model(str(name)).header.get("generator", {}).get("shows") == "mask"
        names = self.models.names()
        marked = gr.update(value=cards(self.models), selected_index=names.index(name) if name in names else None)
        return [*tell_model(self.models, name), gr.update(visible=fills), self.of_direction(name, None), marked]

    def of_direction(self, name: str | None, direction: str | None) -> Any:
        """The examples of a direction."""
        shown = self.models.examples(name, direction) if name else []
        return gr.update(value=[(str(path), f"Example {number}") for number, path in enumerate(shown, 1)])

    def opened(self) -> list[Any]:
        """What a page begins with."""
        names = self.models.names()
        first = names[0] if names else None
        return [gr.update(choices=names, value=first), *self.of_model(first)]


def tab(models: Models, translating: Translating) -> list[Opened]:
    """Build it, inside the page's tab. Returns what is to be asked when a page is opened, and what it fills."""
    it = Tab(models)
    name, direction, strength = it.choice

    def show(
        path: str | None,
        name: str,
        way: str,
        level: float,
        hole: str | None,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        answer = translating(path, name, way, strength_told(models, name, level), hole, teller(progress))
        before = answer.before if answer.before.size == answer.after.size else answer.before.resize(answer.after.size)
        pair = str(models.desk.shown(before)), str(models.desk.shown(answer.after))
        return [pair, answer.told(), gr.update(value=str(answer.file), visible=True)]

    def picked(event: gr.SelectData) -> str:
        return models.names()[int(event.index)]

    def tried(name: str, direction: str, event: gr.SelectData) -> str:
        return str(models.examples(name, direction)[int(event.index)])

    def anew() -> list[Any]:
        return [EMPTY, gr.update(visible=False)]

    follows = [direction, strength, it.mask, it.tries, it.shelf]
    given, found = [it.photo, name, direction, strength, it.mask], [it.slider, it.words, it.file]
    run: dict[str, Any] = {"api_visibility": "private", "show_progress_on": it.slider, "scroll_to_output": True}
    run |= PHOTOS
    name.input(told(it.of_model), name, follows, **SILENT)
    direction.input(told(it.of_direction), [name, direction], it.tries, **SILENT)
    it.shelf.select(told(picked), None, name, **SILENT).then(told(it.of_model), name, follows, **SILENT)
    it.start.click(anew, None, [it.words, it.file], **SILENT).then(told(show), given, found, **run)
    it.tries.select(told(tried), [name, direction], it.photo, **SILENT).success(told(show), given, found, **run)
    return [(told(it.opened), [name, *follows])]
