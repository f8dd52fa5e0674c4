"""Kills of the demo at random moments, with photos under way; then it is started again on the same port."""

import os
import random
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from i2i.demo import uploads
from i2i.images import encode
from tests.cli.test_convert import InProcessPool
from tests.conftest import random_image
from tests.demo.conftest import write_model
from tests.faults import children
from tests.faults.attack import LOST, WRONG, Attack, Failure
from tests.faults.operations import Shared

PNG = encode(random_image(5, 24, 18), ".png")
START_SECONDS = 60.0
STOP_SECONDS = 0.5
PROCESS_SECONDS = 20.0  # in which the processes of a killed server must have ended


class KillDemo(Attack):
    """Kills servers. The next one takes the same port, answers as before, and deletes the uploads of the killed ones.

    In every tenth round photos are decoded by processes, which must end with their server.
    """

    name = "kill-demo"

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        import i2i.demo.app
        import i2i.demo.http_api
        import i2i.demo.server  # noqa: F401

        write_model(folder / "checkpoints" / "both")
        self._expected = b""
        self._seconds = 1.0

    def _command(self, folder: Path, port: int, *, real_decoders: bool) -> Callable[[], None]:
        demo = children.command("demo", "--port", str(port), "--device", "cpu")

        def run() -> None:
            os.environ["I2I_CHECKPOINTS"] = str(self.folder / "checkpoints")
            tempfile.tempdir = str(folder / "tmp")
            if not real_decoders:
                uploads.DecoderPool = InProcessPool  # type: ignore[misc,assignment]
            demo()

        return run

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        (folder / "tmp").mkdir()
        port = _free_port()
        command = self._command(folder, port, real_decoders=index % 10 == 9)
        moments = [rng.uniform(0, 1.5 * self._seconds) for _ in range(rng.randint(1, 2))]
        self.fault = f"the demo killed after {moments} s"
        for moment in moments:
            child = children.Child(command, folder)
            sender = threading.Thread(target=_send_photos, args=(port, time.monotonic() + moment), daemon=True)
            sender.start()
            if rng.random() < 0.3:  # while it stops
                time.sleep(moment)
                os.kill(child.process, signal.SIGTERM)
                moment += rng.uniform(0, STOP_SECONDS)
            ended = child.wait(kill_after=moment)
            sender.join()
            self.kills += ended.killed
            if not ended.killed and ended.status not in (0, -signal.SIGTERM):
                return Failure(WRONG, f"it ended by itself with {ended.status}: {ended.output[-2000:]}")
        return self._start_again(command, port, folder)

    def _start_again(self, command: Callable[[], None], port: int, folder: Path) -> Failure | None:
        """Start the server, compare its answer, stop it by SIGTERM, and look for what is left."""
        began = time.monotonic()
        child = children.Child(command, folder)
        answer = None
        while answer is None and time.monotonic() < began + START_SECONDS:
            answer = _translate(port)
            time.sleep(0.01)
        self._seconds = 0.5 * (self._seconds + min(5.0, time.monotonic() - began))
        servers = [path for path in (folder / "tmp").glob("i2i-demo-*") if any(path.iterdir())]
        os.kill(child.process, signal.SIGTERM)
        ended = child.wait(timeout=60)
        if answer is None or answer.status_code != 200:
            what = f"{answer.status_code} {answer.text[:500]}" if answer is not None else ended.output[-2000:]
            return Failure(LOST, f"the server on the same port does not answer: {what}")
        self._expected = self._expected or answer.content
        if answer.content != self._expected:
            return Failure(WRONG, "the answer differs from that of an earlier server")
        if failure := ended.failure(0):
            return failure
        left = [path for path in (folder / "tmp").glob("i2i-demo-*") if any(path.iterdir())]
        if len(servers) > 1 or left:  # an empty one, of a server that was killed as it made it, is deleted in an hour
            return Failure(WRONG, f"{len(servers)} folders of uploads while one server ran, and after it {left}")
        if processes := _wait_for_end(folder):
            return Failure(WRONG, f"processes remain: {processes}")
        return None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _send_photos(port: int, deadline: float) -> None:
    """Upload photos, and translate them, until the server is killed."""
    while time.monotonic() < deadline:
        if _translate(port, max(0.01, deadline - time.monotonic())) is None:
            time.sleep(0.005)
        else:
            with suppress(httpx.HTTPError):
                files = {"files": ("a.png", PNG)}
                httpx.post(f"http://127.0.0.1:{port}/gradio_api/upload", files=files, timeout=1)


def _translate(port: int, timeout: float = 30.0) -> httpx.Response | None:
    try:
        url = f"http://127.0.0.1:{port}/translate"
        return httpx.post(url, files={"image": ("a.png", PNG)}, data={"model": "both"}, timeout=timeout)
    except httpx.HTTPError:
        return None


def _wait_for_end(folder: Path) -> list[str]:
    """Return the command lines of the processes that work in a folder and do not end."""
    deadline = time.monotonic() + PROCESS_SECONDS
    while (left := _processes_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _processes_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
