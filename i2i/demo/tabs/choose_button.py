"""The button of the tab "Translate" that chooses the model by the photo."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from i2i.demo.choosing import choose_for_upload
from i2i.demo.handlers import PHOTO_QUEUE, UNQUEUED, user_errors

if TYPE_CHECKING:
    from i2i.demo.tabs.translate import TranslateTab


def choose_button() -> tuple[gr.Button, gr.Markdown]:
    """Return the button, and the text that says what was chosen and why."""
    button = gr.Button("Choose a model for me", size="sm", elem_id="choose")
    return button, gr.Markdown(elem_id="choice", elem_classes="hint")


def connect_choose_button(tab: "TranslateTab", on_model_change: Any, depends_on_model: list[Any]) -> None:
    """Connect the button of a tab: it selects the model, and the second one, and shows the reason."""
    from i2i.demo.tabs.translate import NOTHING, plain_text

    def on_choose(photo: str | None, name: str) -> list[Any]:
        choice = choose_for_upload(tab.registry, tab.store, photo)
        first, *others = [step.name for step in choice.steps] or [name]
        then = "+".join(others)
        names = tab.registry.chainable_names()
        choices = [NOTHING, *((other, other) for other in [*names, *([then] if len(others) > 1 else [])])]
        return [first, gr.update(choices=choices, value=then), plain_text(str(choice))]

    chosen = tab.choose.click(
        user_errors(on_choose), [tab.photo, tab.name], [tab.name, tab.then, tab.choice],
        api_visibility="private", show_progress_on=tab.choice, **PHOTO_QUEUE,
    )  # fmt: skip
    chosen.success(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    tab.photo.change(None, None, tab.choice, js="() => ''")
