"""The server as programs use it, through its HTTP API."""

import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from i2i.checkpoints.shipped import SHIPPED_MODELS
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.server import Server, ServerOptions
from i2i.demo.web_server import listen
from i2i.images import encode
from i2i.inference.loading import load
from tests.conftest import random_image

META = {"_type": "gradio.FileData"}
PHOTO = random_image(5, 48, 36)
pytestmark = pytest.mark.usefixtures("use_served_checkpoints")


def upload_file(server: Server, name: str, data: bytes) -> dict[str, Any]:
    """Upload a file and return it as an argument for the API."""
    response = httpx.post(f"{server.url}gradio_api/upload", files={"files": (name, data)}, timeout=60)
    assert response.status_code == 200, response.text
    return {"path": response.json()[0], "meta": META}


def call(server: Server, function: str, *arguments: Any) -> tuple[str, Any]:
    """Call a function of the API.

    Returns: ("complete", results), ("error", error), or ("refused", response) if the queue is full.
    """
    url = f"{server.url}gradio_api/call/{function}"
    response = httpx.post(url, json={"data": arguments}, timeout=60)
    if response.status_code != 200:
        return "refused", response
    events = httpx.get(f"{url}/{response.json()['event_id']}", timeout=120).text
    event, _, data = events.strip().split("\n\n")[-1].partition("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def download_pixels(file: dict[str, Any]) -> np.ndarray:
    with Image.open(io.BytesIO(httpx.get(file["url"], timeout=60).content)) as image:
        return np.asarray(image)


def test_the_api_returns_the_same_image_as_python(server: Server) -> None:
    expected = np.asarray(load("both", "BtoA", device="cpu")(PHOTO))
    photo = upload_file(server, "photo.png", encode(PHOTO, ".png"))
    _, (models,) = call(server, "models")
    assert [model["name"] for model in models] == [*SHIPPED_MODELS, "both"]
    event, (file, about) = call(server, "translate", photo, "both", "BtoA", None)
    assert event == "complete"
    assert np.array_equal(download_pixels(file), expected)
    assert (about["width"], about["height"], about["direction"]) == (48, 36, "BtoA")
    text_file = upload_file(server, "b.jpg", b"text")
    event, (packed, report) = call(server, "folder", [photo, text_file], "both", "BtoA", None)
    assert (report["converted"], [failure["source"] for failure in report["failed"]]) == (["photo.png"], ["b.jpg"])
    with zipfile.ZipFile(io.BytesIO(httpx.get(packed["url"], timeout=60).content)) as archive:
        assert np.array_equal(np.asarray(Image.open(archive.open("photo.png"))), expected)


@contextmanager
def image_server() -> Iterator[tuple[str, list[str]]]:
    """Serve an image on this machine. Yields its URL and the list of requested paths."""
    requests = list[str]()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(encode(PHOTO, ".png"))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as web_server:
        threading.Thread(target=web_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web_server.server_port}/photo.png", requests
        web_server.shutdown()


def test_no_url_is_fetched_and_no_path_is_opened(server: Server, served_checkpoints: Path) -> None:
    model_file = str(served_checkpoints / "both" / "weights.safetensors")
    with image_server() as (url, requests):
        assert httpx.get(url).status_code == 200
        requests.clear()
        hostile = [
            {key: value, **more}
            for value in (url, model_file)
            for key in ("path", "url")
            for more in ({"meta": META}, {}, {"meta": META, "is_stream": True})
        ]
        bad_photos: list[Any] = [*hostile, {"path": "/etc/passwd", "meta": META}, url, [], None]
        for photo in bad_photos:
            event, error = call(server, "translate", photo, "both", "AtoB", None)
            assert event == "error"
            assert error["error"].endswith("."), error
            assert any(word in error["error"] for word in ("not", "never", "upload", "photo"))
        for arguments in ((None, hostile[0], "AtoB", None), (None, "both", hostile[0], hostile[0])):
            assert call(server, "translate", *arguments)[0] == "error"
        for file in (hostile[0], hostile[-1]):
            assert call(server, "folder", [file], "both", "AtoB", None)[0] == "error"
        for path in (f"file={model_file}", "file=/etc/passwd", f"file={url}", f"proxy={url}"):
            assert httpx.get(f"{server.url}gradio_api/{path}").status_code in (400, 403, 404)
        assert requests == []


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("bomb.png", lambda: encode(Image.new("1", (12_000, 12_000)), ".png"), "bomb.png has 12000x12000 pixels"),
        ("text.jpg", lambda: b"dear diary", "looks like a text"),
        ("zero.png", lambda: b"\x89PNG\r\n\x1a\n", "zero.png"),
    ],
)
def test_an_unreadable_photo_is_refused_without_a_path_in_the_message(
    name: str, data: Any, message: str, server: Server
) -> None:
    event, error = call(server, "translate", upload_file(server, name, data()), "both", "AtoB", None)
    assert event == "error"
    assert message in error["error"]
    assert "/tmp" not in error["error"]


