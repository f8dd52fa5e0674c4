"""The pictures of a training, in the order and with the random crops and flips that its seed says.

Sample number ``k`` of a training is a function of (seed, k) alone: it is the same for any number of workers,
and a training that resumes asks for the next ``k``.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from i2i.config import check, option
from i2i.data.folders import Item, Layout
from i2i.data.geometry import Fit, fit, opened
from i2i.data.packed import Packed
from i2i.data.tasks import NoTask, Task, TaskConfig
from i2i.errors import DatasetError, I2IError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class UnpairedConfig:
    data: str = option("", "dataset: a path, or a name (`i2i data list`)")
    size: int = option(256, "pixels a side of the pictures that the networks are trained on")
    jitter: float = option(286 / 256, "pictures are resized to size times this, then cropped at random")
    fit: Fit = option(
        "stretch",
        "how a picture is resized before the crop: stretched to the square, by its shorter side, or not (native)",
    )
    flip: bool = option(True, "mirror pictures at random, left to right")

    def __post_init__(self) -> None:
        check(8 <= self.size <= 2048, "size", self.size, "from 8 to 2048")
        check(1 <= self.jitter <= 4, "jitter", self.jitter, "from 1 (no crop) to 4")

    def loaded(self) -> int:
        """Pixels a side before the crop; of pictures that keep their size at least."""
        return self.size if self.fitting() == "native" else round(self.size * self.jitter)

    def fitting(self) -> Fit:
        """How pictures are resized."""
        return self.fit

    def turns(self) -> bool:
        """Whether pictures are turned by quarter turns at random."""
        return False

    def restores(self) -> Task | None:
        """What is to be undone, where the data is photos alone."""
        return None


@dataclass(frozen=True, kw_only=True)
class OneWayConfig(UnpairedConfig):
    """Unpaired pictures, to be translated one way only."""

    direction: Literal["AtoB", "BtoA"] = option("AtoB", "translate A (trainA/) to B (trainB/), or back")


@dataclass(frozen=True, kw_only=True)
class PairedConfig(OneWayConfig):
    direction: Literal["AtoB", "BtoA"] = option("AtoB", "translate A (left, or A/) to B (right, or B/), or back")
    task: TaskConfig = option(
        NoTask(),
        "learn from clean photos alone, cropped at their own scale, to undo this; none: the data holds pairs",
    )

    def fitting(self) -> Fit:
        return "native" if self.restores() else self.fit

    def turns(self) -> bool:
        return self.restores() is not None and self.flip

    def restores(self) -> Task | None:
        return None if isinstance(self.task, NoTask) else self.task

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.size % self.task.scale == 0, "size", self.size, f"a multiple of the task's scale, {self.task.scale}")


@dataclass(frozen=True, kw_only=True)
class PhotosConfig(UnpairedConfig):
    """One folder of clean photos."""

    size: int = option(64, "pixels a side of the pictures that the networks are trained on")
    jitter: float = option(1.0, "pictures are resized to size times this, then cropped at random")
    fit: Fit = option(
        "cover",
        "how a picture is resized before the crop: stretched to the square, by its shorter side, or not (native)",
    )


DataConfig = UnpairedConfig | OneWayConfig | PairedConfig | PhotosConfig


class TrainingPictures(Dataset[Any]):
    """Samples of a dataset: a tuple of uint8 (3, size, size), one for each domain, at any index k ≥ 0.

    In memory a sample is channels-last. packed: where to take the pictures from in place of their files, with
    equal results; a ``pack`` of this layout, this size before the crop and this fit.
    """

    def __init__(self, layout: Layout, config: DataConfig, seed: int, packed: Packed | None = None) -> None:
        self.layout, self.config, self.seed, self.packed = layout, config, seed, packed
        self.epoch_length = layout.count("train")

    def __getitem__(self, k: int) -> tuple[Tensor, ...] | I2IError:
        items, rng = self._items(k)
        try:
            return self._sample(items, rng)
        except I2IError as error:  # raised by ``batches``: a worker's own exception would come as a traceback
            return error

    def files(self, k: int) -> list[Path]:
        """The files that sample number ``k`` is made of."""
        return [path for domain, index in self._items(k)[0] for path in self.layout.splits["train"][domain][index]]

    def _items(self, k: int) -> tuple[list[tuple[int, int]], np.random.Generator]:
        """The (domain, index) of each picture of sample number ``k``, and the generator for the rest of its chance."""
        epoch, place = divmod(k, self.epoch_length)
        index = int(_order(self.seed, epoch, self.epoch_length)[place])
        rng = np.random.default_rng([self.seed, 1, epoch, index])
        if self.layout.kind != "unpaired":
            return [(0, index)], rng
        a, b = self.layout.splits["train"]
        return [(0, index % len(a)), (1, int(rng.integers(len(b))))], rng  # so that no pair of the two lasts

    def _sample(self, items: list[tuple[int, int]], rng: np.random.Generator) -> tuple[Tensor, ...]:
        sample = [self._jitter(self._resized(domain, index), rng) for domain, index in items]
        if task := self.config.restores():
            return self._restorable(task, sample[0][0], rng)
        if self.layout.kind == "unpaired":
            return tuple(self._directed([picture for (picture,) in sample]))
        return tuple(sample[0])

    def _resized(self, domain: int, index: int) -> list[np.ndarray]:
        """The picture, or the two of the pair, of a training item: uint8 (height, width, 3)."""
        if self.packed is not None:
            return self._directed(self.packed.pictures(domain, index))
        images = opened(self.layout.splits["train"][domain][index], self.layout.kind)
        side, how = self.config.loaded(), self.config.fitting()
        return self._directed([np.asarray(fit(image, side, how)) for image in images])

    def _restorable(
        self, task: Task, clean: Tensor, rng: np.random.Generator, strength: float | None = None
    ) -> tuple[Tensor, ...]:
        """A clean crop degraded, and the crop."""
        pixels = np.ascontiguousarray(clean.permute(1, 2, 0).numpy())
        return _tensor(task.degrade(pixels, rng, strength)), clean

    def _directed(self, pair: list[T]) -> list[T]:
        return pair[::-1] if isinstance(self.config, OneWayConfig) and self.config.direction == "BtoA" else pair

    def _jitter(self, pictures: list[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """Crop, mirror and turn, all pictures alike."""
        size, (height, width, _) = self.config.size, pictures[0].shape
        if any(pixels.shape != pictures[0].shape for pixels in pictures):
            shapes = " and ".join(f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in pictures)
            raise DatasetError(f"The two pictures of a pair differ in shape: {shapes}. Use --fit stretch.")
        left = int(rng.integers(width - size + 1))
        top = int(rng.integers(height - size + 1))
        mirror = self.config.flip and rng.random() < 0.5
        cut = [_tensor(pixels[top : top + size, left : left + size]) for pixels in pictures]
        cut = [pixels.flip(2) if mirror else pixels for pixels in cut]  # torch mirrors ten times as fast as numpy
        turns = int(rng.integers(4)) if self.config.turns() else 0
        return [pixels.rot90(turns, (1, 2)) for pixels in cut] if turns else cut

    def fixed(self, count: int) -> tuple[Tensor, ...]:
        """``count`` pictures a domain for looking at, always the same, uncropped: uint8 (count, 3, size, size).

        From the test split where there is one, spread evenly over it. For a restoration task the middles of at most
        ``count`` photos, degraded by the middle strength.
        """
        split = next(split for split in ("test", "val", "train") if split in self.layout.splits)
        if task := self.config.restores():
            return self._middles(task, self.layout.splits[split][0], count)
        columns: list[list[Tensor]] = []
        for domain in self.layout.splits[split]:
            chosen = [domain[i * len(domain) // count] for i in range(count)]
            items = [opened(item, self.layout.kind) for item in chosen]
            for pictures in zip(*items, strict=True):
                shown = [image.resize((self.config.size,) * 2, Image.Resampling.BICUBIC) for image in pictures]
                columns.append([_tensor(np.asarray(image)) for image in shown])
        return tuple(torch.stack(column) for column in self._directed(columns))

    def _middles(self, task: Task, photos: Sequence[Item], count: int) -> tuple[Tensor, ...]:
        size, rows = self.config.size, list[tuple[Tensor, ...]]()
        count = min(count, len(photos))
        for i in range(count):
            (image,) = opened(photos[i * len(photos) // count], "clean")
            image = fit(image, size, "native")
            left, top = (image.width - size) // 2, (image.height - size) // 2
            clean = _tensor(np.asarray(image.crop((left, top, left + size, top + size))))
            rows.append(self._restorable(task, clean, np.random.default_rng([0, i]), task.middle()))
        return tuple(torch.stack(column) for column in zip(*rows, strict=True))


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


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, length: int) -> np.ndarray:
    return np.random.default_rng([seed, 0, epoch]).permutation(length)


def _tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3), copied, as (3, H, W) that is channels-last in memory."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)
