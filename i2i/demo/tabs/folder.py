"""The tab "Folder": many files, one model, one zip."""

from html import escape
from typing import Any

import gradio as gr

from i2i.demo.batch import Batching
from i2i.demo.components import Opened, as_path, chosen_model, strength_told, tell_model
from i2i.demo.eta import spoken
from i2i.demo.labels import FOLDERS, SILENT, teller, told
from i2i.demo.model_registry import Models


def tab(models: Models, batching: Batching) -> list[Opened]:
    """Build it, inside the page's tab. Returns what is to be asked when a page is opened, and what it fills."""
    with gr.Row(elem_classes="halves"):
        with gr.Column(min_width=320):
            files = as_path(gr.File(label="Photos, or zips of photos", file_count="multiple", height=260,
                                    elem_id="files"))  # fmt: skip
            gr.Markdown(_hint(models, batching), elem_classes="hint")
            name, direction, strength = chosen_model("folder")
            start = gr.Button("Translate all", variant="primary", size="lg", elem_id="folder-start")
        with gr.Column(min_width=320, elem_classes="results"):
            words = gr.Markdown("What comes of your files will appear here, and as one zip.", elem_id="folder-words")
            file = gr.DownloadButton("Download all (zip)", visible=False, elem_id="folder-download")
            failures = gr.HTML(elem_id="failures")
            gallery = gr.Gallery(
                label="Results", columns=3, height="auto", object_fit="contain", interactive=False, format="png",
                elem_id="folder-results", elem_classes="wall", buttons=["fullscreen"],
            )  # fmt: skip

    def show(
        paths: list[str] | None,
        name: str,
        way: str,
        level: float,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        found = batching(paths, name, way, strength_told(models, name, level), teller(progress))
        shown = [(str(path), caption) for path, caption in found.shown]
        packed = gr.update(value=str(found.file) if found.file else None, visible=found.file is not None)
        return [found.told(), packed, table(found.failed), shown]

    name.input(told(lambda name: tell_model(models, name)), name, [direction, strength], **SILENT)
    start.click(
        told(show), [files, name, direction, strength], [words, file, failures, gallery],
        api_visibility="private", show_progress_on=gallery, **FOLDERS,
    )  # fmt: skip
    return [(told(lambda: _opened(models)), [name, direction, strength])]


def _hint(models: Models, batching: Batching) -> str:
    """What may be sent."""
    limits = models.desk.limits
    takes = "Photos and zips of photos" + (", and clips" if batching.clips else "")
    return (
        f"{takes}: at most {limits.files} pictures and {spoken(limits.seconds)} at once, "
        f"{limits.bytes / 1e6:.0f} MB a file. One bad file does not stop the others."
    )


def _opened(models: Models) -> list[Any]:
    names = models.names()
    first = names[0] if names else None
    return [gr.update(choices=names, value=first), *tell_model(models, first)]


def table(failed: list[tuple[str, str]]) -> str:
    """What could not be translated, and why, as HTML; names are a stranger's."""
    if not failed:
        return ""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(reason)}</td></tr>" for name, reason in failed)
    return (
        f"<table class='failures'><caption>Not translated</caption><tr><th>File</th><th>Reason</th></tr>{rows}</table>"
    )
