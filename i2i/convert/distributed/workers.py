"""Workers in this process, and on Ray: each takes chunks of work, and a lost worker loses nothing."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from i2i.errors import I2IError, UsageError, install_command

W = TypeVar("W")
LOCAL = "local"
MAX_ATTEMPTS = 2  # workers that may be lost with the same single file
MAX_LOSSES = 10  # for each worker, without any finished chunk between them
_LOSS_ADVICE = "Look into Ray's logs; if memory ran out, use fewer --workers or a smaller --batch-size."
CHUNKS_AHEAD = 2  # that a worker has at a time: the one in work, and the next one


class LostWorkerError(I2IError):
    """A file has ended each worker that had it."""


class Worker(Protocol):
    """What does the work. Its other methods take a chunk."""

    def describe(self) -> Any:
        """Return what the caller needs to know before there is work."""

    def close(self) -> None:
        """Free what the worker holds."""


class Workers(Protocol):
    """Workers that take chunks, while their context is open."""

    def __enter__(self) -> "Workers": ...

    def __exit__(self, *_: object) -> None: ...

    def describe(self) -> Any:
        """Start the workers. Returns what a worker says of itself."""

    def map(self, method: str, chunks: Iterable[W], split: Callable[[W], list[W]]) -> Iterator[tuple[W, Any]]:
        """Yield each chunk with what a method of the workers returns for it, in no order.

        Args:
            method: name of the method.
            chunks: read only as far as the workers need them.
            split: returns what takes the place of a chunk whose worker was lost; nothing if it is given up. Then the
                chunk is yielded with a LostWorkerError.
        """


class LocalWorker:
    """One worker in this process.

    Args:
        make: makes the worker.
    """

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._worker = make()

    def __enter__(self) -> "LocalWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def describe(self) -> Any:
        return self._worker.describe()

    def map(self, method: str, chunks: Iterable[W], split: Callable[[W], list[W]]) -> Iterator[tuple[W, Any]]:
        for chunk in chunks:
            yield chunk, getattr(self._worker, method)(chunk)


class _Actor:
    """What runs in a process of Ray: a worker, made by the first call so that its errors reach the caller."""

    def __init__(self, make: Callable[[], Worker], folder: str) -> None:
        with suppress(OSError):  # another machine may not have it; paths are then those of its own working directory
            os.chdir(folder)
        self._make = make
        self._worker: Worker | None = None

    def open(self) -> tuple[Any, int]:
        """Load the model. Returns the worker's description, and the id of its process."""
        if self._worker is None:
            self._worker = self._make()
        return self._worker.describe(), os.getpid()

    def call(self, method: str, chunk: Any) -> Any:
        """Return what a method of the worker returns."""
        self.open()
        return getattr(self._worker, method)(chunk)


@dataclass(eq=False)
class _Slot:
    """The place of a worker: its actor, which is replaced when it is lost."""

    actor: Any
    running: int = 0


