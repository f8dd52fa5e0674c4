"""Who may use the plain HTTP API: those who know the password of the page."""

import base64
import binascii
import secrets
from typing import Any

from fastapi import Request

from i2i.demo.http_errors import HttpError


class LoginCheck:
    """A dependency of routes that need the name and the password, if the server has one.

    It accepts them by HTTP Basic authentication, and the cookie of those who logged in on the page.

    Args:
        auth: name and password; None lets everybody in.

    Attributes:
        page_app: Gradio's app, which issues the cookies.
    """

    def __init__(self, auth: tuple[str, str] | None) -> None:
        self.auth = auth
        self.page_app: Any = None

    async def __call__(self, request: Request) -> None:
        """Raise HttpError if a request may not use the server."""
        if self.auth is None or self._has_cookie(request) or self._has_password(request):
            return
        raise HttpError(401, "This server needs a name and a password: curl -u NAME:PASSWORD.")

    def _has_cookie(self, request: Request) -> bool:
        if self.page_app is None:
            return False
        names = (f"access-token-{kind}{self.page_app.cookie_id}" for kind in ("", "unsecure-"))
        return any(self.page_app.tokens.get(request.cookies.get(name)) is not None for name in names)

    def _has_password(self, request: Request) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or self.auth is None:
            return False
        try:
            given = base64.b64decode(credentials, validate=True)
        except (binascii.Error, ValueError):
            return False
        return secrets.compare_digest(given, ":".join(self.auth).encode())
