"""Serve an ASGI app in a background thread of this process."""

import contextlib
import socket
import threading
import time
from typing import Any

from i2i.errors import UsageError

FIRST_PORT = 7860  # of the ports that are tried if none is given
NUM_PORTS = 100
STOP_SECONDS = 5.0  # that running requests get to finish


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on an address.

    Args:
        host: an IP address or a host name of this machine.
        port: None is the first free port from FIRST_PORT.

    Raises:
        UsageError: the port is in use, or the address is not one of this machine.
    """
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    error: OSError | None = None
    for candidate in range(FIRST_PORT, FIRST_PORT + NUM_PORTS) if port is None else [port]:
        try:
            return socket.create_server((name, candidate), family=family, backlog=2048)
        except OSError as failure:
            error = failure
    tried = f"port {port}" if port is not None else f"a port from {FIRST_PORT} to {FIRST_PORT + NUM_PORTS - 1}"
    raise UsageError(f"Cannot listen on {host}, {tried}: {error}. Try another --port or --host.") from error


def page_url(host: str, port: int) -> str:
    """Return the address under which a browser on this machine finds the server."""
    name = host.strip("[]")
    if name in ("0.0.0.0", "::", ""):
        name = "localhost"
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


class WebServer:
    """A running server. It has no other process, so nothing holds the port after this process has ended.

    Args:
        app: the ASGI app.
        sock: a listening socket; the server closes it.
    """

    def __init__(self, app: Any, sock: socket.socket) -> None:
        import uvicorn

        config = uvicorn.Config(
            app, log_level="warning", lifespan="on", ws="none", server_header=False, timeout_graceful_shutdown=1
        )
        self._socket = sock
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([sock],), name="i2i-demo-web", daemon=True)

    def start(self) -> None:
        """Return when the server answers. Raises UsageError if the app fails to start."""
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise UsageError("The server did not start. See its log above.")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop the server and release the port."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.close()
