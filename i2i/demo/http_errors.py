"""Errors of the plain HTTP API: a status and a sentence as JSON."""

import difflib
from collections.abc import Collection
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from i2i.demo.fair_lock import BusyError
from i2i.errors import I2IError, ImageError, UsageError

_EXAMPLE = "curl -F image=@photo.jpg ADDRESS/translate"
_BODY = {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
_DESCRIPTIONS = {
    400: "A value does not fit the model or the photo.",
    401: "The server needs a name and a password: curl -u NAME:PASSWORD.",
    404: "There is no such model.",
    413: "The photo or the mask is too large.",
    422: "The photo cannot be decoded or has too many pixels, or a field is missing or has the wrong type.",
    503: "Too many photos are waiting.",
    507: "The server has no room for the upload.",
}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": _BODY} for status, description in _DESCRIPTIONS.items()
}


class HttpError(Exception):
    """An answer with an error status.

    Args:
        status: the HTTP status.
        reason: a sentence for the user.
        retry_after: seconds after which the client may try again.
    """

    def __init__(self, status: int, reason: str, *, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 401:
            self.headers["WWW-Authenticate"] = 'Basic realm="i2i", charset="UTF-8"'


def check_fields(form: FormData, known: Collection[str]) -> None:
    """Raise HttpError if a form has a field that is not known, or one of them twice."""
    names = [name for name, _ in form.multi_items()]
    for name in names:
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {similar[0]}?" if similar else f" The fields are {', '.join(known)}."
            raise HttpError(422, f"There is no field {name[:50]!r}.{hint}")
        if names.count(name) > 1:
            raise HttpError(
                422, f"The field {name} is given {names.count(name)} times. Send one photo in each request."
            )


def refuse_other_methods(router: APIRouter, path: str, method: str, reason: str) -> None:
    """Answer all methods but one, and HEAD, with status 405 and a sentence. Call it after the route was added."""
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"} - {method}

    def refuse() -> None:
        raise HttpError(405, reason)

    router.add_api_route(path, refuse, methods=sorted(methods), include_in_schema=False)


def add_unknown_address_handler(app: FastAPI) -> None:
    """Make Gradio's app, which gets all addresses that no other route takes, answer an unknown one in a sentence."""

    async def unknown_address(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.detail != "Not Found":  # Gradio's own answers, such as about a file that is gone
            return await http_exception_handler(request, error)
        path = request.url.path[:80]
        return _answer(
            404,
            f"There is nothing at {path}. The page is at /, and programs use /translate, /models, /health and /docs.",
        )

    app.add_exception_handler(404, unknown_address)


def add_error_handlers(app: FastAPI) -> None:
    """Make an app answer every error as JSON: {"error": "what is wrong"}."""

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HttpError)
        return _answer(error.status, str(error), error.headers)

    async def framework_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _answer(error.status_code, str(error.detail), dict(error.headers or {}))

    async def invalid_field(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _answer(422, _explain(error))

    async def user_error(request: Request, error: Exception) -> JSONResponse:
        return _answer(_status_of(error), str(error))

    async def internal_error(request: Request, error: Exception) -> JSONResponse:
        reason = f"An internal error occurred in i2i ({type(error).__name__}). See the server's log."
        return _answer(500, reason)

    app.add_exception_handler(HttpError, http_error)
    app.add_exception_handler(HTTPException, framework_error)
    app.add_exception_handler(RequestValidationError, invalid_field)
    app.add_exception_handler(I2IError, user_error)
    app.add_exception_handler(Exception, internal_error)


def _answer(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers)


def _status_of(error: Exception) -> int:
    """Return the status for an error that i2i explains."""
    if isinstance(error, ImageError):
        return 422
    if isinstance(error, BusyError):
        return 503
    return 400 if isinstance(error, UsageError) else 500


def _explain(error: RequestValidationError) -> str:
    """Return what is wrong with the first invalid field, in words."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"] if part != "body"]
    field = location[0] if location else "the form"
    if first["type"] == "missing":
        return f"The field {field} is missing. Send the fields as multipart form data: {_EXAMPLE}"
    expected = str(first["msg"]).partition(",")[0].removeprefix("Input should be ").removeprefix("Value error")
    if field in ("image", "mask", "keep"):
        return f"The field {field} must be a file. Send it as multipart form data: {_EXAMPLE}"
    return f"The field {field} is {str(first.get('input'))[:50]!r}; it must be {expected}."
