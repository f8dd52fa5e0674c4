"""A process that decodes images, for one request after the other."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from i2i.json_parsing import parse_json_table

_ALARM = getattr(signal, "SIGALRM", 14)
_TIMED_OUT = "took too long to decode and was given up"
_CLOSED = "was not read: reading was given up"
_NOT_STARTED = "could not be read: no decoder can be started"
_PIPE_BYTES = 1 << 20
_MAX_HEADER_BYTES = 10_000_000


class DecoderDied(Exception):
    """The process ended, or sent a reply that the worker would never send."""


class DecoderProcess:
    """A process that can be restarted. One thread at a time uses it; any thread may close it."""

    def __init__(self, reader: str) -> None:
        self.reader = reader
        self.process: subprocess.Popen[bytes] | None = None
        self.timed_out = False
        self.closed = False
        self.has_replied = False
        self.exit_reason = _NOT_STARTED  # of the last process; continues a sentence that starts with the file's name
        self.timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def start(self) -> subprocess.Popen[bytes]:
        """Return the running process, started if necessary. Raises DecoderDied if the worker is closed."""
        if self.process is not None and self.process.poll() is not None:
            self.end()  # it ended while idle
        with self._lock:
            if self.closed:
                raise DecoderDied
            if self.process is None:
                self.timed_out = False
                self.has_replied = False
                self.exit_reason = _NOT_STARTED
                self.process = self._spawn()
            return self.process

    def _spawn(self) -> subprocess.Popen[bytes]:
        # -P: modules are not imported from the working directory.
        command = [sys.executable, "-P", "-m", "i2i.images.worker", self.reader]
        import_paths = [*(path for path in sys.path if path), str(Path(__file__).resolve().parents[2])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(import_paths)}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        with suppress(ImportError, AttributeError, OSError):  # on Linux: a larger pipe, fewer reads for a large image
            import fcntl

            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
        return process

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to a request. If the process crashes, retry once in a new one.

        An earlier file may have broken the old process.
        """
        try:
            return self._request_once(request)
        except DecoderDied:
            if not self.has_replied or self.end() in (_TIMED_OUT, _CLOSED):
                raise
        return self._request_once(request)

    def _request_once(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline(_MAX_HEADER_BYTES)
        except (OSError, ValueError) as error:
            raise DecoderDied from error
        if not line.endswith(b"\n"):
            raise DecoderDied
        reply = parse_json_table(line, keep_file_names=True)
        self.has_replied = True
        return reply

    def read_exactly(self, length: int) -> bytearray:
        """Read ``length`` bytes of the process's output. Raises DecoderDied if it ends before."""
        assert self.process is not None
        assert self.process.stdout is not None
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = self.process.stdout.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise DecoderDied
            view = view[count:]
        return data

    def start_timeout(self, seconds: float) -> None:
        """Kill the process after ``seconds``. A thread that waits for its reply then gets DecoderDied."""
        self.timer = threading.Timer(seconds, self._kill_timed_out)
        self.timer.daemon = True
        self.timer.start()

    def cancel_timeout(self) -> None:
        with self._lock:
            if self.timer is not None:
                self.timer.cancel()
            self.timer = None

    def _kill_timed_out(self) -> None:
        with self._lock:
            # A cancelled timer may still run: it is no longer the current one.
            if self.timer is threading.current_thread() and self.process is not None:
                self.timed_out = True
                self.process.kill()

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self.closed = True
            if self.process is not None:
                self.process.kill()
        self.end()

    def end(self) -> str:
        """End the process if one is running. Returns the reason why reading failed."""
        process = self.process
        self.process = None
        if process is None:
            return _CLOSED if self.closed else self.exit_reason
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # if it is ending by itself, its own exit code is the informative one
        if process.returncode is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self.timed_out or process.returncode == -_ALARM:
            self.exit_reason = _TIMED_OUT
        else:
            self.exit_reason = f"crashed its decoder (exit code {process.returncode})"
        return _CLOSED if self.closed else self.exit_reason
