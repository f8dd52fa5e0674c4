"""The button of the tab "Translate" that chooses the model by the photo."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from i2i.demo.choosing import choose_for_upload
from i2i.demo.handlers import PHOTO_QUEUE, UNQUEUED, user_errors
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.uploads import UploadStore

if TYPE_CHECKING:
    from i2i.demo.tabs.translate import TranslateTab


def choose_button() -> tuple[gr.Button, gr.Markdown]:
    """Return the button, and the text that says what was chosen and why."""
    button = gr.Button("Choose a model for me", size="sm", elem_id="choose")
    return button, gr.Markdown(elem_id="choice", elem_classes="hint")


def select_models(registry: ModelRegistry, store: UploadStore, photo: str | None, name: str) -> tuple[str, str, str]:
    """Return the first model for a photo, the models after it as a chain, and the reason.

    Args:
        registry: the models.
        store: of the uploads.
        photo: the uploaded photo.
        name: the model that is selected now, which stays if the photo needs none.
    """
    choice = choose_for_upload(registry, store, photo)
    first, *others = [step.name for step in choice.steps] or [name]
    return first, "+".join(others), str(choice)


def connect_choose_button(tab: "TranslateTab", on_model_change: Any, depends_on_model: list[Any]) -> None:
    """Connect the button of a tab: it selects the model, and the second one, and shows the reason."""
    chosen = tab.choose.click(
        user_errors(tab.on_choose), [tab.photo, tab.name], [tab.name, tab.then, tab.choice],
        api_visibility="private", show_progress_on=tab.choice, **PHOTO_QUEUE,
    )  # fmt: skip
    chosen.success(on_model_change, tab.name, depends_on_model, **UNQUEUED)
    tab.photo.change(None, None, tab.choice, js="() => ''")
