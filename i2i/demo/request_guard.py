"""Middleware that refuses requests which other sites make a browser send, malformed paths, and uploads without room."""

import errno
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread

from i2i.demo.uploads import UploadStore
from i2i.errors import I2IError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_GRADIO_API = "/gradio_api/"
UPLOAD_PATH = f"{_GRADIO_API}upload"
TRANSLATE_PATH = "/translate"
_DRAWING_PATH = f"{_GRADIO_API}component_server"  # takes what was painted on the page
_FORM_PATHS = (TRANSLATE_PATH, _DRAWING_PATH)
MAX_PATH_BYTES = 4096  # of a file system
MAX_PATH_PART_BYTES = 255
_log = logging.getLogger(__name__)
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_FORM_OVERHEAD = 100_000  # bytes of a form besides its files


@dataclass(frozen=True)
class AllowedHosts:
    """The host names under which a server answers.

    A site whose name is made to resolve to this machine (DNS rebinding) is same-origin with the server for the browser,
    but its requests have the name of the site as their Host header. An IP address in that header is always safe.

    Args:
        names: names of this server besides localhost and IP addresses, in lower case.
        proxies: names of proxies in front of it, which may replace the Host header.
    """

    names: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()

    @classmethod
    def from_options(cls, host: str, proxies: Collection[str] = ()) -> "AllowedHosts":
        """Return the hosts of a server: the address it listens on, this machine's name, and ``proxies``."""
        own = (host, socket.gethostname(), f"{socket.gethostname()}.local")
        own_names, proxy_names = (
            frozenset(name.lower().rstrip(".") for name in names if name) for names in (own, proxies)
        )
        return cls(own_names | proxy_names, proxy_names)

    def accepts(self, host: str) -> bool:
        """Return whether a Host header, with or without a port, names this server."""
        name = _host_name(f"//{host}")
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name == "localhost" or name.endswith(".localhost") or name in self.names
        return True

    def accepts_origin(self, origin: str, host: str) -> bool:
        """Return whether a page of ``origin`` may send data to this server, which the request calls ``host``.

        It may if it is this server's own page, or a page of one of ``proxies``.
        """
        try:
            same = urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False
        return (same and bool(host)) or _host_name(origin) in self.proxies


def _host_name(url: str) -> str | None:
    try:
        name = urlsplit(url).hostname
    except ValueError:
        return None
    return name.rstrip(".") if name else None


class RequestGuard:
    """ASGI middleware around the whole server.

    It refuses requests with a foreign Host header (403), requests of other sites that change something (403), paths
    that no file system has (400), and uploads that exceed the limit (413) or for which there is no room (507).
    """

    def __init__(self, app: App, hosts: AllowedHosts, store: UploadStore) -> None:
        self.app = app
        self.hosts = hosts
        self.store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers) or await self._upload_refusal(scope, headers)
        if refusal is not None:
            await _send_json(send, *refusal)
            return
        receive = self._limited(receive) if scope["path"].rstrip("/") in _FORM_PATHS else receive
        await _explain_failures(self.app, scope, receive, send)

    def _refusal(self, scope: Scope, headers: Mapping[str, list[str]]) -> tuple[int, str] | None:
        """Return status and reason if the request is refused whatever it contains."""
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self.hosts.accepts(hosts[0]):
            return 403, (
                f"This server does not answer to the host {', '.join(hosts)[:100]!r}. Use its IP address or localhost, "
                "or start it with --allowed-host NAME."
            )
        if scope["method"] not in _SAFE_METHODS:
            origins = headers.get("origin", [])
            cross_site = "cross-site" in headers.get("sec-fetch-site", []) and not origins
            if cross_site or not all(self.hosts.accepts_origin(origin, hosts[0]) for origin in origins):
                return 403, "This server takes data from its own page and from programs, not from other sites."
        parts = scope["path"].encode("utf-8", "surrogateescape").split(b"/")
        if "\0" in scope["path"] or any(len(part) > MAX_PATH_PART_BYTES for part in parts):
            return 400, "This address has a name that no file can have."
        if sum(map(len, parts)) > MAX_PATH_BYTES:
            return 414, "This address is too long."
        return None

    async def _upload_refusal(self, scope: Scope, headers: Mapping[str, list[str]]) -> tuple[int, str] | None:
        """Return status and reason if an upload is too large, or if there is no room for it."""
        if scope["method"] != "POST" or scope["path"].rstrip("/") not in (UPLOAD_PATH, *_FORM_PATHS):
            return None
        length = next(iter(headers.get("content-length", [])), "")
        size = int(length) if length.isdecimal() else self.store.limits.max_upload_bytes
        if scope["path"].rstrip("/") in _FORM_PATHS and size > self._max_form_bytes:
            return 413, self._too_large()
        try:
            await anyio.to_thread.run_sync(self.store.make_room, size)
        except I2IError as error:
            return 507, str(error)
        return None

    @property
    def _max_form_bytes(self) -> int:
        """Bytes of a form: a photo, two masks of its size at most, and the fields."""
        return 3 * self.store.limits.max_upload_bytes + _FORM_OVERHEAD

    def _too_large(self) -> str:
        return f"The limit of an upload is {self.store.limits.max_upload_bytes / 1e6:g} MB a file."

    def _limited(self, receive: Receive) -> Receive:
        """Return a ``receive`` that ends the request after more bytes than a form may have."""
        from starlette.exceptions import HTTPException

        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_form_bytes:
                raise HTTPException(413, self._too_large())
            return message

        return limited


async def _explain_failures(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an app, and answer 400 instead of 500 if what the request contains made it fail."""
    held = list[Message]()  # an answer of status 500: it is sent before its exception is raised

    async def hold_failures(message: Message) -> None:
        if held or message.get("status") == 500:
            held.append(message)
        else:
            await send(message)

    try:
        await app(scope, receive, hold_failures)
    except Exception as error:
        reason = _fault_of_request(error, scope["path"]) if held else None
        if reason is None:
            raise
        _log.debug("%s: %r", reason, error)
        held.clear()
        await _send_json(send, 400, reason)
    finally:
        for message in held:
            await send(message)


def _fault_of_request(error: Exception, path: str) -> str | None:
    """Return what is wrong with a request that caused an exception, or None if the server is to blame."""
    null = "null byte" in str(error) or "null character" in str(error)
    if null or (isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP)):
        return "The request names a file with a name that no file can have."
    if path.startswith(_GRADIO_API) and isinstance(error, TypeError | ValueError | LookupError):
        return "These arguments do not fit the function. The tab “API” shows how to call it."
    return None


def _headers(scope: Scope) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


async def _send_json(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}, ensure_ascii=True).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
