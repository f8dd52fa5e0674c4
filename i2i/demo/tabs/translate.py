"""The tab "Translate": one photo, one model, before and after."""

from importlib.resources import files
from typing import Any

import gradio as gr

from i2i.demo.components import (
    OnLoad,
    card_gallery,
    finishing_inputs,
    model_cards,
    model_picker,
    photo_input,
    update_model_picker,
    validate_strength,
)
from i2i.demo.examples import example_pictures, examples
from i2i.demo.handlers import progress_callback
from i2i.demo.model_registry import RegisteredModel
from i2i.demo.output import LABELS, OutputOptions
from i2i.demo.region_editor import editor_value, region_editor
from i2i.demo.regions import Selection
from i2i.demo.rendering import render
from i2i.demo.session_history import SessionResult, with_result
from i2i.demo.tabs.channel_input import ChannelInput, about, format_choices, format_update, plain_text
from i2i.demo.tabs.choose_button import choose_button, select_models
from i2i.demo.tabs.translate_events import connect_events
from i2i.demo.translation import PhotoTranslator
from i2i.errors import I2IError, UsageError
from i2i.images.writing import QUALITY
from i2i.inference.finishing import AS_IT_IS, Finishing

EMPTY = "Your translation will appear here. Drag the line across it to compare."
MASK_LABEL = "Or upload a mask: white where the model is to fill"
NOTHING = ("none", "")
PAINT_FILL = "Paint what the model is to fill, or make it transparent in the photo."
PAINT_KEEP = "Paint what is to stay exactly as it is in the photo."
ZOOM_IN = "View at 100 %"
ZOOM_OUT = "Fit to page"


