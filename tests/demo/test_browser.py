"""The page in a real browser."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i.demo.server import Server
from i2i.images import encode
from tests.conftest import random_image

PHOTO = random_image(5, 48, 36)
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
COUNT_IMAGES_UNDER_WAY = """() => {
  const send = window.fetch;
  let underWay = 0;
  window.mostUnderWay = 0;
  window.fetch = async (url, options) => {
    if (!String(url).startsWith("camera?")) return send(url, options);
    window.mostUnderWay = Math.max(window.mostUnderWay, ++underWay);
    try { return await send(url, options); } finally { underWay--; }
  };
}"""
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("use_served_checkpoints")]


def find_chromium() -> str:
    """Return the path of the browser, or skip the test without one."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = os.environ.get("I2I_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium: run `playwright install chromium`, or set $I2I_CHROMIUM to one")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A running browser."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-dev-shm-usage", *FAKE_CAMERA]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(server: Server, browser: Any) -> Iterator[Any]:
    """The page, opened by a new user. The test fails if it requests anything from another host or a script fails."""
    problems = list[str]()

    def check_request(request: Any) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            problems.append(request.url)

    page = browser.new_page(viewport={"width": 1280, "height": 900})  # in a context of its own, without stored data
    page.set_default_timeout(60_000)
    page.on("request", check_request)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector("#examples img")
    yield page
    page.close()
    assert problems == []


def test_a_photo_is_translated_and_downloaded(page: Any, work_dir: Path) -> None:
    (work_dir / "photo.png").write_bytes(encode(PHOTO, ".png"))
    (work_dir / "notes.jpg").write_text("dear diary")
    page.set_input_files("#photo input[type=file]", work_dir / "notes.jpg")
    choose_model(page, "both")
    page.click("#start")
    page.get_by_text("looks like a text").wait_for()
    page.wait_for_timeout(500)
    page.locator("#photo").get_by_label("Remove Image").or_(page.locator("#photo").get_by_label("Clear")).click()
    page.locator(".toast-body").wait_for(state="detached")
    assert not page.get_by_text("Error", exact=True).locator("visible=true").count()

    page.set_input_files("#photo input[type=file]", work_dir / "photo.png")
    page.get_by_label("striped → plain").check()
    page.click("#start")
    page.get_by_text("both made 48 × 36 pixels").wait_for()
    with page.expect_download() as download:
        page.click("#download")
    with Image.open(download.value.path()) as output:
        assert output.size == (48, 36)
        assert "both BtoA" in str(output.info["xmp"])
    page.reload()
    page.wait_for_selector("#examples img")
    assert page.input_value("#translate-model input") == "both", "the browser remembers the model"


def test_the_line_between_before_and_after_can_be_dragged(page: Any) -> None:
    page.locator("#examples button").first.click()
    page.get_by_text("denoise made").wait_for()
    box = page.locator("#result img").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 5, box["y"] + box["height"] / 2)
    page.mouse.up()


def choose_model(page: Any, name: str, tab: str = "translate") -> None:
    page.click(f"#{tab}-model input")
    page.get_by_role("option", name=name, exact=True).click()
    page.locator(f"#{tab}-direction").get_by_label("striped → plain").wait_for()


def random_noise(side: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(64, 192, (side, side, 3), np.uint8))


def test_what_is_painted_stays_as_it_is_and_the_result_can_be_opened_saved_and_used_again(
    page: Any, work_dir: Path
) -> None:
    photo = random_noise(240)
    (work_dir / "photo.png").write_bytes(encode(photo, ".png"))
    page.set_input_files("#photo input[type=file]", work_dir / "photo.png")
    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.wait_for()
    page.click("#paint button")
    canvas = page.locator("#region-editor canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1], steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    page.click("#start")
    page.get_by_text("denoise made 240 × 240 pixels").wait_for()
    with page.expect_download() as download:
        page.click("#download")
    with Image.open(download.value.path()) as output:
        assert output.getpixel((124, 120)) == photo.getpixel((124, 120))
        assert output.getpixel((20, 20)) != photo.getpixel((20, 20))
    page.click("#zoom")
    assert page.locator(".pixel-viewer img").first.bounding_box()["width"] == 240
    page.click("#format input")
    page.get_by_role("option", name="JPEG").click()
    page.get_by_text("Download JPEG").wait_for()
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "photo-denoise-AtoB.jpg"
    page.locator("#region-editor").wait_for(state="visible")
    page.click("#reuse")
    page.locator("#region-editor").wait_for(state="hidden")
    page.click("#start")
    page.locator("#history button").nth(1).click()


def test_all_tabs_are_reached_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_label("More tabs").click()
    page.get_by_role("button", name="API", exact=True).click()
    page.get_by_text("Programs can use the functions of this page").wait_for()


def test_a_shipped_model_translates_its_example(page: Any) -> None:
    assert page.input_value("#translate-model input") == "denoise", "the page opens on a shipped model"
    assert page.locator("#start").bounding_box()["y"] < 860
    page.locator("#examples button").first.click()
    page.get_by_text("denoise made 384 × 384 pixels").wait_for()


def test_files_are_translated_into_a_zip(page: Any, work_dir: Path) -> None:
    (work_dir / "photo.png").write_bytes(encode(PHOTO, ".png"))
    (work_dir / "notes.jpg").write_text("dear diary")
    page.get_by_role("tab", name="Folder").click()
    page.set_input_files("#files input[type=file]", [work_dir / "photo.png", work_dir / "notes.jpg"])
    page.wait_for_selector("#files [aria-label='notes.jpg']")
    page.click("#folder-start")
    page.get_by_text("1 file translated, 1 failed").wait_for()
    assert "looks like a text" in page.inner_text("#failures")
    with page.expect_download() as download:
        page.click("#folder-download")
    assert zipfile.ZipFile(download.value.path()).namelist() == ["photo.png", "report.json"]


def test_the_camera_is_translated_live_until_its_tab_is_left(page: Any, server: Server) -> None:
    stored = set(server.store.files.rglob("*"))
    page.get_by_role("tab", name="Camera").click()
    choose_model(page, "both", "camera")
    page.locator("#camera-side").get_by_label("128").check()
    page.get_by_text("128 × 128 pixels").wait_for()
    camera = page.locator("#camera-view")
    page.evaluate(COUNT_IMAGES_UNDER_WAY)
    camera.get_by_role("button", name="Start the camera").click()
    camera.get_by_text("images a second").nth(1).wait_for()
    colours = camera.locator("canvas").evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert camera.locator("canvas").evaluate("canvas => [canvas.width, canvas.height]") == [128, 128]
    assert colours > 10
    with server.registry.lock.hold():
        page.wait_for_timeout(300)
    assert page.evaluate("() => window.mostUnderWay") == 1, "images of the camera do not wait behind one another"
    assert set(server.store.files.rglob("*")) == stored, "no image of the camera is stored"

    page.get_by_role("tab", name="Folder").click()
    camera.get_by_text("because you left its tab").wait_for(state="attached")
    page.get_by_role("tab", name="Camera").click()
    assert camera.locator("video").evaluate("video => video.srcObject") is None

    camera.locator(".camera").evaluate("view => { view.dataset.maxSeconds = 0.1; }")
    camera.get_by_role("button", name="Start the camera").click()
    camera.get_by_text("The camera stopped after 15 min").wait_for()

    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }; }"
    )
    camera.get_by_role("button", name="Start the camera").click()
    camera.get_by_text("No camera was found. Connect one, then start again.").wait_for()
