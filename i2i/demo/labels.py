"""What the page says of models and directions, and how it says that something went wrong."""

import html
import logging
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from i2i.demo.model_registry import Model
from i2i.errors import I2IError

P = ParamSpec("P")
T = TypeVar("T")
PHOTOS: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "photos"}  # one is read while one is translated
FOLDERS: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "folders"}
SILENT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SECONDS_SHOWN = 30.0  # that a message stays on the page
_ENDS = {
    "stripes": ("plain", "striped"),
    "outlines": ("outline", "painting"),
    "facades": ("photo", "label map"),
}
_log = logging.getLogger(__name__)


def way(model: Model, direction: str) -> str:
    """A direction in words, such as "horse → zebra"; of a model of no such data "A → B"."""
    data = str(model.header.get("data", {}).get("name", ""))
    named = re.fullmatch(r"([a-z]+)2([a-z]+)", data)
    a, b = _ENDS.get(data) or (named.groups() if named else ("A", "B"))
    return f"{a} → {b}" if direction == "AtoB" else f"{b} → {a}"


def ways(model: Model) -> list[tuple[str, str]]:
    """The directions of a model with their words, as a choice wants them."""
    if "task" in model.header:
        return [(f"{model.header['task'].get('task', 'restore')}", model.directions[0])]
    return [(way(model, direction), direction) for direction in model.directions]


def told(function: Callable[P, T]) -> Callable[P, T]:
    """``function`` with its errors as sentences for who uses the page or the API."""

    @wraps(function)
    def wrapper(*given: P.args, **named: P.kwargs) -> T:
        try:
            return function(*given, **named)
        except gr.Error:
            raise
        except I2IError as error:
            raise _sentence(str(error)) from error
        except MemoryError as error:
            raise _sentence("There is not enough memory for this just now. Try a smaller photo, or later.") from error
        except Exception as error:
            _log.exception("%s failed", getattr(function, "__name__", "a function"))
            fault = type(error).__name__
            raise _sentence(f"Something is wrong in i2i itself ({fault}). The server's log says more.") from error

    return wrapper


def _sentence(text: str) -> gr.Error:
    return gr.Error(
        html.escape(text, quote=False), duration=SECONDS_SHOWN, title="That did not work", print_exception=False
    )


def teller(progress: Any) -> Callable[[float, str], None]:
    """What tells gradio's progress bar how far something is."""

    def tell(share: float, what: str) -> None:
        progress(share, desc=what)

    return tell
