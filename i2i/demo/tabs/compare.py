"""The tab "Compare": one photo through several models, side by side."""

from typing import Any

import gradio as gr

from i2i.demo.components import Opened, photo_box
from i2i.demo.eta import spoken
from i2i.demo.labels import PHOTOS, teller, told, way
from i2i.demo.model_registry import Model, Models
from i2i.demo.translation import Translating
from i2i.errors import UsageError

MOST = 8  # models at once
FIRST = 3  # of them are chosen to begin with


def tab(models: Models, translating: Translating) -> list[Opened]:
    """Build it, inside the page's tab. Returns what is to be asked when a page is opened, and what it fills."""
    with gr.Row(elem_classes="halves narrow-left"):
        with gr.Column(min_width=300, scale=1):
            photo = photo_box("Photo", height=260, elem_id="compare-photo", alt_text="The photo to be translated",
                              placeholder="Drop a photo here, paste one,\nor click to choose one")  # fmt: skip
            which = gr.CheckboxGroup(label=f"Models, at most {MOST}", elem_id="compare-models")
            start = gr.Button("Compare", variant="primary", size="lg", elem_id="compare-start")
        with gr.Column(min_width=320, scale=2, elem_classes="results"):
            gallery = gr.Gallery(
                label="Side by side", columns=3, height="auto", object_fit="contain", format="png", interactive=False,
                elem_id="compare-results", elem_classes="wall", buttons=["download", "fullscreen"],
            )  # fmt: skip
            words = gr.Markdown("The photo and what each model makes of it will appear here.", elem_id="compare-words")

    def compare(path: str | None, chosen: list[str], progress: Any = gr.Progress()) -> list[Any]:  # noqa: B008
        if not chosen or len(chosen) > MOST:
            raise UsageError(f"Choose one to {MOST} models to compare; {len(chosen or [])} are chosen.")
        shown, tell = list[tuple[str, str]](), teller(progress)
        for index, one in enumerate(chosen):
            name, _, direction = one.rpartition(":")

            def part(share: float, what: str, index: int = index, name: str = name) -> None:
                tell((index + share) / len(chosen), f"{name}: {what}")

            span = models.strengths(name)
            answer = translating(path, name, direction, sum(span) / 2 if span else None, None, part)
            if not shown:
                shown.append((str(models.desk.shown(answer.before)), "the photo"))
            label = _label(name, models.model(name), direction)
            shown.append((str(models.desk.shown(answer.after)), f"{label}, {spoken(answer.seconds)}"))
        return [shown, "Click a picture to see it large; the arrow keys go through them."]

    start.click(told(compare), [photo, which], [gallery, words], api_visibility="private", show_progress_on=gallery,
                **PHOTOS)  # fmt: skip
    return [(told(lambda: _choices(models)), [which])]


def _label(name: str, model: Model, direction: str) -> str:
    """A model, with its direction where it has two."""
    return f"{name}: {way(model, direction)}" if len(model.directions) > 1 else name


def _choices(models: Models) -> Any:
    """What there is to choose from, and what is chosen to begin with."""
    found = models.found().items()
    several = [(name, model, direction) for name, model in found for direction in model.directions]
    choices = [(_label(name, model, direction), f"{name}:{direction}") for name, model, direction in several]
    return gr.update(choices=choices, value=[f"{name}:{model.directions[0]}" for name, model in found][:FIRST])
