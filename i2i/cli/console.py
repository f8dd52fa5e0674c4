"""Output on the terminal: messages on standard error, results on standard output."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

stderr = Console(stderr=True, highlight=False)
# A pipe has no width: lines in a pipe are not wrapped at the width of a terminal.
stdout = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200)


def log_line(template: str, *values: object) -> None:
    """Print a line on standard error.

    Args:
        template: text with rich markup and a {} for each value.
        values: values to insert; markup in them is printed as it is.
    """
    stderr.print(template.format(*(escape(str(value)) for value in values)), soft_wrap=True)


class ConsoleHandler(logging.Handler):
    """Prints log messages on standard error, on the console of the progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = Text(self.format(record))
            if record.levelno >= logging.WARNING and record.name.startswith("i2i.inference."):
                text = Text.assemble(("note", "yellow"), " ", text)  # among the lines about files
            stderr.print(text, soft_wrap=True)
        except Exception:
            self.handleError(record)


_handler = ConsoleHandler()


def setup_logging() -> None:
    """Print the messages that the modules of i2i log."""
    logger = logging.getLogger("i2i")
    logger.setLevel(logging.INFO)
    logger.addHandler(_handler)


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a file name that is not valid text, or a terminal that is not UTF-8
        text = json.dumps(value, indent=2, default=str)
    sys.stdout.write(text + "\n")


def printable(value: object) -> str:
    """Return a file name, or a text with file names, on one line, with unprintable characters escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(value))


def safe_text(value: Any) -> str:
    """Return a value of an untrusted file as text without markup and control characters; "?" for None."""
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {item}" for key, item in value.items())
    elif isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    text = "?" if value is None else str(value)
    return escape("".join(char if char.isprintable() else "\ufffd" for char in text))
