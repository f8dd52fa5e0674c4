"""The endless loader of training batches: inline, with a prefetching thread, or with worker processes."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from i2i.data.dataset import TrainingDataset
from i2i.data.unreadable import UnreadableImage
from i2i.errors import I2IError

T = TypeVar("T")


class _Batch(NamedTuple):
    """A batch on its way from a worker: one tensor for each domain, and the files that could not be read."""

    images: Sequence[Tensor]
    unreadable: list[UnreadableImage]


def data_loader(
    dataset: TrainingDataset,
    batch_size: int,
    start: int,
    workers: int,
    prefetch: int = 0,
    report: Callable[[UnreadableImage], None] = lambda image: None,
    stride: int | None = None,
) -> Generator[tuple[Tensor, ...]]:
    """Yield batches without end: a tuple of uint8 (batch_size, 3, H, W), one tensor for each domain.

    The tensors are channels-last, and in pinned memory if CUDA is available.

    Args:
        dataset: where the samples come from.
        batch_size: samples in a batch.
        start: index of the first sample.
        workers: processes that load samples; 0 loads them in this process.
        prefetch: batches that a thread loads in advance. The thread ends with the iterator.
        stride: samples from the start of a batch to the start of the next; None for ``batch_size``.
        report: called for each file that could not be read, just before the batch that has another in its place.

    Raises:
        I2IError: a sample cannot be loaded. It is raised after the batches before it.
    """
    sampler = _SequentialBatchSampler(start, batch_size, stride or batch_size)
    load = _load_in_workers(workers, dataset, sampler) if workers else _load_inline(dataset, sampler)
    with closing(_prefetch(load, prefetch)) as batches:  # ends workers and thread in any case
        for batch in batches:
            if isinstance(batch, I2IError):
                raise batch
            for image in batch.unreadable:
                report(image)
            yield tuple(batch.images)


def _load_inline(dataset: TrainingDataset, sampler: "_SequentialBatchSampler") -> Generator[Any]:
    pin = torch.cuda.is_available()  # CUDA copies from pinned memory asynchronously
    for indices in sampler:
        batch = _collate([dataset[k] for k in indices])
        if pin and isinstance(batch, _Batch):
            batch = _Batch(tuple(images.pin_memory() for images in batch.images), batch.unreadable)
        yield batch


def _load_in_workers(workers: int, dataset: TrainingDataset, sampler: "_SequentialBatchSampler") -> Generator[Any]:
    yield from DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_init_worker,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # DataLoader draws a seed at its start; this keeps the global generator untouched
    )


def _prefetch(source: Generator[T], count: int) -> Generator[T]:
    """Yield the items of the endless ``source`` while a thread fetches up to ``count`` of them in advance.

    An exception of the source is raised here, after the items before it. With ``count`` 0 no thread is started.
    """
    if not count:
        yield from source
        return
    prefetched: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    free_slots = threading.Semaphore(count)
    closed = threading.Event()

    def fetch() -> None:
        try:
            while free_slots.acquire() and not closed.is_set():
                prefetched.put((next(source), None))
        except BaseException as error:
            prefetched.put((None, error))

    thread = threading.Thread(target=fetch, name="batch prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = prefetched.get()
            if error is not None:
                raise error
            free_slots.release()
            yield item
    finally:
        closed.set()
        free_slots.release()
        thread.join()
        source.close()


class _SequentialBatchSampler:
    """Batches of consecutive sample indices, without end.

    Args:
        start: first index of the first batch.
        batch_size: indices in a batch.
        stride: from the start of a batch to the start of the next.
    """

    def __init__(self, start: int, batch_size: int, stride: int) -> None:
        self.start = start
        self.batch_size = batch_size
        self.stride = stride

    def __iter__(self) -> Iterator[list[int]]:
        k = self.start
        while True:
            yield list(range(k, k + self.batch_size))
            k += self.stride


def _collate(samples: Sequence[Any]) -> Any:
    """Stack the samples of a batch, keeping channels-last memory; or return the first error among them."""
    for sample in samples:
        if isinstance(sample, I2IError):
            return sample
    columns = zip(*samples, strict=True)
    images = tuple(torch.stack([x.permute(1, 2, 0) for x in column]).permute(0, 3, 1, 2) for column in columns)
    return _Batch(images, [image for sample in samples for image in sample.unreadable])


def _init_worker(worker_id: int) -> None:
    """Ignore SIGINT and SIGTERM, which reach the whole process group: the trainer ends its workers itself."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
