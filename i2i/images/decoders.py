"""Decoding in separate processes, so that no file can crash or block the calling process."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from PIL import Image

from i2i.errors import ImageError
from i2i.images.deep import DeepImage
from i2i.images.formats import MAX_PIXELS
from i2i.images.metadata import SourceMetadata
from i2i.images.reading import LoadedImage, ProfilePolicy
from i2i.images.value_range import SampleSummary, ValueRanges, ranges_to_json, summary_from_json
from i2i.json_parsing import parse_json_table

TIMEOUT_SECONDS = 60.0  # for one image, and one second more for each million pixels
_STARTUP_SECONDS = 60.0  # that a process may take to start, on the slowest machine
_ALARM = getattr(signal, "SIGALRM", 14)
_TIMED_OUT = "took too long to decode and was given up"
_CLOSED = "was not read: reading was given up"
_NOT_STARTED = "could not be read: no decoder can be started"
_PIPE_BYTES = 1 << 20
_MAX_HEADER_BYTES = 10_000_000


class DecoderPool:
    """Runs ``load_image`` in a pool of processes. Any number of threads may call it; they wait for a free process.

    A file that takes longer than the timeout, takes far more memory than an image of its size should, or crashes its
    decoder raises ImageError, as any damaged file does. Its process is replaced by a new one.

    Args:
        count: number of processes.
        max_pixels: the largest image that is decoded.
        seconds: timeout for one image; one second is added for each million pixels.
        reader: name of the module whose ``FrameReader`` reads the files.
        deep: whether images have 16 bits too, if their files have more than 8.
    """

    def __init__(
        self,
        count: int,
        *,
        max_pixels: int = MAX_PIXELS,
        seconds: float = TIMEOUT_SECONDS,
        reader: str = "i2i.images.reading",
        deep: bool = False,
    ) -> None:
        self.deep = deep
        self.profiles: ProfilePolicy = "convert"  # see ``load_image``
        self.max_pixels = max_pixels
        self.seconds = seconds
        self._workers = [_Worker(reader) for _ in range(count)]
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def start(self) -> None:
        """Start all processes now, in parallel with the caller's next work. Otherwise each starts when needed."""
        for worker in self._workers:
            worker.start()

    def probe(self, path: Path) -> tuple[tuple[int, int], int]:
        """Return (width, height) as stored, and the number of frames."""
        with self._request("probe", path) as (reply, _):
            return (int(reply["size"][0]), int(reply["size"][1])), int(reply["frames"])

    def measure(self, path: Path) -> SampleSummary | None:
        """Return what ``measure_unfixed`` returns."""
        with self._request("measure", path) as (reply, _):
            return summary_from_json(reply["summary"])

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        """Read a frame as ``load_image`` does."""
        options = {"frame": frame, "ranges": ranges_to_json(ranges or {}), "deep": self.deep, "profiles": self.profiles}
        with self._request("read", path, **options) as (reply, read_exactly):
            width = int(reply["size"][0])
            height = int(reply["size"][1])
            lengths = [int(length) for length in reply["parts"]]
            self._check_lengths(lengths, width * height)
            pixels, alpha, exif, deep, profile = (read_exactly(length) for length in lengths)
        credits = {str(name): tuple(map(str, values)) for name, values in reply["credits"].items()}
        loaded = LoadedImage(
            Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(height, width, 3)),
            Image.fromarray(np.frombuffer(alpha, np.uint8).reshape(height, width)) if alpha else None,
            SourceMetadata(
                bytes(exif), credits, bool(reply["generated"]), _print_size(reply), float(reply["duration"]),
                int(reply["plays"]), bytes(profile),
            ),
            summary_from_json(reply["unusual"]),
            bool(reply["grey"]),
            deep=DeepImage(np.frombuffer(deep, np.uint16).reshape(height, width, 3)) if deep else None,
        )  # fmt: skip
        return loaded.blended() if blend else loaded

    def _check_lengths(self, lengths: list[int], pixels: int) -> None:
        """Check the announced bytes of pixels and alpha. A decoder taken over by a file may announce anything."""
        if (
            pixels > self.max_pixels
            or lengths[0] != 3 * pixels
            or lengths[1] not in (0, pixels)
            or lengths[3] not in (0, 6 * pixels)
        ):
            raise _WorkerDied

    @contextmanager
    def _request(
        self, task: str, path: Path, **options: Any
    ) -> Iterator[tuple[dict[str, Any], Callable[[int], bytearray]]]:
        """Send a request to a free process. Yields the reply and a function that reads the bytes after it."""
        request = {"task": task, "path": str(path), "max_pixels": self.max_pixels, **options}
        worker = self._free.get()
        # The process times out by itself, unless the system has no timer or the file has disabled the signal.
        worker.start_timeout(_STARTUP_SECONDS + 3 * self.seconds + self.max_pixels / 1e6)
        try:
            reply = worker.request({**request, "seconds": self.seconds})
            if "error" in reply:
                raise ImageError(str(reply["error"]))
            yield reply, worker.read_exactly
        except ImageError:
            raise
        except MemoryError as error:
            worker.end()  # the rest of its output must not be taken for the next reply
            raise ImageError(f"{path} takes more memory to decode than there is.") from error
        except Exception as error:  # the process has ended, cannot be started, or sent an invalid reply
            raise ImageError(f"{path} {worker.end()}.") from error
        except BaseException:
            worker.end()
            raise
        finally:
            worker.cancel_timeout()
            self._free.put(worker)

    def close(self) -> None:
        """End all processes, whatever they are doing. Later reads raise ImageError."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> "DecoderPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _print_size(reply: dict[str, Any]) -> tuple[float, float] | None:
    inches = reply["print_size"]
    return (float(inches[0]), float(inches[1])) if inches else None


class _WorkerDied(Exception):
    """The process ended, or sent a reply that the worker would never send."""


class _Worker:
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
        """Return the running process, started if necessary. Raises _WorkerDied if the worker is closed."""
        if self.process is not None and self.process.poll() is not None:
            self.end()  # it ended while idle
        with self._lock:
            if self.closed:
                raise _WorkerDied
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
        except _WorkerDied:
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
            raise _WorkerDied from error
        if not line.endswith(b"\n"):
            raise _WorkerDied
        reply = parse_json_table(line, keep_file_names=True)
        self.has_replied = True
        return reply

    def read_exactly(self, length: int) -> bytearray:
        """Read ``length`` bytes of the process's output."""
        assert self.process is not None
        assert self.process.stdout is not None
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = self.process.stdout.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise _WorkerDied
            view = view[count:]
        return data

    def start_timeout(self, seconds: float) -> None:
        """Kill the process after ``seconds``. A thread that waits for its reply then gets _WorkerDied."""
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
