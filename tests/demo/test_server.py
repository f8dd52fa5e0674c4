"""The server as programs and people meet it: once through the API, once through a real browser."""

import http.server
import io
import json
import os
import shutil
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

from i2i import demo
from i2i.demo.limits import Limits
from i2i.demo.model_registry import Models
from i2i.demo.server import Access, Server, credentials
from i2i.demo.uploads import Desk
from i2i.errors import UsageError
from i2i.images import encode
from i2i.inference.translator import load
from tests.conftest import picture
from tests.demo.conftest import write_model

META = {"_type": "gradio.FileData"}
PHOTO = picture(5, 48, 36)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served")
    write_model(place / "both")
    return place


@pytest.fixture(autouse=True)
def served_models(checkpoints: Path, own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CHECKPOINTS", str(checkpoints))


@pytest.fixture(scope="module")
def server(checkpoints: Path) -> Iterator[Server]:
    limits = Limits(pixels=2_000_000, bytes=1_000_000, queue=8, files=5)
    with Server(Models("cpu", 2, Desk(limits)), Access(port=None)) as running:
        yield running


def send(server: Server, name: str, data: bytes) -> dict[str, Any]:
    """Upload a file; what is then given to a function in its place."""
    answer = httpx.post(f"{server.url}gradio_api/upload", files={"files": (name, data)}, timeout=60)
    assert answer.status_code == 200, answer.text
    return {"path": answer.json()[0], "meta": META}


def ask(server: Server, function: str, *data: Any) -> tuple[str, Any]:
    """("complete" or "error", what came), or ("refused", the answer) where the queue is full."""
    asked = httpx.post(f"{server.url}gradio_api/call/{function}", json={"data": data}, timeout=60)
    if asked.status_code != 200:
        return "refused", asked
    job = asked.json()["event_id"]
    told = httpx.get(f"{server.url}gradio_api/call/{function}/{job}", timeout=120).text.strip().split("\n\n")[-1]
    event, _, content = told.partition("\n")
    return event.removeprefix("event: "), json.loads(content.removeprefix("data: "))


def pixels(server: Server, file: dict[str, Any]) -> np.ndarray:
    with Image.open(io.BytesIO(httpx.get(file["url"], timeout=60).content)) as image:
        return np.asarray(image)


def test_a_program_gets_the_same_picture_as_python_does(server: Server) -> None:
    expected = np.asarray(load("both", "BtoA", device="cpu")(PHOTO))
    photo = send(server, "photo.png", encode(PHOTO, ".png"))
    _, (known,) = ask(server, "models")
    assert [model["name"] for model in known] == ["both", "denoise", "superres2"]
    event, (file, about) = ask(server, "translate", photo, "both", "BtoA", None)
    assert event == "complete"
    assert np.array_equal(pixels(server, file), expected)
    assert (about["width"], about["height"], about["direction"]) == (48, 36, "BtoA")
    event, (packed, report) = ask(server, "folder", [photo, send(server, "b.jpg", b"text")], "both", "BtoA", None)
    assert (report["converted"], [bad["source"] for bad in report["failed"]]) == (["photo.png"], ["b.jpg"])
    with zipfile.ZipFile(io.BytesIO(httpx.get(packed["url"], timeout=60).content)) as archive:
        assert np.array_equal(np.asarray(Image.open(archive.open("photo.png"))), expected)


def test_the_page_is_built_without_torch_and_leaves_no_files_beside_the_package(checkpoints: Path) -> None:
    code = (
        "import sys\nfrom i2i.demo.model_registry import Models\nfrom i2i.demo.app import page\nmodels = Models('cpu')\n"
        "page(models)\nmodels.desk.close()\nprint(*sorted({'torch', 'cv2', 'kornia', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
    assert not list(Path(demo.__file__).parent.glob("*.pyi"))


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and what has been asked of it."""
    asked = list[str]()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(encode(PHOTO, ".png"))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}/photo.png", asked
        web.shutdown()


def test_no_address_is_fetched_and_no_path_opened_wherever_one_is_handed_in(server: Server, checkpoints: Path) -> None:
    own = str(checkpoints / "both" / "weights.safetensors")
    with listener() as (address, asked):
        assert httpx.get(address).status_code == 200
        asked.clear()
        hostile = [
            {key: value, **more}
            for value in (address, own)
            for key in ("path", "url")
            for more in ({"meta": META}, {}, {"meta": META, "is_stream": True})
        ]
        for given in (*hostile, {"path": "/etc/passwd", "meta": META}, address, [], None):
            event, error = ask(server, "translate", given, "both", "AtoB", None)
            assert event == "error"
            assert error["error"].endswith("."), error
            assert "not" in error["error"] or "upload" in error["error"] or "photo" in error["error"]
        for place in ((None, hostile[0], "AtoB", None), (None, "both", hostile[0], hostile[0])):
            assert ask(server, "translate", *place)[0] == "error"
        for given in (hostile[0], hostile[-1]):
            assert ask(server, "folder", [given], "both", "AtoB", None)[0] == "error"
        for path in (f"file={own}", "file=/etc/passwd", f"file={address}", f"proxy={address}"):
            assert httpx.get(f"{server.url}gradio_api/{path}").status_code in (400, 403, 404)
        assert asked == []


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("bomb.png", lambda: encode(Image.new("1", (12_000, 12_000)), ".png"), "bomb.png has 12000x12000 pixels"),
        ("text.jpg", lambda: b"dear diary", "text.jpg: not a picture i2i can read (it looks like a text)."),
        ("zero.png", lambda: b"\x89PNG\r\n\x1a\n", "broken at its start"),
    ],
)
def test_a_bad_photo_is_refused_in_a_sentence(name: str, data: Any, said: str, server: Server) -> None:
    event, error = ask(server, "translate", send(server, name, data()), "both", "AtoB", None)
    assert event == "error"
    assert said in error["error"]
    assert "/tmp" not in error["error"]


def test_a_file_over_the_limit_is_not_taken(server: Server) -> None:
    answer = httpx.post(f"{server.url}gradio_api/upload", files={"files": ("a.png", bytes(1_100_000))}, timeout=60)
    assert answer.status_code == 413


def test_of_sixty_at_once_each_is_served_or_told_to_wait_and_all_is_well_afterwards(server: Server) -> None:
    photo = send(server, "photo.png", encode(PHOTO, ".png"))
    expected = np.asarray(load("both", "AtoB", device="cpu")(PHOTO))
    with ThreadPoolExecutor(60) as crowd:
        with server.models.turn():  # so that none is done before all have asked
            waiting = [crowd.submit(ask, server, "translate", photo, "both", "AtoB", None) for _ in range(60)]
            while sum(one.done() for one in waiting) < 48:
                time.sleep(0.02)
        told = [one.result() for one in waiting]
    served = [what for event, what in told if event == "complete"]
    refused = [what for event, what in told if event == "refused"]
    assert len(served) + len(refused) == 60
    assert 8 <= len(served) <= 12
    assert all(np.array_equal(pixels(server, file), expected) for file, _ in served)
    assert {answer.status_code for answer in refused} == {503}
    assert all("Queue is full" in answer.text for answer in refused)
    assert ask(server, "translate", photo, "both", "AtoB", None)[0] == "complete"


def test_a_password_is_asked_of_everybody_where_there_is_one(checkpoints: Path) -> None:
    with Server(Models("cpu"), Access(auth=("lab", "secret"))) as closed:
        assert ask(closed, "models")[1].status_code == 401
        assert httpx.post(f"{closed.url}gradio_api/upload", files={"files": ("a.png", b"a")}).status_code == 401
        with httpx.Client() as known:
            entered = known.post(f"{closed.url}login", data={"username": "lab", "password": "secret"})
            assert entered.status_code == 200
            assert known.post(f"{closed.url}gradio_api/call/models", json={"data": []}).status_code == 200
    assert not closed.models.desk.home.exists()


def test_an_open_door_is_warned_of() -> None:
    assert (
        Access(host="127.0.0.1").warning() == Access(host="localhost").warning() == Access(host="::1").warning() == ""
    )
    for host in ("0.0.0.0", "192.168.1.5", "::", "lab.example"):
        assert "--auth" in Access(host=host).warning()
        assert Access(host=host, auth=("a", "b")).warning() == ""


def test_a_name_and_password_are_told_apart_at_the_first_colon() -> None:
    assert credentials("lab:a:b") == ("lab", "a:b")
    assert credentials(None) is None
    for text in ("lab", "lab:", ":secret"):
        with pytest.raises(UsageError, match="NAME:PASSWORD"):
            credentials(text)


def chromium() -> str:
    """Where the browser is; skips the test where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("I2I_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium: `playwright install chromium`, or name one in $I2I_CHROMIUM")
    return found


@pytest.mark.slow
def test_a_person_translates_a_photo_and_a_folder_in_a_browser(server: Server, own_place: Path) -> None:
    sync = pytest.importorskip("playwright.sync_api")
    (own_place / "photo.png").write_bytes(encode(PHOTO, ".png"))
    (own_place / "notes.jpg").write_text("dear diary")
    strange = list[str]()
    with sync.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        page.on(
            "request", lambda it: None if it.url.startswith((server.url, "data:", "blob:")) else strange.append(it.url)
        )
        page.on("pageerror", lambda error: strange.append(str(error)))
        page.goto(server.url)
        page.wait_for_selector("#examples img")

        page.set_input_files("#photo input[type=file]", own_place / "notes.jpg")  # a text is refused
        page.click("#start")
        page.get_by_text("not a picture i2i can read (it looks like a text)").wait_for()
        page.locator("#photo").get_by_label("Remove Image").or_(page.locator("#photo").get_by_label("Clear")).click()

        page.set_input_files("#photo input[type=file]", own_place / "photo.png")
        page.get_by_label("striped → plain").check()
        page.click("#start")
        page.get_by_text("both made 48 × 36 pixels").wait_for()
        with page.expect_download() as wanted:
            page.click("#download")
        with Image.open(wanted.value.path()) as made:
            assert made.size == (48, 36)
            assert "both BtoA" in str(made.info["xmp"])
        box = page.locator("#result img").first.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 5, box["y"] + box["height"] / 2)
        page.mouse.up()

        page.click("#models img[alt=denoise]")  # the shipped model, on a picture of its own
        page.wait_for_selector("#translate-direction", state="hidden")
        page.locator("#examples button").first.click()
        page.get_by_text("denoise made 384 × 384 pixels").wait_for()

        page.get_by_role("tab", name="Folder").click()
        page.set_input_files("#files input[type=file]", [own_place / "photo.png", own_place / "notes.jpg"])
        page.get_by_text("notes.jpg").first.wait_for()
        page.click("#folder-start")
        page.get_by_text("1 file translated, 1 could not be").wait_for()
        assert "it looks like a text" in page.inner_text("#failures")
        with page.expect_download() as wanted:
            page.click("#folder-download")
        assert zipfile.ZipFile(wanted.value.path()).namelist() == ["photo.png", "report.json"]
        browser.close()
    assert strange == []


@pytest.mark.slow
def test_the_command_serves_until_it_is_ended_and_leaves_nothing(own_place: Path) -> None:
    place = own_place / "temporary"
    place.mkdir()
    command = [sys.executable, "-c", "from i2i.cli import main; main()", "demo", "--device", "cpu"]
    environment = {**os.environ, "TMPDIR": str(place), "COLUMNS": "200"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as serving:
        assert serving.stderr is not None
        said = next(line for line in serving.stderr if "The page is at" in line)
        url = next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
        try:
            assert '"title":"i2i"' in httpx.get(url, timeout=60).text
            assert list(place.glob("i2i-demo-*"))
        finally:
            serving.send_signal(signal.SIGTERM)
    assert serving.returncode == 0
    assert not list(place.glob("i2i-demo-*"))