class RayWorkers:
    """Workers on Ray, one for each GPU, or for each CPU if there is no GPU.

    Args:
        make: makes a worker; pickled.
        address: "local" starts Ray on this machine, "auto" finds the cluster of this machine, else that of a cluster.
        count: of the workers; 0 for one for each GPU or CPU.
        uses_gpu: whether a worker takes a GPU if the cluster has any.

    Raises: UsageError if Ray is not installed or the cluster cannot be reached; I2IError of a worker that cannot start.
    """

    def __init__(self, make: Callable[[], Worker], address: str, count: int, *, uses_gpu: bool) -> None:
        self._ray = import_ray()
        self._owns_ray = not self._ray.is_initialized()
        if self._owns_ray:
            self._connect(address, count)
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0)) if uses_gpu else 0
        self._count = count or gpus or max(1, int(resources.get("CPU", 1)))
        share = min(1.0, gpus / self._count) if gpus else 0
        self._options = {"num_cpus": 1, "num_gpus": share, "max_restarts": 0}
        self._make = make
        self._slots: list[_Slot] = []
        self._losses = 0  # workers that were lost since a chunk was last finished
        self.process_ids: set[int] = set()

    def _connect(self, address: str, count: int) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if address == LOCAL:
            os.environ.setdefault("RAY_worker_niceness", "0")  # its default, 15, lets any other program go first
            os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")  # of a machine that is busy
            options |= {"num_cpus": count or None, "include_dashboard": False}
        try:
            self._ray.init(address=address, **options)
        except Exception as error:  # Ray raises plain exceptions, too
            reason = str(error).strip().partition("\n")[0].rstrip(". ")
            raise UsageError(f"--ray {address}: no cluster of Ray can be used there: {reason}.") from error

    def __enter__(self) -> "RayWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self._slots:
            with suppress(Exception):
                self._ray.kill(slot.actor)
        if self._owns_ray:
            self._ray.shutdown()

    def _start(self) -> Any:
        return self._ray.remote(**self._options)(_Actor).remote(self._make, str(Path.cwd()))

    def describe(self) -> Any:
        """Start all workers. Returns the description of the first one that is ready.

        Raises:
            I2IError: the worker raised it, or ended while it loaded the model.
        """
        self._slots = [_Slot(self._start()) for _ in range(self._count)]
        try:
            description, process_id = self._get(self._slots[0].actor.open.remote())
        except self._ray.exceptions.RayActorError as error:
            raise I2IError(f"A worker on Ray ended while it loaded the model. {_LOSS_ADVICE}") from error
        self.process_ids.add(process_id)
        return description

    def _get(self, reference: Any) -> Any:
        """Return the result of a call. Raises the I2IError that it raised, and what Ray raises for a lost worker."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, I2IError):
                raise cause from None
            raise

    def map(self, method: str, chunks: Iterable[W], split: Callable[[W], list[W]]) -> Iterator[tuple[W, Any]]:
        source = iter(chunks)
        again: deque[W] = deque()
        running: dict[Any, tuple[_Slot, W]] = {}
        while True:
            while (slot := min(self._slots, key=lambda slot: slot.running)).running < CHUNKS_AHEAD:
                chunk = again.popleft() if again else next(source, None)
                if chunk is None:
                    break
                running[slot.actor.call.remote(method, chunk)] = slot, chunk
                slot.running += 1
            if not running:
                return
            (reference,), _ = self._ray.wait(list(running), num_returns=1)
            slot, chunk = running.pop(reference)
            slot.running -= 1
            try:
                result = self._get(reference)
            except self._ray.exceptions.RayActorError as error:
                self._losses += 1
                if self._losses > MAX_LOSSES * self._count:
                    raise I2IError(f"Workers on Ray end again and again. {_LOSS_ADVICE}") from error
                lost = [chunk, *self._take_back(slot, running)]
                slot.actor = self._start()
                for part in lost:
                    pieces = split(part)
                    again.extend(pieces)
                    if not pieces:
                        yield part, LostWorkerError("its conversion has ended each worker that tried it.")
            else:
                self._losses = 0
                yield chunk, result

    def _take_back(self, slot: _Slot, running: dict[Any, tuple[_Slot, W]]) -> list[W]:
        """Return the chunks that wait for a lost worker."""
        references = [reference for reference, (owner, _) in running.items() if owner is slot]
        slot.running = 0
        return [running.pop(reference)[1] for reference in references]


def split_chunk(chunk: Any) -> list[Any]:
    """Return what takes the place of a chunk whose worker was lost: at first the same, then each file by itself."""
    attempts = chunk.attempts + 1
    if attempts < MAX_ATTEMPTS:
        return [replace(chunk, attempts=attempts)]
    if len(chunk.tasks) == 1:
        return [] if attempts > 2 * MAX_ATTEMPTS else [replace(chunk, attempts=attempts)]
    return [replace(chunk, name=f"{chunk.name}-{i:04}", tasks=(task,), attempts=attempts)
            for i, task in enumerate(chunk.tasks)]  # fmt: skip


def import_ray() -> Any:
    """Return the module of Ray. Raises UsageError if it is not installed."""
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UsageError(f"--ray needs Ray, which is not installed: {install_command('ray')}.") from error
    return ray


def open_workers(make: Callable[[], Worker], ray: str | None, count: int, *, uses_gpu: bool) -> Workers:
    """Return the workers of a conversion: on Ray, or one in this process if ``ray`` is None.

    Args:
        make: makes a worker, in the process that runs it.
        ray: address of a Ray cluster, or LOCAL.
        count: number of workers on Ray; 0 for one on each GPU, or on each CPU core if no GPU is used.
        uses_gpu: whether a worker takes a GPU if the cluster has any.

    Raises:
        UsageError: several workers without Ray, Ray is not installed, or a cluster is named on Windows.
    """
    if ray is None:
        if count > 1:
            raise UsageError(f"--workers {count} needs --ray: without it, one process converts.")
        return LocalWorker(make)
    if sys.platform == "win32" and ray != LOCAL:
        raise UsageError(f"--ray {ray}: Ray has no clusters on Windows; use --ray {LOCAL}.")
    return RayWorkers(make, ray, count, uses_gpu=uses_gpu)
