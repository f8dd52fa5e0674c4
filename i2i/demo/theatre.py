"""The tab "Theatre"."""

import gradio as gr

from i2i.demo.models import Models


def tab(models: Models) -> None:
    """Build it, inside the page's tab."""
    gr.Markdown("To come.")
