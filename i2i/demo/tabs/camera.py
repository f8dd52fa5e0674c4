"""The tab "Camera": the live images of a camera and their translations, side by side."""

from importlib.resources import files
from typing import Any

import gradio as gr

from i2i.demo.camera import DEFAULT_SIDE, SIDES, CameraTranslator
from i2i.demo.components import OnLoad, model_picker, update_model_picker
from i2i.demo.eta import format_duration
from i2i.demo.handlers import UNQUEUED, user_errors
from i2i.demo.labels import model_and_direction
from i2i.demo.rendering import render


def build_tab(translator: CameraTranslator) -> list[OnLoad]:
    """Build the tab in the current Gradio context and return its load events.

    The script of the page sends the images to ``POST /camera``. Gradio's own streams would keep a place in its queue
    from start to stop, and decode the images in the server's process.
    """
    registry = translator.registry
    static = files("i2i.demo").joinpath("static")
    script, style = (static.joinpath(f"camera.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    with gr.Row():
        with gr.Column(min_width=280, scale=1):
            name, direction, strength = model_picker("camera")
            side = gr.Radio(list(SIDES), value=DEFAULT_SIDE, label="Side in pixels", elem_id="camera-side")
            settings = gr.HTML(elem_id="camera-settings")
        with gr.Column(min_width=320, scale=2):
            seconds = translator.limits.max_seconds
            view = render("camera", max_seconds=seconds, max_duration=format_duration(seconds))
            gr.HTML(view, js_on_load=script, css_template=style, elem_id="camera-view")

    def on_settings_change(name: str | None, direction: str | None, strength: float | None, side: int) -> str:
        return settings_html(translator, name, direction, strength, side)

    def on_model_change(name: str | None, side: int) -> list[Any]:
        strength_range = registry.strength_range(name) if name else None
        middle = sum(strength_range) / 2 if strength_range else None
        return [*update_model_picker(registry, name), settings_html(translator, name, None, middle, side)]

    def on_load(side: int) -> list[Any]:
        names = list(translator.models())
        first = names[0] if names else None
        return [gr.update(choices=names, value=first), *on_model_change(first, side)]

    shown = [direction, strength, settings]
    name.input(user_errors(on_model_change), [name, side], shown, **UNQUEUED)
    for changed in (direction.input, side.input, strength.release):
        changed(user_errors(on_settings_change), [name, direction, strength, side], settings, **UNQUEUED)
    return [OnLoad(user_errors(on_load), [name, *shown], [side])]


def settings_html(
    translator: CameraTranslator, name: str | None, direction: str | None, strength: float | None, side: int
) -> str:
    """Return what the page's script reads and the user sees: the query of the settings, and what they do."""
    if not name:
        return render("camera_settings", settings=None, label="", text="This server has no model for photos yet.")
    settings = translator.settings(name, direction, strength, int(side))
    label = model_and_direction(translator.registry.model(name), settings.direction)
    return render("camera_settings", settings=settings, label=label, text=translator.describe(settings))
