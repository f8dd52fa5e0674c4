"""The example page runs an exported model in a browser. Needs npm with a registry, and Chromium; else it is skipped."""

import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import i2i
from tests.conftest import random_image

PAGE = Path(i2i.__file__).parent / "docs" / "examples" / "browser.html"
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None or shutil.which("npm") is None, reason="node is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture
def site(work_dir: Path, exported: Callable[[str], Path]) -> Path:
    """A folder with the page, the model, and the runtime from the npm registry."""
    folder = work_dir / "site"
    folder.mkdir()
    shutil.copy(exported("onnx"), folder / "model.onnx")
    shutil.copy(PAGE, folder)
    try:
        subprocess.run(["npm", "pack", "onnxruntime-web@1"], cwd=work_dir, check=True, capture_output=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("npm cannot download onnxruntime-web")
    with tarfile.open(next(work_dir.glob("onnxruntime-web-*.tgz"))) as archive:
        for name in RUNTIME:
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None
            (folder / name).write_bytes(member.read())
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_page_makes_the_result_of_i2i(site: Path, exportable_model: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    random_image(1, 48, 36).save(site / "photo.png")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with playwright.sync_playwright() as tools:
            browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/browser.html")
            page.get_by_text("ready").wait_for(timeout=60_000)
            page.set_input_files("input", str(site / "photo.png"))
            page.get_by_text("done").wait_for(timeout=60_000)
            levels = page.evaluate(
                "() => { const c = document.querySelector('canvas');"
                " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data] }"
            )
            browser.close()
    finally:
        server.shutdown()
    result = np.array(levels).reshape(36, 48, 4)[..., :3]
    expected = np.asarray(i2i.load(exportable_model, precision="float32")(random_image(1, 48, 36))).astype(int)
    assert np.abs(result - expected).max() <= 1
