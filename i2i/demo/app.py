"""The page: a header and the tabs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr
from starlette.routing import Mount

from i2i.demo.batch import FolderTranslator
from i2i.demo.camera import CameraTranslator
from i2i.demo.handlers import UNQUEUED
from i2i.demo.http_errors import add_unknown_address_handler
from i2i.demo.tabs import api, blind_test, camera, compare, folder, training, translate
from i2i.demo.translation import PhotoTranslator

if TYPE_CHECKING:
    from fastapi import FastAPI

STATIC = Path(__file__).with_name("static")
STYLESHEETS = [STATIC / "style.css", STATIC / "viewer.css"]
PAGE_SCRIPT = STATIC / "page.js"
HEADER = """
<div class="masthead"><h1>i2i</h1><p>Image translation on this machine. Your photos do not leave it.</p></div>
"""


def build_page(photo_translator: PhotoTranslator, allow_video: bool = False) -> gr.Blocks:
    """Return the page with all tabs. For ``allow_video`` see ``FolderTranslator``."""
    registry, store = photo_translator.registry, photo_translator.store
    gr.set_static_paths([str(store.assets)])
    folder_translator = FolderTranslator(registry, store, allow_video)
    with gr.Blocks(title="i2i", analytics_enabled=False, fill_width=False) as blocks:
        gr.HTML(HEADER)
        with gr.Tabs():
            with gr.Tab("Translate", id="translate"):
                on_load = translate.build_tab(photo_translator)
            with gr.Tab("Folder", id="folder"):
                on_load += folder.build_tab(folder_translator)
            with gr.Tab("Compare", id="compare"):
                on_load += compare.build_tab(photo_translator)
            with gr.Tab("Camera", id="camera"):
                on_load += camera.build_tab(CameraTranslator(registry, store.limits))
            with gr.Tab("Training", id="training"):
                training.build_tab(registry, store)
            with gr.Tab("Blind test", id="blind-test"):
                blind_test.build_tab(registry, store)
            with gr.Tab("API", id="api"):
                on_load += api.build_tab(photo_translator, folder_translator)
        for handler, outputs, inputs in on_load:
            blocks.load(handler, inputs, outputs, **UNQUEUED)
    return blocks


def mount_page(
    app: "FastAPI", blocks: gr.Blocks, max_upload_bytes: int, auth: tuple[str, str] | None = None, mcp: bool = False
) -> Any:
    """Add the page and Gradio's API to an app, below all routes that it has already, and return Gradio's app.

    Args:
        app: the app of the server.
        blocks: the page.
        max_upload_bytes: limit on the size of one uploaded file.
        auth: name and password.
        mcp: offer the functions over MCP.
    """
    gr.mount_gradio_app(
        app, blocks, "/", auth=auth, mcp_server=mcp, max_file_size=max_upload_bytes, ssr_mode=False, show_error=True,
        run_history=False, enable_monitoring=False, css_paths=STYLESHEETS, theme=theme(), footer_links=[], pwa=False,
        allowed_paths=[], head=f"<script>{PAGE_SCRIPT.read_text(encoding='utf-8')}</script>", i18n=upload_texts(),
    )  # fmt: skip
    page_app = cast(Mount, app.routes[-1]).app
    add_unknown_address_handler(cast("FastAPI", page_app))
    return page_app


def upload_texts() -> gr.I18n:
    """Return the texts of Gradio's upload fields, in the words of ``PHOTO_PLACEHOLDER``."""
    drop = {f"upload_text.drop_{kind}": "Drop a photo here" for kind in ("image", "gallery")}
    return gr.I18n(
        en={**drop, "upload_text.drop_file": "Drop files here", "upload_text.click_to_upload": "click to choose",
            "common.or": "or"}
    )  # fmt: skip


def theme() -> gr.themes.Base:
    """Return a theme with fonts of the system, so that the page downloads none."""
    sans_serif = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Default(
        primary_hue="indigo", neutral_hue="slate", radius_size="lg", font=sans_serif,
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )  # fmt: skip
