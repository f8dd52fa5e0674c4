"""Pictures decoded in processes of their own, so that no file can take the reading process along."""

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

from i2i.errors import PictureError
from i2i.images.formats import MAX_PIXELS
from i2i.images.metadata import Source
from i2i.images.reading import Photo, look, read_photo

SECONDS = 60.0  # for a picture, and one more for each million pixels
_STARTING = 60.0  # seconds that a process may take to start, on the slowest machine
_ALARM = getattr(signal, "SIGALRM", 14)
_TOO_LONG, _GIVEN_UP = "took too long to decode and was given up", "was not read: reading was given up"
_NO_DECODER = "could not be read: no decoder can be started"
_PIPE_BYTES = 1 << 20


class Here:
    """Reads in this process, as ``Decoders`` does in others: for files that are known to be harmless."""

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self.max_pixels = max_pixels

    def look(self, path: Path) -> tuple[tuple[int, int], int]:
        """Width and height as stored, and the number of frames."""
        return look(path)

    def read(self, path: Path, frame: int = 0) -> Photo:
        """As ``read_photo``."""
        return read_photo(path, frame, self.max_pixels)

    def close(self) -> None:
        """There is nothing to be ended."""


class Decoders:
    """``read_photo`` in one of ``count`` processes, called from as many threads as there are, or more, which wait.

    A file that takes longer than ``seconds``, takes far more memory than a picture of its size should, or crashes its
    decoder raises PictureError, as any bad file does, and costs its process, in whose place another is started.
    reader: the name of the module whose ``Frames`` reads.
    """

    def __init__(
        self,
        count: int,
        *,
        max_pixels: int = MAX_PIXELS,
        seconds: float = SECONDS,
        reader: str = "i2i.images.reading",
    ) -> None:
        self.max_pixels, self.seconds, self.reader = max_pixels, seconds, reader
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._all = [_Worker(reader) for _ in range(count)]
        for worker in self._all:
            self._free.put(worker)

    def start(self) -> None:
        """Start all processes now, beside whatever the caller does next; else each starts when it is needed."""
        for worker in self._all:
            worker.start()

    def look(self, path: Path) -> tuple[tuple[int, int], int]:
        """Width and height as stored, and the number of frames."""
        with self._asked("look", path, 0) as (about, _):
            return (int(about["size"][0]), int(about["size"][1])), int(about["frames"])

    def read(self, path: Path, frame: int = 0) -> Photo:
        """As ``read_photo``."""
        with self._asked("read", path, frame) as (about, take):
            size = (int(about["size"][0]), int(about["size"][1]))
            if size[0] * size[1] > self.max_pixels:
                raise _Gone
            lengths = [int(length) for length in about["parts"]]
            if lengths[0] != 3 * size[0] * size[1] or lengths[1] not in (0, size[0] * size[1]):
                raise _Gone
            pixels, alpha, exif = (take(length) for length in lengths)
        credits = {str(name): tuple(map(str, values)) for name, values in about["credits"].items()}
        return Photo(
            Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(size[1], size[0], 3)),
            Image.fromarray(np.frombuffer(alpha, np.uint8).reshape(size[1], size[0])) if alpha else None,
            Source(bytes(exif), credits, bool(about["generated"])),
        )

    @contextmanager
    def _asked(self, task: str, path: Path, frame: int) -> Iterator[tuple[dict[str, Any], Callable[[int], bytearray]]]:
        request = {"task": task, "path": str(path), "frame": frame, "max_pixels": self.max_pixels}
        worker = self._free.get()
        # It keeps to the time by itself, but where the system knows no alarm, or the file has taught it not to listen.
        worker.watched(_STARTING + 3 * self.seconds + self.max_pixels / 1e6)
        try:
            about = worker.ask({**request, "seconds": self.seconds})
            if "error" in about:
                raise PictureError(str(about["error"]))
            yield about, worker.take
        except PictureError:
            raise
        except MemoryError as error:
            worker.end()  # what it has yet to say is not the answer to the next question
            raise PictureError(f"{path} takes more memory to decode than there is.") from error
        except Exception as error:  # the process is gone, cannot be started, or says what none of ours would
            raise PictureError(f"{path} {worker.end()}.") from error
        except BaseException:
            worker.end()
            raise
        finally:
            worker.unwatched()
            self._free.put(worker)

    def close(self) -> None:
        """End the processes, whatever they are doing; from now on nothing is read."""
        for worker in self._all:
            worker.close()

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Gone(Exception):
    """The process ended, or says what none of ours would."""


class _Worker:
    """A process that can be started anew, by one thread at a time; until it is closed, which any may do."""

    def __init__(self, reader: str) -> None:
        self.reader = reader
        self.process: subprocess.Popen[bytes] | None = None
        self.late = self.closed = self.used = False
        self.fate = _NO_DECODER  # what became of the last process, as the end of a sentence about a file
        self.watch: threading.Timer | None = None
        self._deciding = threading.Lock()

    def start(self) -> subprocess.Popen[bytes]:
        if self.process is not None and self.process.poll() is not None:
            self.end()  # it ended while nothing was asked of it
        with self._deciding:
            if self.closed:
                raise _Gone
            if self.process is None:
                self.late, self.used, self.fate = False, False, _NO_DECODER
                self.process = self._begun()
            return self.process

    def _begun(self) -> subprocess.Popen[bytes]:
        # -P: nothing in the working directory is taken for one of the modules that are imported.
        command = [sys.executable, "-P", "-m", "i2i.images.worker", self.reader]
        places = [*(path for path in sys.path if path), str(Path(__file__).resolve().parents[2])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        with suppress(ImportError, AttributeError, OSError):  # fewer turns for a large picture, on Linux
            import fcntl

            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
        return process

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Asked again in a new process where the old one crashes: a file before this one may have broken it."""
        try:
            return self._answer(request)
        except _Gone:
            if not self.used or self.end() in (_TOO_LONG, _GIVEN_UP):
                raise
        return self._answer(request)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline(10_000_000)
        except (OSError, ValueError) as error:
            raise _Gone from error
        if not line.endswith(b"\n"):
            raise _Gone
        about = dict(json.loads(line))
        self.used = True
        return about

    def take(self, length: int) -> bytearray:
        assert self.process is not None
        assert self.process.stdout is not None
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = self.process.stdout.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise _Gone
            view = view[count:]
        return data

    def watched(self, seconds: float) -> None:
        """From here on it has so much time, and is then killed: whoever waits for its answer hears that it is gone."""
        self.watch = threading.Timer(seconds, self._give_up)
        self.watch.daemon = True
        self.watch.start()

    def unwatched(self) -> None:
        with self._deciding:
            if self.watch is not None:
                self.watch.cancel()
            self.watch = None

    def _give_up(self) -> None:
        with self._deciding:
            if self.watch is threading.current_thread() and self.process is not None:  # and not a moment too late
                self.late = True
                self.process.kill()

    def close(self) -> None:
        """End the process; no other takes its place."""
        with self._deciding:
            self.closed = True
            if self.process is not None:
                self.process.kill()
        self.end()

    def end(self) -> str:
        """End the process, if there is one. Returns ``fate``."""
        process, self.process = self.process, None
        if process is None:
            return _GIVEN_UP if self.closed else self.fate
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # that of one which ended by itself is the code that tells
        if process.returncode is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        in_time = not self.late and process.returncode != -_ALARM
        self.fate = f"crashed its decoder (exit code {process.returncode})" if in_time else _TOO_LONG
        return _GIVEN_UP if self.closed else self.fate
