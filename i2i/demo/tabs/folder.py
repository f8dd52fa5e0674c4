"""The tab "Folder": many files, one model, one zip of results."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from i2i.demo.batch import FolderTranslator
from i2i.demo.components import (
    OnLoad,
    finishing_inputs,
    model_picker,
    raw_upload,
    update_model_picker,
    validate_strength,
)
from i2i.demo.eta import format_duration
from i2i.demo.handlers import FOLDER_QUEUE, UNQUEUED, progress_callback, user_errors
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.rendering import render
from i2i.inference.finishing import Finishing


def build_tab(translator: FolderTranslator) -> list[OnLoad]:
    """Build the tab in the current Gradio context and return its load events."""
    registry = translator.registry
    with gr.Row():
        with gr.Column(min_width=320):
            files = raw_upload(
                gr.File(label="Photos, or zips of photos", file_count="multiple", height=260, elem_id="files")
            )
            gr.Markdown(_hint(translator), elem_classes="hint")
            name, direction, strength = model_picker("folder")
            blend, grain = finishing_inputs("folder")
            start = gr.Button("Translate all", variant="primary", size="lg", elem_id="folder-start")
        with gr.Column(min_width=320):
            summary = gr.Markdown("Your results will appear here, and as one zip.", elem_id="folder-summary")
            download = gr.DownloadButton("Download all (zip)", visible=False, elem_id="folder-download")
            failures = gr.HTML(elem_id="failures")
            gallery = gr.Gallery(
                label="Results", columns=3, height="auto", object_fit="contain", interactive=False, format="png",
                elem_id="folder-results", elem_classes="result-gallery", buttons=["fullscreen"],
            )  # fmt: skip

    def on_start(
        paths: list[str] | None,
        name: str,
        direction: str,
        strength: float,
        blend: float,
        grain: float,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        strength_or_none = validate_strength(registry, name, strength)
        result = translator(
            paths, name, direction, strength_or_none, progress_callback(progress), Finishing(blend, grain)
        )
        previews = [(str(path), caption) for path, caption in result.previews]
        packed = gr.update(value=str(result.file) if result.file else None, visible=result.file is not None)
        return [result.summary(), packed, failures_table(result.failed, result.notices), previews]

    def on_model_change(name: str | None) -> list[Any]:
        return update_model_picker(registry, name)

    def on_load() -> list[Any]:
        return _select_first_model(registry)

    name.input(user_errors(on_model_change), name, [direction, strength], **UNQUEUED)
    start.click(
        user_errors(on_start), [files, name, direction, strength, blend, grain], [summary, download, failures, gallery],
        api_visibility="private", show_progress_on=gallery, **FOLDER_QUEUE,
    )  # fmt: skip
    return [OnLoad(user_errors(on_load), [name, direction, strength])]


def _hint(translator: FolderTranslator) -> str:
    """Return the accepted files and the limits in words."""
    limits = translator.store.limits
    videos = ", and videos" if translator.allow_video else ""
    return (
        f"Photos and zips of photos{videos}: at most {limits.max_files} images and "
        f"{format_duration(limits.max_seconds)} per job, {limits.max_upload_bytes / 1e6:.0f} MB per file. A file that "
        "fails does not stop the others."
    )


def _select_first_model(registry: ModelRegistry) -> list[Any]:
    """Return the updates of the model picker for the first model."""
    names = registry.names()
    first = names[0] if names else None
    return [gr.update(choices=names, value=first), *update_model_picker(registry, first)]


def failures_table(failed: list[tuple[str, str]], notices: Sequence[tuple[str, str]] = ()) -> str:
    """Return an HTML table of (name, reason) of files that failed, and one of (name, notice); "" if there are none."""
    return render("failures", failed=failed, notices=notices) if failed or notices else ""
