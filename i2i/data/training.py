"""The pictures of a training, in the order and with the random crops and flips that its seed says.

Sample number ``k`` of a training is a function of (seed, k) alone: it is the same for any number of workers,
and a training that resumes asks for the next ``k``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from i2i.config import check, option
from i2i.data.folders import Item, Layout
from i2i.errors import DatasetError, I2IError
from i2i.images import read


@dataclass(frozen=True, kw_only=True)
class UnpairedConfig:
    data: str = option("", "dataset: a path, or a name (`i2i data list`)")
    size: int = option(256, "pixels a side of the pictures that the networks are trained on")
    jitter: float = option(286 / 256, "pictures are resized to size times this, then cropped at random")
    fit: Literal["stretch", "cover"] = option(
        "stretch", "how a picture is resized before the crop: stretched to the square, or by its shorter side"
    )
    flip: bool = option(True, "mirror pictures at random, left to right")

    def __post_init__(self) -> None:
        check(8 <= self.size <= 2048, "size", self.size, "from 8 to 2048")
        check(1 <= self.jitter <= 4, "jitter", self.jitter, "from 1 (no crop) to 4")

    def loaded(self) -> int:
        """Pixels a side before the crop."""
        return round(self.size * self.jitter)


@dataclass(frozen=True, kw_only=True)
class PairedConfig(UnpairedConfig):
    direction: Literal["AtoB", "BtoA"] = option("AtoB", "translate A (left, or A/) to B (right, or B/), or back")


DataConfig = UnpairedConfig | PairedConfig


class TrainingPictures(Dataset[Any]):
    """Samples of a dataset: a tuple of uint8 (3, size, size), one for each domain, at any index k ≥ 0."""

    def __init__(self, layout: Layout, config: DataConfig, seed: int) -> None:
        self.layout, self.config, self.seed = layout, config, seed
        self.epoch_length = layout.count("train")

    def __getitem__(self, k: int) -> tuple[Tensor, ...] | I2IError:
        epoch, place = divmod(k, self.epoch_length)
        index = int(_order(self.seed, epoch, self.epoch_length)[place])
        rng = np.random.default_rng([self.seed, 1, epoch, index])
        try:
            return self._sample(index, rng)
        except I2IError as error:  # raised by ``batches``: a worker's own exception would come as a traceback
            return error

    def _sample(self, index: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        train = self.layout.splits["train"]
        if self.layout.kind == "unpaired":
            a, b = train
            other = int(rng.integers(len(b)))  # A in turn, B at random, so that no pair of the two lasts
            return tuple(self._jitter(self._open(item), rng)[0] for item in (a[index % len(a)], b[other]))
        return tuple(self._jitter(self._open(train[0][index]), rng))

    def _open(self, item: Item) -> list[Image.Image]:
        found = [read(path) for path in item]
        if self.layout.kind != "paired":
            return found
        if len(found) == 1:
            found = halves(found[0])
        return found[::-1] if isinstance(self.config, PairedConfig) and self.config.direction == "BtoA" else found

    def _jitter(self, images: list[Image.Image], rng: np.random.Generator) -> list[Tensor]:
        """Resize, crop and mirror, all pictures alike."""
        size, images = (
            self.config.size,
            [fit(image, self.config.loaded(), self.config.fit) for image in images],
        )
        if len({image.size for image in images}) > 1:
            shapes = " and ".join(f"{image.width}x{image.height}" for image in images)
            raise DatasetError(f"The two pictures of a pair differ in shape: {shapes}. Use --fit stretch.")
        left = int(rng.integers(images[0].width - size + 1))
        top = int(rng.integers(images[0].height - size + 1))
        mirror = self.config.flip and rng.random() < 0.5
        cut = [np.asarray(image)[top : top + size, left : left + size] for image in images]
        return [_tensor(pixels[:, ::-1] if mirror else pixels) for pixels in cut]

    def fixed(self, count: int) -> tuple[Tensor, ...]:
        """``count`` pictures a domain for looking at, always the same, uncropped: uint8 (count, 3, size, size).

        From the test split where there is one, spread evenly over it.
        """
        split = next(split for split in ("test", "val", "train") if split in self.layout.splits)
        columns: list[list[Tensor]] = []
        for domain in self.layout.splits[split]:
            chosen = [domain[i * len(domain) // count] for i in range(count)]
            opened = [self._open(item) for item in chosen]
            for pictures in zip(*opened, strict=True):
                shown = [image.resize((self.config.size,) * 2, Image.Resampling.BICUBIC) for image in pictures]
                columns.append([_tensor(np.asarray(image)) for image in shown])
        return tuple(torch.stack(column) for column in columns)


def halves(joined: Image.Image) -> list[Image.Image]:
    """The left and the right half of a side-by-side pair."""
    middle, height = joined.width // 2, joined.height
    return [joined.crop((0, 0, middle, height)), joined.crop((middle, 0, 2 * middle, height))]


def fit(image: Image.Image, side: int, how: str) -> Image.Image:
    """Resized, bicubic, to ``side``² ("stretch") or to a shorter side of ``side`` pixels ("cover").

    By PIL, as in the papers' own code: its bicubic is antialiased, and others differ from it by many grey levels.
    """
    if how == "stretch":
        return image.resize((side, side), Image.Resampling.BICUBIC)
    scale = side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def batches(pictures: TrainingPictures, size: int, start: int, workers: int) -> Iterator[tuple[Tensor, ...]]:
    """Batches of ``size`` samples without end, from sample number ``start`` on: uint8 (size, 3, H, W) a domain.

    Raises what reading a picture raised.
    """
    loader = DataLoader(
        pictures,
        batch_sampler=_Consecutive(start, size),
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_ignore_interrupt,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # the loader draws a number at its start: not from the training's generator
    )
    for batch in loader:
        if isinstance(batch, I2IError):
            raise batch
        yield batch


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
    return tuple(torch.stack(column) for column in zip(*samples, strict=True))


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
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
