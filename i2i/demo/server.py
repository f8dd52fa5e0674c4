"""The server of the demo: options, start and stop, and background tasks."""

import ipaddress
import os
import signal
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from i2i.demo.gradio_setup import patch_gradio
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.request_guard import AllowedHosts, RequestGuard
from i2i.demo.uploads import UploadStore
from i2i.demo.web_server import WebServer, listen, page_url
from i2i.errors import UsageError, install_command

if TYPE_CHECKING:
    from fastapi import FastAPI

LOCALHOST = "127.0.0.1"
TEMP_DIR_VARIABLE = "GRADIO_TEMP_DIR"
PURGE_INTERVAL = 60.0  # seconds; at most a quarter of the retention time


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Address and access of the server.

    Attributes:
        host: the address to listen on.
        port: None is the first free port from 7860.
        auth: name and password.
        mcp: offer the functions to language models, over MCP.
        open_browser: open the page in a browser.
        allow_video: see ``FolderTranslator``.
        allowed_hosts: further host names of this server, such as those of a proxy in front of it.
    """

    host: str = LOCALHOST
    port: int | None = None
    auth: tuple[str, str] | None = None
    mcp: bool = False
    open_browser: bool = False
    allow_video: bool = False
    allowed_hosts: tuple[str, ...] = ()

    def check_packages(self) -> None:
        """Raise UsageError if a package that the options need is not installed."""
        if self.mcp and find_spec("mcp") is None:
            raise UsageError('--mcp needs the package mcp: `uv pip install "gradio[mcp]"` in the clone of i2i.')
        if self.allow_video and find_spec("av") is None:
            raise UsageError(f"--allow-video needs PyAV: {install_command('video')}.")

    def security_warning(self) -> str:
        """Return a warning if others can use the server without a password, otherwise ""."""
        if self.auth or is_loopback(self.host):
            return ""
        return (
            f"Everybody who can reach {self.host} can use this server, its models and their training samples without "
            "a password. Set one with --auth NAME:PASSWORD."
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def parse_credentials(text: str | None) -> tuple[str, str] | None:
    """Split NAME:PASSWORD at the first colon; None for no text.

    Raises:
        UsageError: the name, the colon or the password is missing.
    """
    if not text:
        return None
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise UsageError("--auth must be NAME:PASSWORD, with at least one character each.")
    return name, password


@dataclass
class Server:
    """A context manager that serves the page in background threads. It deletes all uploads and results at the end.

    Attributes:
        registry: the models.
        store: uploads and results; the server closes it.
        options: where to listen.
        url: the address of the page, once it is served.
    """

    registry: ModelRegistry
    store: UploadStore = field(default_factory=UploadStore)
    options: ServerOptions = field(default_factory=ServerOptions)
    url: str = ""

    def __enter__(self) -> Self:
        options = self.options
        sock = listen(options.host, options.port)
        self._previous_temp_dir = os.environ.get(TEMP_DIR_VARIABLE)
        os.environ[TEMP_DIR_VARIABLE] = str(self.store.files)  # where Gradio saves uploads
        self.url = page_url(options.host, sock.getsockname()[1])
        self._web_server = WebServer(self._build_app(), sock)
        self._web_server.start()
        if options.open_browser:
            webbrowser.open(self.url)
        self._closed = threading.Event()
        _start_thread(self._purge_periodically)
        _start_thread(self._preload)
        return self

    def _build_app(self) -> "FastAPI":
        """Return the app of the whole server: the page and its API, and the routes for other programs."""
        from fastapi import FastAPI
        from fastapi.middleware import Middleware

        from i2i.demo.app import build_page, mount_page
        from i2i.demo.http_api import add_http_api
        from i2i.demo.http_auth import LoginCheck
        from i2i.demo.translation import PhotoTranslator

        patch_gradio()
        hosts = AllowedHosts.from_options(self.options.host, self.options.allowed_hosts)
        app = FastAPI(openapi_url=None, middleware=[Middleware(RequestGuard, hosts=hosts, store=self.store)])
        options = self.options
        photo_translator = PhotoTranslator(self.registry, self.store)
        check_login = LoginCheck(options.auth)
        add_http_api(app, photo_translator, check_login)
        self.blocks = build_page(photo_translator, options.allow_video)
        self.blocks.queue(max_size=self.store.limits.max_queue, api_open=False, default_concurrency_limit=1)
        vars(self.blocks)["local_url"] = self.url  # Gradio's MCP server calls it
        max_upload_bytes = self.store.limits.max_upload_bytes
        self._page_app = mount_page(app, self.blocks, max_upload_bytes, options.auth, options.mcp)
        check_login.page_app = self._page_app
        return app

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.blocks._queue.close()
        self.blocks.is_running = False
        self._page_app.stop_event.set()  # ends the connections that pages keep open
        self._web_server.stop()
        self.store.close()
        if self._previous_temp_dir is None:
            os.environ.pop(TEMP_DIR_VARIABLE, None)
        else:
            os.environ[TEMP_DIR_VARIABLE] = self._previous_temp_dir

    def wait(self) -> None:
        """Block until SIGINT (Ctrl-C) or SIGTERM."""
        stopped = threading.Event()

        def stop(*_: Any) -> None:
            stopped.set()

        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, stop)
        while not stopped.wait(1.0):  # on Windows a wait without a timeout would not be interrupted
            pass

    def _purge_periodically(self) -> None:
        while not self._closed.wait(min(PURGE_INTERVAL, self.store.limits.retention_seconds / 4)):
            self.store.purge()

    def _preload(self) -> None:
        """Load what the first photo needs while the page is already up."""
        import i2i.inference.loading  # noqa: F401

        self.store.decoders.start()


def _start_thread(target: Callable[[], None]) -> None:
    threading.Thread(target=target, name="i2i-demo", daemon=True).start()
