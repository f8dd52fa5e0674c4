"""The brush: an image editor on which a region of the photo is painted."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import gradio as gr

from i2i.demo.uploads import UploadStore

CANVAS_SIDE = 1024  # pixels of the longer side of the photo's copy that is painted on
_MAX_DRAWINGS = 64  # that the server keeps in memory until they are used
COLOUR = "#e11d48"


class _RecentDrawings(OrderedDict[str, Any]):
    """The drawings that browsers have sent, without those beyond ``_MAX_DRAWINGS``."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > _MAX_DRAWINGS:
            self.popitem(last=False)


def region_editor(store: UploadStore) -> gr.ImageEditor:
    """Return an image editor with a brush. Its value is a list of the paths of its layers.

    Gradio would decode the drawings in this process; they are saved instead, and read like all other uploads.
    """
    brush = gr.Brush(default_size=40, colors=[COLOUR], default_color=COLOUR, color_mode="fixed")
    editor = gr.ImageEditor(
        label="Paint", show_label=False, type="filepath", format="png", brush=brush, layers=False, transforms=(),
        sources=(), height=420, elem_id="region-editor", buttons=["fullscreen"],
    )  # fmt: skip
    drawings: Any = _RecentDrawings()
    editor.blob_storage = drawings

    def preprocess(payload: Any) -> list[str]:
        if payload is None:
            return []
        if payload.id is not None:
            drawing = drawings.pop(payload.id, None)
            layers = drawing.layers if drawing else []
            return [str(store.save(data, "layer.png")) for data in layers if data]
        return [layer.path for layer in payload.layers if layer]

    unchecked: Any = editor
    unchecked.preprocess = preprocess
    return editor


def editor_value(photo: Path | str | None, store: UploadStore) -> dict[str, Any] | None:
    """Return the value of the editor for a photo: a reduced copy without paint. None clears it."""
    if not photo:
        return None
    background = store.preview(store.read(photo).image, CANVAS_SIDE)
    return {"background": str(background), "layers": [], "composite": None}
