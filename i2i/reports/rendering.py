"""Jinja2 templates of the report, with automatic escaping of all that is inserted."""

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def render(template: str, **context: Any) -> Markup:
    """Return a template as HTML.

    Args:
        template: its name in ``templates/`` without the suffix ".html.jinja".
        **context: its variables.
    """
    return Markup(_environment().get_template(f"{template}.html.jinja").render(context))


def template_environment(package: str) -> Environment:
    """Return the Jinja2 environment of a package's ``templates/``, autoescaped; a missing variable is an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _environment() -> Environment:
    environment = template_environment("i2i.reports")
    environment.filters["keep_intervals_together"] = _keep_intervals_together
    return environment


def _keep_intervals_together(sentence: str) -> Markup:
    """Return a sentence as HTML in which no line breaks within "[low, high] unit"."""
    return Markup(re.sub(r"(\[[^\]]*\](?: ×10⁻³)?)", r'<span class="whole">\1</span>', str(escape(sentence))))
