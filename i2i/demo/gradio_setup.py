"""All changes that the demo makes to Gradio: no telemetry, a faster import, no URL fetching, plain error messages.

The patches replace private functions of Gradio and were written against gradio 6.31. tests/demo/test_gradio_setup.py
has one test for each of them.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_COMPONENT_META = "gradio.component_meta"
ASYNC_FETCHERS = ("async_ssrf_protected_download", "async_ssrf_protected_get")  # in gradio.processing_utils
FETCHERS = ("ssrf_protected_download", "save_url_to_cache", "unsafe_download")  # in gradio.processing_utils


def configure_gradio() -> None:
    """Turn off Gradio's telemetry and stub generation. Call this before the first import of gradio."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    installed = any(isinstance(finder, _SkipStubGeneration) for finder in sys.meta_path)
    if _COMPONENT_META not in sys.modules and not installed:
        sys.meta_path.insert(0, _SkipStubGeneration())


class _SkipStubGeneration(MetaPathFinder):
    """Import hook that replaces ``gradio.component_meta.create_or_modify_pyi`` by a function that does nothing.

    Gradio writes a .pyi file beside every component at import time, also beside components of other packages. That
    took 1.8 of the 5.4 s of its import on one core of an AMD EPYC.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _COMPONENT_META:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            exec_module: Any = spec.loader.exec_module

            def exec_and_patch(module: ModuleType) -> None:
                exec_module(module)
                vars(module)["create_or_modify_pyi"] = lambda *args: None

            spec.loader.exec_module = exec_and_patch  # type: ignore[method-assign]
        return spec


def patch_gradio() -> None:
    """Apply the patches that a server needs. Importing gradio first is not required."""
    disable_url_fetching()
    explain_bad_requests()


def disable_url_fetching() -> None:
    """Make Gradio raise an error wherever it would download a URL that a caller sent."""
    from gradio import Error, processing_utils

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise Error("This server never fetches a URL. Upload the file itself.", print_exception=False)

    async def refuse_async(*args: Any, **kwargs: Any) -> Any:
        refuse()

    for name in ASYNC_FETCHERS:
        setattr(processing_utils, name, refuse_async)
    for name in FETCHERS:
        setattr(processing_utils, name, refuse)


def explain_bad_requests() -> None:
    """Make Gradio describe a failed request in a sentence, without internal details such as paths."""
    from gradio import exceptions, queueing

    def error_payload(error: BaseException | None, show_error: bool) -> dict[str, Any]:
        if isinstance(error, exceptions.Error):
            return {"error": error.message, "duration": error.duration, "visible": error.visible, "title": error.title}
        if isinstance(error, exceptions.InvalidPathError):
            text = "Only an uploaded file is opened. Upload the file first."
        else:
            text = "These arguments do not fit the function. The tab “API” shows how to call it."
        return {"error": text, "visible": True}

    vars(queueing)["error_payload"] = error_payload
