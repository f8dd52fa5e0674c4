"""Printing for people, on standard error, so that standard output stays free for results."""

import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

stderr = Console(stderr=True, highlight=False)
# A pipe has no width: lines there are not cut for a terminal's sake.
stdout = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200)


def say(template: str, *values: object) -> None:
    """A line on standard error; ``template`` has rich markup, the values put into its {} have none."""
    stderr.print(template.format(*(escape(str(value)) for value in values)), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # names that are no text, or a terminal of another alphabet
        text = json.dumps(value, indent=2, default=str)
    sys.stdout.write(text + "\n")


def shown(name: object) -> str:
    """A file's name, or a text with names in it, as a terminal can show it in one line."""
    text = str(name)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def plain(table: Any, *keys: str) -> str:
    """A value out of nested tables that strangers may have written, as text that no terminal takes for a command."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    if isinstance(table, dict):
        table = ", ".join(f"{key} {value}" for key, value in table.items())
    elif isinstance(table, list):
        table = " ".join(map(str, table))
    text = "?" if table is None else str(table)
    return escape("".join(letter if letter.isprintable() else "\ufffd" for letter in text))
