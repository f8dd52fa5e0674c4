"""The pictures of a training, in the order and with the random crops and flips that its seed says.

Sample number ``k`` of a training is a function of (seed, k) alone: it is the same for any number of workers,
and a training that resumes asks for the next ``k``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from i2i.config import option, require
from i2i.data.image_cache import Packed
from i2i.data.layout import Item, Layout
from i2i.data.resize import Fit, fit, opened
from i2i.errors import DatasetError, I2IError
from i2i.restoration import NoTask, Task, TaskConfig

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
        require(8 <= self.size <= 2048, "size", self.size, "from 8 to 2048")
        require(1 <= self.jitter <= 4, "jitter", self.jitter, "from 1 (no crop) to 4")

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
        "learn from clean photos alone to undo this, from crops at their own scale or, for colours, photos made small; "
        "none: the data holds pairs",
    )

    def fitting(self) -> Fit:
        task = self.restores()
        if task is None:
            return self.fit
        return "native" if task.crops else "cover"

    def turns(self) -> bool:
        task = self.restores()
        return task is not None and task.crops and self.flip

    def restores(self) -> Task | None:
        return None if isinstance(self.task, NoTask) else self.task

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.size % self.task.scale == 0, "size", self.size, f"a multiple of the task's scale, {self.task.scale}"
        )


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

    @property
    def shown_split(self) -> str:
        """The split of the pictures that are shown and evaluated: the test split where there is one."""
        return next(split for split in ("test", "val", "train") if split in self.layout.splits)

    def fixed(self, count: int, *, fewer: bool = False) -> tuple[Tensor, ...]:
        """``count`` pictures a domain for looking at, always the same, uncropped: uint8 (count, 3, size, size).

        Spread evenly over the ``shown_split``. fewer: where a domain has less than ``count``, each of them once. For a
        restoration task the middles of at most ``count`` photos, degraded by the middle strength.
        """
        if task := self.config.restores():
            return self._middles(task, self.layout.splits[self.shown_split][0], count)
        columns: list[list[Tensor]] = []
        for domain in self.layout.splits[self.shown_split]:
            number = min(count, len(domain)) if fewer else count
            items = [opened(domain[i * len(domain) // number], self.layout.kind) for i in range(number)]
            for pictures in zip(*items, strict=True):
                shown = [image.resize((self.config.size,) * 2, Image.Resampling.BICUBIC) for image in pictures]
                columns.append([_tensor(np.asarray(image)) for image in shown])
        return tuple(torch.stack(column) for column in self._directed(columns))

    def _middles(self, task: Task, photos: Sequence[Item], count: int) -> tuple[Tensor, ...]:
        size, rows = self.config.size, list[tuple[Tensor, ...]]()
        count = min(count, len(photos))
        for i in range(count):
            (image,) = opened(photos[i * len(photos) // count], "clean")
            image = fit(image, size, self.config.fitting())
            left, top = (image.width - size) // 2, (image.height - size) // 2
            clean = _tensor(np.asarray(image.crop((left, top, left + size, top + size))))
            rows.append(self._restorable(task, clean, np.random.default_rng([0, i]), task.middle()))
        return tuple(torch.stack(column) for column in zip(*rows, strict=True))


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, length: int) -> np.ndarray:
    return np.random.default_rng([seed, 0, epoch]).permutation(length)


def _tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3), copied, as (3, H, W) that is channels-last in memory."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)
