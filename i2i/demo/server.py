"""The demo as a service: bound, limited, and tidied up."""

import ipaddress
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Self

from i2i.demo.model_registry import Models
from i2i.errors import UsageError

LOCAL = "127.0.0.1"
PLACE = "GRADIO_TEMP_DIR"


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where a server listens, and to whom. port: None is the first free one from 7860 on. auth: name and password.

    mcp: offer the functions to language models, too. clips: see ``Batching``.
    """

    host: str = LOCAL
    port: int | None = None
    auth: tuple[str, str] | None = None
    mcp: bool = False
    browser: bool = False
    clips: bool = False

    def check(self) -> None:
        """Raise UsageError where something is missing that these settings take."""
        if self.mcp and find_spec("mcp") is None:
            raise UsageError('--mcp takes the package mcp: pip install "gradio[mcp]".')
        if self.clips and find_spec("av") is None:
            raise UsageError('--clips takes PyAV, the extra "video": pip install av.')

    def warning(self) -> str:
        """What is to be said before anybody else gets in; "" where there is nothing."""
        if self.auth or is_local(self.host):
            return ""
        return (
            f"Everybody who can reach {self.host} can use this server, its models and their training samples: "
            "nobody is asked for a password. --auth NAME:PASSWORD asks."
        )


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def credentials(text: str | None) -> tuple[str, str] | None:
    """NAME:PASSWORD, taken apart. Raises UsageError for what is not so."""
    if not text:
        return None
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise UsageError("--auth takes NAME:PASSWORD, both of at least one letter.")
    return name, password


@dataclass
class Server:
    """A page being served in threads of its own, until it is closed; its uploads and results go with it."""

    models: Models
    access: Access = field(default_factory=Access)
    url: str = ""

    def __enter__(self) -> Self:
        from i2i.demo.app import STYLE, page, theme

        harden()
        limits, access = self.models.desk.limits, self.access
        self._before = os.environ.get(PLACE)
        os.environ[PLACE] = str(self.models.desk.folder)  # where gradio puts what is uploaded
        self.blocks = page(self.models, self.access.clips)
        self.blocks.queue(max_size=limits.queue, api_open=False, default_concurrency_limit=1)
        try:
            _, self.url, _ = self.blocks.launch(
                server_name=access.host, server_port=access.port, auth=access.auth, max_file_size=limits.bytes,
                share=False, ssr_mode=False, quiet=True, prevent_thread_lock=True, show_error=True, run_history=False,
                enable_monitoring=False, mcp_server=access.mcp, inbrowser=access.browser, css_paths=[STYLE],
                theme=theme(), footer_links=[], pwa=False, allowed_paths=[], strict_cors=True, num_workers=1,
            )  # fmt: skip
        except OSError as error:
            raise UsageError(
                f"{access.host} cannot be listened on: {error}. Another --port or --host may do."
            ) from error
        self._closed = threading.Event()
        _start(self._sweep)
        _start(self._warm)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.blocks.close(verbose=False)
        self.models.desk.close()
        if self._before is None:
            os.environ.pop(PLACE, None)
        else:
            os.environ[PLACE] = self._before

    def wait(self) -> None:
        """Until Ctrl-C, or the signal by which services are ended."""
        ended = threading.Event()
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, lambda *_: ended.set())
        while not ended.wait(1.0):  # a wait without end would hear no signal on Windows
            pass

    def _sweep(self) -> None:
        desk = self.models.desk
        while not self._closed.wait(min(60.0, desk.limits.keep / 4)):
            desk.sweep()

    def _warm(self) -> None:
        """Load what the first photo will need, once the page is up."""
        import i2i.inference.translator  # noqa: F401

        self.models.desk.readers.start()


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="i2i-demo", daemon=True).start()


def harden() -> None:
    """Have gradio fetch nothing that a caller names, and say in a sentence what is wrong with a request."""
    from gradio import Error, exceptions, processing_utils, queueing

    def refuse(*given: Any, **named: Any) -> Any:
        raise Error("No address is ever fetched here: upload the file itself.", print_exception=False)

    async def refuse_later(*given: Any, **named: Any) -> Any:
        refuse()

    for name in ("async_ssrf_protected_download", "async_ssrf_protected_get"):
        setattr(processing_utils, name, refuse_later)
    for name in ("ssrf_protected_download", "save_url_to_cache", "unsafe_download"):
        setattr(processing_utils, name, refuse)

    def payload(error: BaseException | None, show: bool) -> dict[str, Any]:
        if isinstance(error, exceptions.Error):
            return {"error": error.message, "duration": error.duration, "visible": error.visible, "title": error.title}
        if isinstance(error, exceptions.InvalidPathError):
            text = "Only an uploaded file is opened: upload it first."
        else:
            text = "This is not what the function takes: the tab “For programs” shows how to ask."
        return {"error": text, "visible": True}

    vars(queueing)["error_payload"] = payload
