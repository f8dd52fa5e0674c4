"""``i2i data download`` of a small dataset from a slow server, as an operation that can be killed."""

import hashlib
import io
import os
import socket
import time
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from i2i.data import catalogue
from i2i.images import encode
from tests.conftest import random_image
from tests.faults import children
from tests.faults.attack import LOST, WRONG, Failure
from tests.faults.comparison import compare_folders
from tests.faults.operations import Operation, Shared

NAME = "attacked"
BLOCKS = 20  # in which the server sends a file
BLOCK_SECONDS = 0.01


def dataset_archive() -> bytes:
    """Return the zip of a dataset of twelve images."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as whole:
        for index in range(12):
            folder = ("trainA", "trainB", "testA", "testB")[index % 4]
            info = zipfile.ZipInfo(f"{NAME}/{folder}/{index}.png", (2020, 1, 1, 0, 0, 0))
            whole.writestr(info, encode(random_image(index, 64, 64), ".png"))
    return buffer.getvalue()


class SlowServer:
    """A server of one archive, in a process of its own; it sends the file in blocks, and supports ranges."""

    def __init__(self, body: bytes, folder: Path) -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/{NAME}.zip"
        self._child = children.Child(partial(_serve, listening, body), folder)
        listening.close()

    def close(self) -> None:
        self._child.wait(kill_after=0)


def _serve(listening: socket.socket, body: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("ETag", '"one"')
            self.send_header("Content-Type", "application/zip")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            step = len(body) // BLOCKS
            for place in range(start, len(body), step):
                self.wfile.write(body[place : place + step])
                time.sleep(BLOCK_SECONDS)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the client was killed
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever()


class DownloadOperation(Operation):
    """``i2i data download``, which is repeated until the dataset is there.

    Args:
        shared: for the result of an uninterrupted download.
        is_known: whether the catalogue has the checksum of the archive.
    """

    def __init__(self, shared: Shared, *, is_known: bool) -> None:
        super().__init__(shared)
        self.body = dataset_archive()
        self.server = SlowServer(self.body, shared.folder)
        self.name = f"download-{'known' if is_known else 'unknown'}-{self.server.port}"
        self.entry = catalogue.CatalogueEntry(
            name=NAME, kind="unpaired", url=self.server.url, folder=NAME, summary="", note="",
            sha256=hashlib.sha256(self.body).hexdigest() if is_known else None,
        )  # fmt: skip

    def prepare(self, folder: Path) -> None:
        (folder / "datasets").mkdir()

    def next_command(self, folder: Path) -> Callable[[], None]:
        download = children.command("data", "download", NAME)

        def run() -> None:
            catalogue.CATALOGUE[NAME] = self.entry
            os.environ["XDG_STATE_HOME"] = str(folder / "state")
            download()

        return run

    def check_attacked(self, folder: Path) -> Failure | None:
        """Check that the folder is absent or complete, and that the received bytes are those of the archive."""
        if (folder / "datasets" / NAME).exists():
            return self._compare_dataset(folder)
        for path in (folder / "datasets" / ".downloads").glob(f"{NAME}.zip*"):
            if path.suffix in (".zip", ".part") and not self.body.startswith(path.read_bytes()):
                return Failure(WRONG, f"{path.name} holds bytes that the server did not send there")
        return None

    def is_finished(self, folder: Path) -> bool:
        """Return whether nothing remains to be done, so that the command would refuse the existing folder."""
        return (folder / "datasets" / NAME).exists() and not (folder / "datasets" / ".downloads").exists()

    def compare(self, folder: Path) -> Failure | None:
        if left := sorted(path.name for path in (folder / "datasets").iterdir() if path.name != NAME):
            return Failure(WRONG, f"leftovers beside the dataset: {', '.join(left)}")
        return self._compare_dataset(folder)

    def _compare_dataset(self, folder: Path) -> Failure | None:
        failure = compare_folders(self.shared.expected(self) / "datasets" / NAME, folder / "datasets" / NAME)
        return failure and Failure(LOST if "missing" in failure.what else WRONG, failure.what)

    def close(self) -> None:
        self.server.close()
