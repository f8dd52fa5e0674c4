"""Downloads from a server that misbehaves: cuts, wrong lengths, other versions, compressed bodies, redirects."""

import gzip
import hashlib
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from i2i.data.download import download
from i2i.errors import I2IError
from tests.faults.attack import LOST, WRONG, Attack, Failure
from tests.faults.operations import Shared

BODIES = {f'"{name}"': random.Random(name).randbytes(60_000) for name in ("one", "two")}  # by ETag
WAYS = (
    "good", "good", "good", "cut", "cut", "cut", "short length", "long length", "no length", "gzip", "page",
    "loop", "ftp", "busy", "missing", "wrong range", "no ranges", "other version", "empty", "garbage", "reset",
    "chunked cut",
)  # fmt: skip


class Script:
    """What the server does at each request, one way after another; then it is good."""

    def __init__(self) -> None:
        self.ways: list[str] = []
        self.etag = '"one"'
        self.sends_etag = True

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        way = self.ways.pop(0) if self.ways else "good"
        if way in ("busy", "missing"):
            request.send_error(503 if way == "busy" else 404)
        elif way in ("loop", "ftp"):
            if way == "loop" and len(self.ways) < 40:
                self.ways.insert(0, way)
            request.send_response(302)
            request.send_header("Location", request.path if way == "loop" else "ftp://127.0.0.1/set.zip")
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif way == "garbage":
            request.wfile.write(b"\x00\xff garbage\r\n\r\n" * 10)
        elif way != "reset":
            self._send_body(request, way)
        request.close_connection = True

    def _send_body(self, request: BaseHTTPRequestHandler, way: str) -> None:
        if way == "other version":
            self.etag = '"two"' if self.etag == '"one"' else '"one"'
        body = BODIES[self.etag]
        start = self._start(request, way, len(body))
        rest = body[start:]
        length = {"short length": len(rest) // 2, "long length": len(rest) + 100, "no length": None}.get(way, len(rest))
        if way == "page":
            rest, length, start = b"<html>Sign in</html>", 20, 0
        if way == "gzip":
            rest = gzip.compress(rest)
            length = len(rest)
        if way == "empty":
            rest, length = b"", 0
        request.send_response(206 if start else 200)
        if start:
            first = start + 7 if way == "wrong range" else start
            request.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if self.sends_etag:
            request.send_header("ETag", self.etag)
        request.send_header("Content-Type", "text/html" if way == "page" else "application/zip")
        if way == "gzip":
            request.send_header("Content-Encoding", "gzip")
        if way == "chunked cut":
            request.send_header("Transfer-Encoding", "chunked")
            rest = b"%x\r\n" % len(rest) + rest[: len(rest) // 3]
        elif length is not None:
            request.send_header("Content-Length", str(length))
        request.end_headers()
        request.wfile.write(rest[: len(rest) // 2] if way == "cut" else rest)

    def _start(self, request: BaseHTTPRequestHandler, way: str, length: int) -> int:
        condition = request.headers.get("If-Range")
        if way == "no ranges" or (condition and condition != self.etag):
            return 0
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        return start if start < length else 0


class Download(Attack):
    """Downloads a file, with and without a known checksum, twice if the first time fails.

    The file must be one whole version of what the server has, or absent.
    """

    name = "download"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.script = script = Script()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script.respond(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        script = self.script
        script.etag = '"one"'
        script.sends_etag = rng.random() < 0.8
        script.ways = ways = [rng.choice(WAYS) for _ in range(rng.randint(1, 5))]
        known = rng.random() < 0.5
        sha256 = hashlib.sha256(BODIES['"one"']).hexdigest() if known else None
        # A shorter body with its right length cannot be told from a shorter file, without a checksum or a length.
        self.may_be_short = not known and bool({"short length", "no length", "cut"} & set(ways))
        fault = f"{ways}, {'known' if known else 'unknown'} checksum, {'with' if script.sends_etag else 'without'} ETag"
        script.ways = list(ways)
        path = folder / "set.zip"
        failure = self._download(path, sha256, known)
        if failure is None and not path.exists():
            script.ways = []
            script.etag = '"one"'
            failure = self._download(path, sha256, known)
            if failure is None and not path.exists():
                failure = Failure(LOST, f"the second download, from a good server, failed too: {self.error}")
        return failure and Failure(failure.verdict, failure.what, fault)

    def _download(self, path: Path, sha256: str | None, known: bool) -> Failure | None:
        url = f"http://127.0.0.1:{self.server.server_port}/set.zip"
        try:
            digest = download(url, path, sha256=sha256, attempts=3, timeout=2.0, sleep=lambda seconds: None)
        except I2IError as error:
            self.error = str(error)
            return Failure(WRONG, "a file in spite of an error") if path.exists() else None
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            return Failure(WRONG, "the returned checksum is not that of the file")
        if content == b"" or not any(body.startswith(content) for body in BODIES.values()):
            return Failure(WRONG, f"a file of {len(content)} bytes that the server does not have")
        is_short = len(content) < len(BODIES['"one"'])
        if (known and content != BODIES['"one"']) or (is_short and not self.may_be_short):
            return Failure(WRONG, f"a file of {len(content)} bytes that the server does not have")
        return None
