"""`i2i docs`: the documentation pages of the installed package."""

import re
import sys
from typing import Annotated

import typer

from i2i.cli.console import stdout
from i2i.errors import UsageError


def docs(
    page: Annotated[
        str | None, typer.Argument(help=r"name of a page \[default: list the pages]", show_default=False)
    ] = None,
) -> None:
    """List the documentation pages, or print one: formatted on a terminal, as Markdown to a pipe or file.

    [bold]Examples[/bold]

        i2i docs

        i2i docs training
    """
    pages = read_pages()
    if page is None:
        width = max(map(len, pages))
        for name, text in pages.items():
            typer.echo(f"{name:{width}}  {summary(text)}")
        return
    name = page.removesuffix(".md").lower()
    if name not in pages:
        raise UsageError(f"There is no page {page!r}. The pages are {', '.join(pages)}.")
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        stdout.print(Markdown(pages[name]))
    else:
        typer.echo(pages[name], nl=False)


def read_pages() -> dict[str, str]:
    """Return the Markdown of each page by its name, in alphabetical order, without HTML comments."""
    from importlib.resources import files

    return {
        file.name.removesuffix(".md"): re.sub(r"<!--.*?-->\n?", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for file in sorted(files("i2i").joinpath("docs").iterdir(), key=lambda file: file.name)
        if file.name.endswith(".md")
    }


def summary(text: str) -> str:
    """Return the first paragraph below the heading of a page, in one line."""
    paragraph = text.split("\n\n")[1]
    return " ".join(paragraph.split())
