"""The page in a real browser."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i.demo.server import Server
from i2i.images import encode
from tests.conftest import random_image

PHOTO = random_image(5, 48, 36)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("use_served_checkpoints")]


def find_chromium() -> str:
    """Return the path of the browser, or skip the test without one."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = os.environ.get("I2I_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium: run `playwright install chromium`, or set $I2I_CHROMIUM to one")
    return path


@pytest.fixture
def page(server: Server) -> Iterator[Any]:
    """The page, opened. The test fails if it requests anything from another host or a script raises an error."""
    sync_api = pytest.importorskip("playwright.sync_api")
    problems = list[str]()

    def check_request(request: Any) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            problems.append(request.url)

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        page.on("request", check_request)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(server.url)
        page.wait_for_selector("#examples img")
        yield page
        browser.close()
    assert problems == []


def test_a_photo_is_translated_and_downloaded(page: Any, work_dir: Path) -> None:
    (work_dir / "photo.png").write_bytes(encode(PHOTO, ".png"))
    (work_dir / "notes.jpg").write_text("dear diary")
    page.set_input_files("#photo input[type=file]", work_dir / "notes.jpg")
    page.click("#start")
    page.get_by_text("looks like a text").wait_for()
    page.locator("#photo").get_by_label("Remove Image").or_(page.locator("#photo").get_by_label("Clear")).click()

    page.set_input_files("#photo input[type=file]", work_dir / "photo.png")
    page.get_by_label("striped → plain").check()
    page.click("#start")
    page.get_by_text("both made 48 × 36 pixels").wait_for()
    with page.expect_download() as download:
        page.click("#download")
    with Image.open(download.value.path()) as output:
        assert output.size == (48, 36)
        assert "both BtoA" in str(output.info["xmp"])
    box = page.locator("#result img").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 5, box["y"] + box["height"] / 2)
    page.mouse.up()


def test_a_shipped_model_translates_its_example(page: Any) -> None:
    page.click("#models img[alt=denoise]")
    page.wait_for_selector("#translate-direction", state="hidden")
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
