"""Common parts of Gradio's event handlers: queue settings, error messages and progress."""

import html
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from i2i.demo.translation import ProgressCallback
from i2i.device import is_out_of_memory
from i2i.errors import I2IError

P = ParamSpec("P")
T = TypeVar("T")
PHOTO_QUEUE: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "photos"}  # decode one while one is translated
FOLDER_QUEUE: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "folders"}
UNQUEUED: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
ERROR_SECONDS = 30.0  # for which an error message stays on the page
_log = logging.getLogger(__name__)


def user_errors(handler: Callable[P, T]) -> Callable[P, T]:
    """Decorate a handler so that its exceptions become messages on the page or in the API's answer.

    The text of an I2IError is shown. Any other exception is logged, and only its type is shown.
    """

    @wraps(handler)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except I2IError as error:
            raise _page_error(str(error)) from error
        except Exception as error:
            if is_out_of_memory(error):
                raise _page_error("There is not enough memory just now. Try a smaller photo, or try later.") from error
            _log.exception("%s failed", getattr(handler, "__name__", "a handler"))
            name = type(error).__name__
            raise _page_error(f"An internal error occurred in i2i ({name}). See the server's log.") from error

    return wrapper


def _page_error(text: str) -> gr.Error:
    return gr.Error(
        html.escape(text, quote=False), duration=ERROR_SECONDS, title="That did not work", print_exception=False
    )


def progress_callback(progress: Any) -> ProgressCallback:
    """Return a callback that moves a ``gr.Progress`` bar."""

    def update(fraction: float, description: str) -> None:
        progress(fraction, desc=description)

    return update