class TranslateTab:
    """The components of the tab and their handlers.

    Gradio names endpoints after handlers, so no handler here may be called ``translate``: tabs/api.py needs that name.
    """

    def __init__(self, translator: PhotoTranslator) -> None:
        self.translator = translator
        self.registry = translator.registry
        self.store = translator.store
        self.current = gr.State(None)  # the SessionResult that is shown
        self.history = gr.State([])  # of SessionResult, the newest first
        # The name is no secret. A constant key lets a browser's choice outlive a restart of the server.
        self.last_used = gr.BrowserState(None, storage_key="i2i-last-model", secret="i2i")
        with gr.Row():
            with gr.Column(min_width=320):
                self._build_inputs()
            with gr.Column(min_width=320):
                self._build_results()

    def _build_inputs(self) -> None:
        with gr.Column(elem_id="photo-input") as self.photo_box:
            self.photo = photo_input("Photo", height=280, elem_id="photo", alt_text="The photo to translate")
        self.channels = ChannelInput()
        self.name, self.direction, self.strength = model_picker("translate")
        with gr.Column() as self.choose_box:
            self.choose, self.choice = choose_button()
        self.start = gr.Button("Translate", variant="primary", size="lg", elem_id="start")
        self.about = gr.Markdown(elem_id="about", elem_classes="hint")
        with gr.Accordion("Blend, grain, second model", open=False, elem_id="finishing") as self.finishing:
            self.blend, self.grain = finishing_inputs("translate")
            self.then = gr.Dropdown(
                [NOTHING], value="", label="Second model", info="Translates the result", elem_id="then"
            )
        with gr.Accordion("Paint a region", open=False, elem_id="paint") as self.paint:
            self.paint_hint = gr.Markdown(PAINT_KEEP, elem_classes="hint")
            self.editor = region_editor(self.store)
            self.mask = photo_input(MASK_LABEL, sources=["upload"], height=160, visible=False, elem_id="mask")
        self.models = card_gallery("Choose a model", "models")
        self.unusable = gr.HTML(elem_id="unusable")

    def _build_results(self) -> None:
        static = files("i2i.demo").joinpath("static")
        self.comparison = gr.ImageSlider(
            label="Before | after", type="filepath", format="png", max_height=520, image_mode=None, interactive=False,
            elem_id="result", buttons=["fullscreen"],
        )  # fmt: skip
        script = static.joinpath("viewer.js").read_text(encoding="utf-8")
        self.viewer = gr.HTML("", visible=False, js_on_load=script, elem_id="viewer")
        self.summary = gr.Markdown(EMPTY, elem_id="summary")
        with gr.Column(visible=False, elem_id="actions") as self.actions:
            with gr.Row():
                self.format = gr.Dropdown(
                    format_choices(None), value="png", label="Format", min_width=110, elem_id="format"
                )
                self.quality = gr.Slider(
                    1, 100, value=QUALITY, step=1, label="Quality", visible=False, min_width=150, elem_id="quality"
                )
            with gr.Row():
                self.download = gr.DownloadButton("Download", variant="primary", min_width=110, elem_id="download")
                self.zoom = gr.Button(ZOOM_IN, min_width=110, elem_id="zoom")
                self.reuse = gr.Button("Use as input", min_width=110, elem_id="reuse")
        with gr.Column(visible=False) as self.made:
            gr.HTML('<h2 class="step">Made in this session</h2>')
            self.results = card_gallery("Results of this session", "history")
        gr.HTML('<h2 class="step">No photo at hand? Try an example</h2>')
        self.examples = card_gallery("Example photos", "examples")

    def on_load(self, last_used: str | None) -> list[Any]:
        """Select the model that this browser used last, else the first one."""
        name = self.registry.default_name(last_used)
        unusable = render("unusable_models", unusable=self.registry.unusable())
        then = gr.update(choices=[NOTHING, *((other, other) for other in self.registry.chainable_names())])
        return [gr.update(choices=self.registry.names(), value=name), then, unusable, *self.on_model_change(name)]

    def on_model_change(self, name: str | None) -> list[Any]:
        """Update direction, strength, mask, description, examples and the selected card."""
        model = self.registry.model(name) if name else None
        fills = model is not None and model.info.takes_mask
        names = self.registry.names()
        cards = model_cards(self.registry, self.store)
        return [
            *update_model_picker(self.registry, name),
            gr.update(visible=fills),
            PAINT_FILL if fills else PAINT_KEEP,
            about(model) if model else "",
            gr.update(value=cards, selected_index=names.index(name) if name in names else None),
            *self._visible_inputs(model),
            *self.on_direction_change(name, None),
        ]

    def _visible_inputs(self, model: RegisteredModel | None) -> list[Any]:
        """Return the updates of what photos need and of what files of channels need."""
        takes_photos = model is None or model.info.takes_pictures
        return [gr.update(visible=takes_photos)] * 4 + [gr.update(visible=not takes_photos)]

    def on_direction_change(self, name: str | None, direction: str | None) -> list[Any]:
        """Show the examples of a direction, the inputs that it takes, and the file formats of its results.

        A model without examples can still be used.
        """
        model = self.registry.model(name) if name else None
        try:
            shown = example_pictures(model, self.store.assets, direction) if model else []
        except (I2IError, OSError, ValueError):
            shown = []
        cards = gr.update(value=[(str(path), f"Example {number}") for number, path in enumerate(shown, 1)])
        return [cards, *self.channels.describe(model, direction), format_update(model, direction)]

    def on_file(self, path: str | None, name: str, direction: str | None) -> list[Any]:
        """Show an uploaded file of channels, and say what it holds."""
        return self.channels.show(path, self.registry.model(name), direction, self.store)

    def on_choose(self, photo: str | None, name: str) -> list[Any]:
        """Select the models that suit the photo, and say why."""
        first, then, reason = select_models(self.registry, self.store, photo, name)
        others = [*self.registry.chainable_names(), *([then] if "+" in then else [])]
        choices = [NOTHING, *((other, other) for other in others)]
        return [first, gr.update(choices=choices, value=then), plain_text(reason)]

    def on_card_select(self, event: gr.SelectData) -> str:
        """Return the name of the selected model."""
        return self.registry.names()[int(event.index)]

    def on_example_select(self, name: str, direction: str, event: gr.SelectData) -> list[Any]:
        """Return the selected example as photo and as file."""
        model = self.registry.model(name)
        path = str(examples(model, self.store.assets, direction)[int(event.index)])
        return self._as_input(path, model)

    def _as_input(self, path: str, model: RegisteredModel) -> list[Any]:
        """Return a file as the value of the input that a model takes: the photo, or the file of channels."""
        return [path, gr.skip()] if model.info.takes_pictures else [gr.skip(), path]

    def on_paint(self, photo: str | None) -> Any:
        """Show the photo in the editor."""
        if not photo:
            raise UsageError("There is no photo to paint on yet. Choose one first.")
        return editor_value(self.store.resolve(photo), self.store)

    def on_start(
        self,
        photo: str | None,
        file: str | None,
        name: str,
        direction: str,
        strength: float,
        mask: str | None,
        layers: list[str],
        format: str,
        quality: float,
        then: str | None,
        blend: float,
        grain: float,
        history: list[SessionResult],
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Translate the photo and show the result."""
        options = OutputOptions.parse(format, quality)
        info = self.registry.model(name).info
        fills = info.takes_mask
        selection = Selection(mask if fills else None, layers)
        chain = f"{name}+{then}" if then and info.takes_pictures else name
        source = photo if info.takes_pictures else file
        result = self.translator(
            source,
            chain,
            direction,
            validate_strength(self.registry, chain, strength),
            selection if fills else None,
            selection if info.takes_pictures and not fills else None,
            progress_callback(progress),
            Finishing(blend, grain) if info.takes_pictures else AS_IT_IS,
        )
        made = SessionResult.save(self.store.resolve(source), result, self.store)
        history = with_result(history, made)
        return [*self._show(made, options), history, gr.update(visible=True), _history_cards(history), name]

    def _show(self, made: SessionResult, options: OutputOptions) -> list[Any]:
        """Return the values of ``shown`` for a result."""
        options = made.options_for(options)
        return [
            made,
            gr.update(value=(str(made.before), str(made.after)), visible=True),
            gr.update(value="", visible=False),
            made.summary,
            gr.update(visible=True),
            gr.update(value=str(made.export(options, self.store)), label=f"Download {LABELS[options.format]}"),
            ZOOM_IN,
        ]

    @property
    def shown(self) -> list[Any]:
        """The components that show a result."""
        return [self.current, self.comparison, self.viewer, self.summary, self.actions, self.download, self.zoom]

    def on_history_select(
        self, history: list[SessionResult], format: str, quality: float, event: gr.SelectData
    ) -> list[Any]:
        """Show a result of the session again."""
        made = history[int(event.index)]
        made.check_available()
        return self._show(made, OutputOptions.parse(format, quality))

    def on_format_change(self, made: SessionResult | None, format: str, quality: float) -> list[Any]:
        """Encode the result in the chosen format."""
        options = OutputOptions.parse(format, quality)
        options = made.options_for(options) if made else options
        path = str(made.export(options, self.store)) if made else None
        return [
            gr.update(value=path, label=f"Download {LABELS[options.suffix[1:]]}"),
            gr.update(visible=options.is_lossy),
        ]

    def on_reuse(self, made: SessionResult | None, name: str) -> list[Any]:
        """Return the result as the next photo, or as the next file of channels."""
        if made is None:
            raise UsageError("There is no result yet.")
        made.check_available()
        return self._as_input(str(made.file), self.registry.model(name))

    def on_zoom(self, made: SessionResult | None, button: str) -> list[Any]:
        """Switch between the fitted comparison and the one at 100 %."""
        if made is None or button == ZOOM_OUT:
            return [gr.update(visible=True), gr.update(value="", visible=False), ZOOM_IN]
        viewer = made.full_size_viewer(self.store)
        return [gr.update(visible=False), gr.update(value=viewer, visible=True), ZOOM_OUT]


def _history_cards(history: list[SessionResult]) -> Any:
    """Return the update of the gallery of results."""
    return gr.update(value=[(str(made.thumbnail), made.model) for made in history], selected_index=0)


def build_tab(translator: PhotoTranslator) -> list[OnLoad]:
    """Build the tab in the current Gradio context and return its load events."""
    return connect_events(TranslateTab(translator))
