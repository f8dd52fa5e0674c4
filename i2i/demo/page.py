"""The page: its tabs in a frame."""

import gradio as gr

from i2i.demo import judge, theatre
from i2i.demo.models import Models


def page(models: Models) -> gr.Blocks:
    """All tabs, ready to be launched."""
    with gr.Blocks(title="i2i", analytics_enabled=False) as blocks:
        gr.Markdown("# i2i")
        with gr.Tabs():
            with gr.Tab("Theatre", id="theatre"):
                theatre.tab(models)
            with gr.Tab("Judge", id="judge"):
                judge.tab(models)
    return blocks
