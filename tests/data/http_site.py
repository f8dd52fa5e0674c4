"""A server of one file that misbehaves on demand."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BODY = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2


@dataclass
class Site:
    """A server of one file that misbehaves on demand.

    Attributes:
        cuts: number of bytes after which each of the next responses breaks off.
        statuses: status codes of the next responses.
        redirects: addresses to which the next requests are redirected.
        changes: headers of each of the next responses that replace the right ones; None leaves a header out.
    """

    url: str = ""
    body: bytes = BODY
    etag: str | None = '"one"'
    last_modified: str | None = None
    content_type: str = "application/zip"
    supports_ranges: bool = True
    sends_length: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)
    changes: list[dict[str, str | None]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(request.headers))
        if self.redirects:
            request.send_response(302)
            request.send_header("Location", self.redirects.pop(0))
            request.end_headers()
            return
        start = self._start(request)
        if self.statuses or (start and start >= len(self.body)):
            request.send_error(self.statuses.pop(0) if self.statuses else 416)
            return
        request.send_response(206 if start else 200)
        headers = {"ETag": self.etag, "Last-Modified": self.last_modified, "Content-Type": self.content_type}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        if self.sends_length:
            headers["Content-Length"] = str(len(self.body) - start)
        headers |= self.changes.pop(0) if self.changes else {}
        for name, value in headers.items():
            if value:
                request.send_header(name, value)
        request.end_headers()
        request.wfile.write(self.body[start:][: self.cuts.pop(0) if self.cuts else None])

    def _start(self, request: BaseHTTPRequestHandler) -> int:
        """The first byte to send. As in RFC 9110, If-Range with another version means from the start."""
        condition = request.headers.get("If-Range")
        if not self.supports_ranges or (condition and condition not in (self.etag, self.last_modified)):
            return 0
        return int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


@contextmanager
def serve() -> Iterator[Site]:
    """Run a server on this machine."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.respond(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/set.zip"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()
