"""The events of the tab "Translate": which handler each component calls."""

from typing import TYPE_CHECKING, Any

from i2i.demo.components import OnLoad
from i2i.demo.handlers import PHOTO_QUEUE, UNQUEUED, user_errors
from i2i.demo.tabs.choose_button import connect_choose_button

if TYPE_CHECKING:
    from i2i.demo.tabs.translate import TranslateTab

# Runs in the browser, at once: an answer of the server could close an editor that the user has just opened.
CLOSE_EDITOR = "() => [null, {__type__: 'update', open: false}, null]"


def connect_events(tab: "TranslateTab") -> list[OnLoad]:
    """Connect the components of a tab and return its load events."""
    depends_on_direction = [tab.examples, tab.channels.takes, tab.channels.legend, tab.format]
    depends_on_model = [
        tab.direction, tab.strength, tab.mask, tab.paint_hint, tab.about, tab.models,
        tab.photo_box, tab.choose_box, tab.finishing, tab.paint, tab.channels.box, *depends_on_direction,
    ]  # fmt: skip
    on_model_change = user_errors(tab.on_model_change)
    named = tab.name.input(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    directed = tab.direction.input(
        user_errors(tab.on_direction_change), [tab.name, tab.direction], depends_on_direction, **UNQUEUED
    )
    card_selected = tab.models.select(user_errors(tab.on_card_select), None, tab.name, **UNQUEUED)
    selected = card_selected.then(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    file, on_file = tab.channels.file, user_errors(tab.on_file)
    shown = [tab.channels.preview, tab.channels.content]
    for show_file in (file.change, named.then, directed.then, selected.then):
        show_file(on_file, [file, tab.name, tab.direction], shown, **UNQUEUED)
    tab.photo.change(None, None, [tab.editor, tab.paint, tab.mask], js=CLOSE_EDITOR)
    tab.paint.expand(user_errors(tab.on_paint), tab.photo, tab.editor, **UNQUEUED)
    connect_choose_button(tab, on_model_change, depends_on_model)
    _connect_start(tab)
    _connect_results(tab)
    return [OnLoad(user_errors(tab.on_load), [tab.name, tab.then, tab.unusable, *depends_on_model], [tab.last_used])]


def _connect_start(tab: "TranslateTab") -> None:
    """Connect the button and the examples, which both start a translation."""
    inputs = [tab.photo, tab.channels.file, tab.name, tab.direction, tab.strength, tab.mask, tab.editor, tab.format,
              tab.quality, tab.then, tab.blend, tab.grain, tab.history]  # fmt: skip
    outputs = [*tab.shown, tab.history, tab.made, tab.results, tab.last_used]
    options: dict[str, Any] = {"api_visibility": "private", "show_progress_on": tab.comparison}
    options |= {"scroll_to_output": True, **PHOTO_QUEUE}
    on_start = user_errors(tab.on_start)
    tab.start.click(on_start, inputs, outputs, **options)
    example_selected = tab.examples.select(
        user_errors(tab.on_example_select), [tab.name, tab.direction], [tab.photo, tab.channels.file], **UNQUEUED
    )
    example_selected.success(on_start, inputs, outputs, **options)


def _connect_results(tab: "TranslateTab") -> None:
    """Connect what can be done with a result."""
    encoding = [tab.format, tab.quality]
    on_format_change = user_errors(tab.on_format_change)
    for changed in (tab.format.input, tab.quality.release):
        changed(on_format_change, [tab.current, *encoding], [tab.download, tab.quality], **UNQUEUED)
    tab.zoom.click(
        user_errors(tab.on_zoom), [tab.current, tab.zoom], [tab.comparison, tab.viewer, tab.zoom], **UNQUEUED
    )
    reused = [tab.photo, tab.channels.file]
    tab.reuse.click(user_errors(tab.on_reuse), [tab.current, tab.name], reused, **UNQUEUED)
    tab.results.select(user_errors(tab.on_history_select), [tab.history, *encoding], tab.shown, **UNQUEUED)