def test_a_file_over_the_limit_is_refused(server: Server) -> None:
    files = {"files": ("a.png", bytes(1_100_000))}
    assert httpx.post(f"{server.url}gradio_api/upload", files=files, timeout=60).status_code == 413


def test_of_sixty_simultaneous_calls_each_is_served_or_refused_and_the_server_recovers(server: Server) -> None:
    photo = upload_file(server, "photo.png", encode(PHOTO, ".png"))
    expected = np.asarray(load("both", "AtoB", device="cpu")(PHOTO))
    with ThreadPoolExecutor(60) as pool:
        with server.registry.lock.hold():  # no call finishes before all have started
            calls = [pool.submit(call, server, "translate", photo, "both", "AtoB", None) for _ in range(60)]
            while sum(future.done() for future in calls) < 48:
                time.sleep(0.02)
        answers = [future.result() for future in calls]
    served = [results for event, results in answers if event == "complete"]
    refused = [response for event, response in answers if event == "refused"]
    assert len(served) + len(refused) == 60
    assert 8 <= len(served) <= 12
    assert all(np.array_equal(download_pixels(file), expected) for file, _ in served)
    assert {response.status_code for response in refused} == {503}
    assert all("Queue is full" in response.text for response in refused)
    assert call(server, "translate", photo, "both", "AtoB", None)[0] == "complete"


def test_a_server_with_a_password_requires_it_everywhere() -> None:
    with Server(ModelRegistry("cpu"), options=ServerOptions(auth=("lab", "secret"))) as protected:
        upload_url = f"{protected.url}gradio_api/upload"
        assert call(protected, "models")[1].status_code == 401
        assert httpx.post(upload_url, files={"files": ("a.png", b"a")}).status_code == 401
        camera = httpx.post(f"{protected.url}camera?model=both", content=bytes(3))
        assert (camera.status_code, "The login has expired" in camera.text) == (403, True)
        assert "www-authenticate" not in camera.headers, "browsers would open a window for the password"
        with httpx.Client() as client:
            login = client.post(f"{protected.url}login", data={"username": "lab", "password": "secret"})
            assert login.status_code == 200
            models = client.post(f"{protected.url}gradio_api/call/models", json={"data": []})
            assert models.status_code == 200
    assert not protected.store.root.exists()


@pytest.mark.slow
def test_the_command_serves_until_sigterm_and_deletes_its_files(work_dir: Path) -> None:
    temp_dir = work_dir / "temporary"
    temp_dir.mkdir()
    command = [sys.executable, "-c", "from i2i.cli import main; main()", "demo", "--device", "cpu"]
    environment = {**os.environ, "TMPDIR": str(temp_dir), "COLUMNS": "200"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://127.0.0.1:" in line)
        url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        port = int(url.rstrip("/").rpartition(":")[2])
        try:
            assert '"title":"i2i"' in httpx.get(url, timeout=60).text
            assert list(temp_dir.glob("i2i-demo-*"))
            with pytest.raises(httpx.ConnectError):  # no further server on the next port
                httpx.get(f"http://127.0.0.1:{port + 1}/")
        finally:
            process.send_signal(signal.SIGTERM)
    listen("127.0.0.1", port).close()
    assert process.returncode == 0
    assert not list(temp_dir.glob("i2i-demo-*"))
