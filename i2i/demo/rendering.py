"""Render the HTML of the page from the Jinja2 templates in ``templates/``, with autoescaping."""

import base64
from functools import cache

from jinja2 import Environment

from i2i.reports.rendering import template_environment


@cache
def _environment() -> Environment:
    return template_environment("i2i.demo")


def render(template: str, **context: object) -> str:
    """Return the HTML of a template.

    Args:
        template: its name without the suffix ".html.jinja".
        context: the template's variables. They are escaped unless they are ``markupsafe.Markup``.
    """
    return _environment().get_template(f"{template}.html.jinja").render(context)


def png_data_url(png: bytes) -> str:
    """Return the data: URL of a PNG file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
