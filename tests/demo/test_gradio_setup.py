"""One test for each patch of Gradio. The patches were written against gradio 6.31."""

import asyncio
import subprocess
import sys
from pathlib import Path

import gradio as gr
import pytest
from gradio import exceptions, processing_utils, queueing

from i2i import demo
from i2i.demo.gradio_setup import ASYNC_FETCHERS, FETCHERS, patch_gradio

BUILD_PAGE = """
import sys
from i2i.demo.app import build_page
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.translation import PhotoTranslator
from i2i.demo.uploads import UploadStore
store = UploadStore()
build_page(PhotoTranslator(ModelRegistry('cpu'), store))
store.close()
print(*sorted({'torch', 'cv2', 'kornia', 'av'} & set(sys.modules)))
"""

COMPONENT = """
import gradio as gr

class Component(gr.Textbox):
    pass
"""
IMPORT_COMPONENT = """
from i2i.demo.gradio_setup import configure_gradio
configure_gradio()
import component
print(component.gr.Blocks().analytics_enabled)
"""


@pytest.fixture(autouse=True)
def patched_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply the patches for one test. A patch of a function that Gradio does not have fails here."""
    for name in (*ASYNC_FETCHERS, *FETCHERS):
        monkeypatch.setattr(processing_utils, name, getattr(processing_utils, name))
    monkeypatch.setattr(queueing, "error_payload", queueing.error_payload)
    patch_gradio()


def test_the_page_is_built_without_torch_stubs_and_telemetry(tmp_path: Path) -> None:
    (tmp_path / "component.py").write_text(COMPONENT)
    process = subprocess.run(
        [sys.executable, "-c", IMPORT_COMPONENT + BUILD_PAGE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout.splitlines()) == (0, ["False", ""]), process.stderr
    assert not list(tmp_path.glob("*.pyi"))
    assert not list(Path(demo.__file__).parent.rglob("*.pyi"))


@pytest.mark.parametrize("name", FETCHERS)
def test_a_function_that_fetches_a_url_raises(name: str) -> None:
    with pytest.raises(gr.Error, match="never fetches a URL"):
        getattr(processing_utils, name)("http://127.0.0.1:1/photo.png", "/tmp")


@pytest.mark.parametrize("name", ASYNC_FETCHERS)
def test_an_async_function_that_fetches_a_url_raises(name: str) -> None:
    with pytest.raises(gr.Error, match="never fetches a URL"):
        asyncio.run(getattr(processing_utils, name)("http://127.0.0.1:1/photo.png"))


def test_error_messages_contain_no_internal_details() -> None:
    assert queueing.error_payload(gr.Error("Too large."), True)["error"] == "Too large."
    path_error = queueing.error_payload(exceptions.InvalidPathError("/etc/passwd"), True)
    assert path_error["error"] == "Only an uploaded file is opened. Upload the file first."
    assert "/secret" not in str(queueing.error_payload(ValueError("/secret"), True)["error"])
