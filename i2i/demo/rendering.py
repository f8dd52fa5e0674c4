"""Render the HTML of the page from the Jinja2 templates in ``templates/``, with autoescaping."""

import base64
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("i2i.demo"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


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
