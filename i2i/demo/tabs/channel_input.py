"""The input of the tab "Translate" for models of other channels than RGB, and of label maps: a file, shown as RGB."""

from typing import Any

import gradio as gr

from i2i.demo.channels import read_upload
from i2i.demo.components import channel_file_input
from i2i.demo.labels import origin, purpose
from i2i.demo.model_registry import RegisteredModel
from i2i.demo.output import LABELS, OWN, formats_for
from i2i.demo.rendering import render
from i2i.demo.uploads import UploadStore
from i2i.errors import I2IError
from i2i.images.label_classes import LabelClasses

_PREVIEW_SIDE = 800  # pixels


class ChannelInput:
    """The components, in a column that is hidden for models of photos."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="channel-input") as self.box:
            self.file = channel_file_input("Image", height=140, elem_id="channel-file")
            self.takes = gr.Markdown(elem_id="channel-takes", elem_classes="hint")
            self.preview = gr.Image(
                label="The image as it is shown", type="filepath", format="png", height=260, interactive=False,
                visible=False, buttons=["fullscreen"], elem_id="channel-preview",
            )  # fmt: skip
            self.content = gr.Markdown(elem_id="channel-content", elem_classes="hint")
            self.legend = gr.HTML(elem_id="legend")

    def describe(self, model: RegisteredModel | None, direction: str | None) -> list[Any]:
        """Return what the model takes, in words, and the legend of its classes."""
        if model is None or model.info.takes_pictures:
            return ["", ""]
        direction = direction or model.info.directions[0]
        format = model.info.input_format(direction)
        result = model.info.output_format(direction)
        text = f"Takes {format}, as .tif, .npy or another file. Returns {result}."
        return [plain_text(text), "" if format.labels is None else legend(format.labels)]

    def show(self, path: str | None, model: RegisteredModel, direction: str | None, store: UploadStore) -> list[Any]:
        """Return the picture of an uploaded file, and what it holds, or why the model does not take it."""
        if not path or model.info.takes_pictures:
            return [gr.update(value=None, visible=False), ""]
        try:
            upload = read_upload(store, path, model, direction or model.info.directions[0])
        except I2IError as error:
            return [gr.update(value=None, visible=False), plain_text(str(error))]
        picture = store.preview(upload.picture, _PREVIEW_SIDE)
        return [gr.update(value=str(picture), visible=True), plain_text(f"{upload.describe()}.")]


def legend(classes: LabelClasses) -> str:
    """Return the colours of the classes of label maps as HTML."""
    return render("classes", entries=classes.legend())


def format_choices(model: RegisteredModel | None, direction: str | None = None) -> list[tuple[str, str]]:
    """Return (label, name) of the file formats that store the results of a model, for a ``gr.Dropdown``."""
    if model is None or model.info.takes_pictures:
        return [(LABELS[name], name) for name in formats_for(None)]
    format = model.info.output_format(direction or model.info.directions[0])
    return [("As the model returns it", OWN), *((LABELS[name], name) for name in formats_for(format))]


def format_update(model: RegisteredModel | None, direction: str | None) -> Any:
    """Return the update of the choice of a file format."""
    choices = format_choices(model, direction)
    return gr.update(choices=choices, value=choices[0][1])


def about(model: RegisteredModel) -> str:
    """Return what a model does and where it comes from, as Markdown."""
    return f"**{plain_text(purpose(model))}**: {plain_text(origin(model))}"


def plain_text(text: str) -> str:
    """Return a text without the characters that Markdown and HTML give a meaning."""
    return "".join(f"\\{character}" if character in "\\`*_[]<>#|&" else character for character in text)
