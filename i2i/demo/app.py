"""The page: its tabs in a frame."""

from pathlib import Path

import gradio as gr

from i2i.demo.batch import Batching
from i2i.demo.labels import SILENT
from i2i.demo.model_registry import Models
from i2i.demo.tabs import api, blind_test, compare, folder, training, translate
from i2i.demo.translation import Translating

STYLE = Path(__file__).with_name("static") / "style.css"
HEAD = """
<div class="masthead"><h1>i2i</h1><p>Photos through trained translators, on this machine: nothing leaves it.</p></div>
"""


def page(models: Models, clips: bool = False) -> gr.Blocks:
    """All tabs, ready to be launched. clips: see ``Batching``."""
    gr.set_static_paths([str(models.desk.assets)])
    translating, batching = Translating(models), Batching(models, clips)
    with gr.Blocks(title="i2i", analytics_enabled=False, fill_width=False) as blocks:
        gr.HTML(HEAD)
        with gr.Tabs():
            with gr.Tab("Translate", id="translate"):
                opened = translate.tab(models, translating)
            with gr.Tab("Folder", id="folder"):
                opened += folder.tab(models, batching)
            with gr.Tab("Compare", id="compare"):
                opened += compare.tab(models, translating)
            with gr.Tab("Theatre", id="theatre"):
                training.tab(models)
            with gr.Tab("Judge", id="judge"):
                blind_test.tab(models)
            with gr.Tab("For programs", id="programs"):
                opened += api.tab(models, translating, batching)
        for ask, fills in opened:
            blocks.load(ask, None, fills, **SILENT)
    return blocks


def theme() -> gr.themes.Base:
    """The theme with fonts that every machine has: none is fetched from anywhere."""
    plain = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Default(
        primary_hue="indigo", neutral_hue="slate", radius_size="lg", font=plain,
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )  # fmt: skip
