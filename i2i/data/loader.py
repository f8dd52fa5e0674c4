"""The endless stream of batches that a training draws from: made here, in a thread, or by processes of their own."""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from queue import SimpleQueue
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from i2i.data.dataset import TrainingPictures
from i2i.errors import I2IError

T = TypeVar("T")


def batches(
    pictures: TrainingPictures, size: int, start: int, workers: int, prefetch: int = 0
) -> Generator[tuple[Tensor, ...]]:
    """Batches of ``size`` samples without end, from sample number ``start`` on: uint8 (size, 3, H, W) a domain.

    In memory they are channels-last, and pinned beside CUDA. workers: processes that make them; 0 makes them here,
    or up to ``prefetch`` of them in advance in a thread, which ends with the iterator. Raises what reading a picture
    raised, after the batches before it.
    """
    made = _made_by(workers, pictures, size, start) if workers else _made_here(pictures, size, start)
    with closing(_in_advance(made, prefetch)) as stream:  # so that workers and thread end however this ends
        for batch in stream:
            if isinstance(batch, I2IError):
                raise batch
            yield batch


def _made_here(pictures: TrainingPictures, size: int, start: int) -> Generator[Any]:
    pin = torch.cuda.is_available()  # CUDA copies from pinned memory while Python goes on
    for numbers in _Consecutive(start, size):
        batch = _collate([pictures[k] for k in numbers])
        yield tuple(pixels.pin_memory() for pixels in batch) if pin and isinstance(batch, tuple) else batch


def _made_by(workers: int, pictures: TrainingPictures, size: int, start: int) -> Generator[Any]:
    yield from DataLoader(
        pictures,
        batch_sampler=_Consecutive(start, size),
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_ignore_interrupt,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # the loader draws a number at its start: not from the training's generator
    )


def _in_advance(source: Generator[T], count: int) -> Generator[T]:
    """What the endless ``source`` gives, up to ``count`` of it fetched in advance by a thread. 0: without one.

    What the source raises is raised here, in its turn.
    """
    if not count:
        yield from source
        return
    ready: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    room, ended = threading.Semaphore(count), threading.Event()

    def fetch() -> None:
        try:
            while room.acquire() and not ended.is_set():
                ready.put((next(source), None))
        except BaseException as error:
            ready.put((None, error))

    thread = threading.Thread(target=fetch, name="pictures in advance", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            room.release()
            yield item
    finally:
        ended.set()
        room.release()
        thread.join()
        source.close()


class _Consecutive:
    """Batches of consecutive sample numbers, for ever."""

    def __init__(self, start: int, size: int) -> None:
        self.start, self.size = start, size

    def __iter__(self) -> Iterator[list[int]]:
        k = self.start
        while True:
            yield list(range(k, k + self.size))
            k += self.size


def _collate(samples: Sequence[Any]) -> Any:
    for sample in samples:
        if isinstance(sample, I2IError):
            return sample
    columns = zip(*samples, strict=True)
    return tuple(torch.stack([x.permute(1, 2, 0) for x in column]).permute(0, 3, 1, 2) for column in columns)


def _ignore_interrupt(worker: int) -> None:
    """Signals reach the whole process group; the trainer alone decides when to stop, and ends its workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
