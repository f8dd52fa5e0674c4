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
from i2i.demo.examples import examples
from i2i.demo.handlers import PHOTO_QUEUE, UNQUEUED, progress_callback, user_errors
from i2i.demo.labels import origin, purpose
from i2i.demo.output import FORMATS, LABELS, OutputOptions
from i2i.demo.region_editor import editor_value, region_editor
from i2i.demo.regions import Selection
from i2i.demo.rendering import render
from i2i.demo.session_history import SessionResult, with_result
from i2i.demo.tabs.choose_button import choose_button, connect_choose_button, select_models
from i2i.demo.translation import PhotoTranslator
from i2i.errors import I2IError, UsageError
from i2i.images.writing import QUALITY
from i2i.inference.finishing import Finishing

# Runs in the browser, at once: an answer of the server could close an editor that the user has just opened.
CLOSE_EDITOR = "() => [null, {__type__: 'update', open: false}, null]"
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
        self.photo = photo_input("Photo", height=280, elem_id="photo", alt_text="The photo to translate")
        self.name, self.direction, self.strength = model_picker("translate")
        self.choose, self.choice = choose_button()
        self.start = gr.Button("Translate", variant="primary", size="lg", elem_id="start")
        self.about = gr.Markdown(elem_id="about", elem_classes="hint")
        with gr.Accordion("Blend, grain, second model", open=False, elem_id="finishing"):
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
                choices = [(LABELS[format], format) for format in FORMATS]
                self.format = gr.Dropdown(choices, value="png", label="Format", min_width=110, elem_id="format")
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
            f"**{plain_text(purpose(model))}**: {plain_text(origin(model))}" if model else "",
            self.on_direction_change(name, None),
            gr.update(value=cards, selected_index=names.index(name) if name in names else None),
        ]

    def on_direction_change(self, name: str | None, direction: str | None) -> Any:
        """Show the examples of a direction. A model without examples can still be used."""
        try:
            paths = examples(self.registry.model(name), self.store.assets, direction) if name else []
        except (I2IError, OSError, ValueError):
            paths = []
        return gr.update(value=[(str(path), f"Example {number}") for number, path in enumerate(paths, 1)])

    def on_choose(self, photo: str | None, name: str) -> list[Any]:
        """Select the models that suit the photo, and say why."""
        first, then, reason = select_models(self.registry, self.store, photo, name)
        others = [*self.registry.chainable_names(), *([then] if "+" in then else [])]
        choices = [NOTHING, *((other, other) for other in others)]
        return [first, gr.update(choices=choices, value=then), plain_text(reason)]

    def on_card_select(self, event: gr.SelectData) -> str:
        """Return the name of the selected model."""
        return self.registry.names()[int(event.index)]

    def on_example_select(self, name: str, direction: str, event: gr.SelectData) -> str:
        """Return the path of the selected example."""
        return str(examples(self.registry.model(name), self.store.assets, direction)[int(event.index)])

    def on_paint(self, photo: str | None) -> Any:
        """Show the photo in the editor."""
        if not photo:
            raise UsageError("There is no photo to paint on yet. Choose one first.")
        return editor_value(self.store.resolve(photo), self.store)

    def on_start(
        self,
        photo: str | None,
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
        fills = self.registry.model(name).info.takes_mask
        selection = Selection(mask if fills else None, layers)
        chain = f"{name}+{then}" if then else name
        result = self.translator(
            photo,
            chain,
            direction,
            validate_strength(self.registry, chain, strength),
            selection if fills else None,
            None if fills else selection,
            progress_callback(progress),
            Finishing(blend, grain),
        )
        made = SessionResult.save(self.store.resolve(photo), result, self.store)
        history = with_result(history, made)
        return [*self._show(made, options), history, gr.update(visible=True), _history_cards(history), name]

    def _show(self, made: SessionResult, options: OutputOptions) -> list[Any]:
        """Return the values of ``shown`` for a result."""
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
        path = str(made.export(options, self.store)) if made else None
        return [
            gr.update(value=path, label=f"Download {LABELS[options.format]}"),
            gr.update(visible=options.is_lossy),
        ]

    def on_reuse(self, made: SessionResult | None) -> str:
        """Return the result as the next photo."""
        if made is None:
            raise UsageError("There is no result yet.")
        made.check_available()
        return str(made.file)

    def on_zoom(self, made: SessionResult | None, button: str) -> list[Any]:
        """Switch between the fitted comparison and the one at 100 %."""
        if made is None or button == ZOOM_OUT:
            return [gr.update(visible=True), gr.update(value="", visible=False), ZOOM_IN]
        viewer = made.full_size_viewer(self.store)
        return [gr.update(visible=False), gr.update(value=viewer, visible=True), ZOOM_OUT]


def build_tab(translator: PhotoTranslator) -> list[OnLoad]:
    """Build the tab in the current Gradio context and return its load events."""
    tab = TranslateTab(translator)
    depends_on_model = [
        tab.direction, tab.strength, tab.mask, tab.paint_hint, tab.about, tab.examples, tab.models,
    ]  # fmt: skip
    on_model_change = user_errors(tab.on_model_change)
    tab.name.input(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    tab.direction.input(user_errors(tab.on_direction_change), [tab.name, tab.direction], tab.examples, **UNQUEUED)
    card_selected = tab.models.select(user_errors(tab.on_card_select), None, tab.name, **UNQUEUED)
    card_selected.then(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    tab.photo.change(None, None, [tab.editor, tab.paint, tab.mask], js=CLOSE_EDITOR)
    tab.paint.expand(user_errors(tab.on_paint), tab.photo, tab.editor, **UNQUEUED)
    connect_choose_button(tab, on_model_change, depends_on_model)
    _connect_start(tab)
    _connect_results(tab)
    return [OnLoad(user_errors(tab.on_load), [tab.name, tab.then, tab.unusable, *depends_on_model], [tab.last_used])]


def _connect_start(tab: TranslateTab) -> None:
    """Connect the button and the examples, which both start a translation."""
    inputs = [tab.photo, tab.name, tab.direction, tab.strength, tab.mask, tab.editor, tab.format, tab.quality,
              tab.then, tab.blend, tab.grain, tab.history]  # fmt: skip
    outputs = [*tab.shown, tab.history, tab.made, tab.results, tab.last_used]
    options: dict[str, Any] = {"api_visibility": "private", "show_progress_on": tab.comparison}
    options |= {"scroll_to_output": True, **PHOTO_QUEUE}
    on_start = user_errors(tab.on_start)
    tab.start.click(on_start, inputs, outputs, **options)
    example_selected = tab.examples.select(
        user_errors(tab.on_example_select), [tab.name, tab.direction], tab.photo, **UNQUEUED
    )
    example_selected.success(on_start, inputs, outputs, **options)


def _connect_results(tab: TranslateTab) -> None:
    """Connect what can be done with a result."""
    encoding = [tab.format, tab.quality]
    on_format_change = user_errors(tab.on_format_change)
    for changed in (tab.format.input, tab.quality.release):
        changed(on_format_change, [tab.current, *encoding], [tab.download, tab.quality], **UNQUEUED)
    tab.zoom.click(
        user_errors(tab.on_zoom), [tab.current, tab.zoom], [tab.comparison, tab.viewer, tab.zoom], **UNQUEUED
    )
    tab.reuse.click(user_errors(tab.on_reuse), tab.current, tab.photo, **UNQUEUED)
    tab.results.select(user_errors(tab.on_history_select), [tab.history, *encoding], tab.shown, **UNQUEUED)


def _history_cards(history: list[SessionResult]) -> Any:
    """Return the update of the gallery of results."""
    return gr.update(value=[(str(made.thumbnail), made.model) for made in history], selected_index=0)


def plain_text(text: str) -> str:
    """Return a text without the characters that Markdown and HTML give a meaning."""
    return "".join(f"\\{character}" if character in "\\`*_[]<>#|&" else character for character in text)
