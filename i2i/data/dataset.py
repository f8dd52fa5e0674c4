"""The training dataset: samples in a seeded random order, with random crops, flips and rotations.

Sample ``k`` of a training is a function of (seed, k) alone. It does not depend on the number of workers, and a resumed
training continues with the next ``k``.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from i2i.data.augmentation import SampleAugmenter
from i2i.data.config import DataConfig, DirectedConfig, SourceConfig
from i2i.data.image_cache import ImageCache
from i2i.data.layout import Item, Layout
from i2i.data.layout.shards import ShardItems
from i2i.data.order import permutation, shard_order, shuffle_window
from i2i.data.resize import load_item, resize, resize_item
from i2i.data.sample_tensors import Sample, to_sample, with_one_hot
from i2i.data.unreadable import (
    UnreadableImage,
    file_name,
    max_unreadable,
    too_many_unreadable,
    training_files,
    unreadable_files,
)
from i2i.data.value_ranges import NO_RANGES, DomainRanges
from i2i.directions import Direction
from i2i.errors import DatasetError, I2IError, ImageError
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats, PixelFormat
from i2i.restoration import Task

T = TypeVar("T")
logger = logging.getLogger(__name__)


class TrainingDataset(Dataset[Any]):
    """An endless dataset: sample ``k ≥ 0`` is a ``Sample`` of levels (C, size, size), one image for each domain.

    The levels are uint8 (3, size, size) of pictures, else float32 from 0 to 255, the ends of the format's value range.
    Label maps are uint8 (classes, size, size): 255 for the pixel's class, else 0.

    The images are channels-last in memory. A random other item of the domain takes the place of one that cannot be
    read. It follows from (seed, k) as well.

    Args:
        layout: the files of the dataset. Inputs of its super-resolution pairs must be smaller than their targets.
        config: size, resizing, augmentation and direction.
        seed: determines the order of the samples and their augmentation.
        cache: decoded and resized images, read in place of the files with equal results. It must be built for this
            layout, ``config.load_size`` and ``config.resize_mode``.
        ranges: black and white of the domains A and B by sample type.
        formats: of the images of the domains A and B.
    """

    def __init__(
        self,
        layout: Layout,
        config: DataConfig,
        seed: int,
        cache: ImageCache | None = None,
        ranges: DomainRanges = NO_RANGES,
        formats: DomainFormats = RGB_FORMATS,
    ) -> None:
        self.layout = layout
        self.config = config
        self.seed = seed
        self.cache = cache
        self.ranges = ranges
        self.formats = formats
        self.epoch_length = layout.count("train")
        self.window = shuffle_window(config, layout)
        self.scales = layout.sizes.scales
        self.superres_scale = max(self.scales)  # size of a target relative to its input
        if task := config.restoration_task:
            task.check_for(config.size)
        self.augmenter = SampleAugmenter.from_config(config, layout.kind, self.superres_scale, formats)

    def __getitem__(self, k: int) -> Sample | I2IError:
        items, rng = self._draw_items(k)
        try:
            loaded = [self._load_or_replace(k, domain, index) for domain, index in items]
            sample = Sample(self._sample([images for images, _ in loaded], rng))
            sample.unreadable = [image for _, unreadable in loaded for image in unreadable]
            return sample
        except I2IError as error:  # ``data_loader`` raises it: an exception in a worker would arrive as a traceback
            return error

    def files(self, k: int) -> list[Path]:
        """Return the files that sample ``k`` is made of."""
        items, _ = self._draw_items(k)
        return [path for domain, index in items for path in self.layout.splits["train"][domain][index]]

    def _draw_items(self, k: int) -> tuple[list[tuple[int, int]], np.random.Generator]:
        """Return (domain, index) of each item of sample ``k``, and the generator for its augmentation."""
        epoch, position = divmod(k, self.epoch_length)
        domains = self.layout.splits["train"]
        if self.window:
            items = [(domain, self._index_by_shards(k, domain)) for domain in range(len(domains))]
            return items, np.random.default_rng([self.seed, 1, epoch, position])
        index = int(permutation(self.seed, epoch, self.epoch_length)[position])
        rng = np.random.default_rng([self.seed, 1, epoch, index])
        if self.layout.kind != "unpaired":
            return [(0, index)], rng
        a, b = domains
        return [(0, index % len(a)), (1, int(rng.integers(len(b))))], rng  # a random B, so that no pair is fixed

    def _index_by_shards(self, k: int, domain: int) -> int:
        """Return the item of a domain in sample ``k``. Each domain is passed through repeatedly, shard by shard."""
        items = self.layout.splits["train"][domain]
        assert isinstance(items, ShardItems)
        passes, place = divmod(k, len(items))
        return int(shard_order(self.seed, passes, items.lengths, self.window, domain)[place])

    def _sample(self, items: list[list[np.ndarray]], rng: np.random.Generator) -> tuple[Tensor, ...]:
        sample = [self._augment(images, rng, self._formats(domain)) for domain, images in enumerate(items)]
        if self.augmenter is not None:
            sample = self.augmenter(sample, rng.spawn(1)[0])  # a child, so that other choices stay the same
        sample = [with_one_hot(images, self._formats(domain)) for domain, images in enumerate(sample)]
        if task := self.config.restoration_task:
            return self._degraded_pair(task, self._vary_clean_crop(task, sample[0][0], rng), rng)
        if self.layout.kind == "unpaired":
            return tuple(self._by_direction([image for (image,) in sample]))
        return tuple(sample[0])

    def _load_or_replace(self, k: int, domain: int, index: int) -> tuple[list[np.ndarray], list[UnreadableImage]]:
        """Return the images of an item, or of another one that can be read, and what could not be read.

        Raises:
            ImageError: more files of the domain are unreadable than a training tolerates.
        """
        items = self.layout.splits["train"][domain]
        epoch = k // self.epoch_length
        failed: dict[str, str] = {}
        rng = np.random.default_rng([self.seed, 2, epoch, domain, index])
        tried = {index}
        while True:
            try:
                images = self._load_resized(domain, index)
            except (ImageError, OSError) as error:
                failed |= unreadable_files(items[index], error, self.layout)
            else:
                name = " and ".join(file_name(path, self.layout) for path in items[index])
                return images, [UnreadableImage(file, reason, name) for file, reason in failed.items()]
            limit = max_unreadable(self.layout)
            if len(failed) > limit or len(tried) == len(items):
                raise too_many_unreadable(failed, limit, len(training_files(self.layout)))
            while index in tried:
                index = int(rng.integers(len(items)))
            tried.add(index)

    def _load_resized(self, domain: int, index: int) -> list[np.ndarray]:
        """Return the image, or the two of the pair, of a training item: (height, width, C), of the format's type."""
        if self.cache is not None and self.cache.has(domain, index):
            return self._by_direction(self.cache.images(domain, index))
        images = self._load(self.layout.splits["train"][domain][index], domain)
        size, mode = self.config.load_size, self.config.resize_mode
        return self._by_direction([np.asarray(image) for image in resize_item(images, size, mode, self.scales)])

    def _load(self, item: Item, domain: int = 0) -> list[Any]:
        """Return the images of an item of a domain, or of a pair."""
        step = -1 if domain else 1
        return load_item(item, self.layout.kind, ranges=self.ranges[::step], formats=self.formats[::step])

    @property
    def sample_formats(self) -> list[PixelFormat]:
        """The formats of the images of a sample: source and target, or the images of both domains."""
        return self._by_direction(list(self.formats))

    def _formats(self, domain: int) -> list[PixelFormat]:
        """Return the format of each image of an item, in the order of the direction for pairs."""
        return self._by_direction(list(self.formats)) if self.layout.kind == "paired" else [self.formats[domain]]

    def _vary_clean_crop(self, task: Task, clean: Tensor, rng: np.random.Generator) -> Tensor:
        """Return a clean crop, a changed one, or a drawing in its place, as the config says."""
        if not (task.takes_any_image and isinstance(self.config, SourceConfig)):
            return clean
        pixels = clean.permute(1, 2, 0).numpy()
        varied = self.config.clean_crops.vary(pixels, rng)
        return clean if varied is pixels else to_sample(varied)

    def _load_for_eval(self, items: Sequence[Item], index: int, domain: int = 0) -> list[Any]:
        """Return the images of an item, or of the next one that can be read. Raise ImageError if there is none."""
        for offset in range(len(items)):
            try:
                return self._load(items[(index + offset) % len(items)], domain)
            except (ImageError, OSError) as error:
                last_error = error
                if offset == 0:
                    logger.warning("A sample image cannot be read, and the next one takes its place. %s", error)
        raise ImageError(f"None of the {len(items)} {self.eval_split} images can be read. {last_error}") from last_error

    def _degraded_pair(
        self, task: Task, clean: Tensor, rng: np.random.Generator, strength: float | None = None
    ) -> tuple[Tensor, ...]:
        """Return the degraded crop and the clean crop."""
        pixels = np.ascontiguousarray(clean.permute(1, 2, 0).numpy())
        return to_sample(task.degrade(pixels, rng, strength)), clean

    def _by_direction(self, pair: list[T]) -> list[T]:
        reverse = isinstance(self.config, DirectedConfig) and self.config.direction == Direction.B_TO_A
        return pair[::-1] if reverse else pair

    def _augment(
        self, images: list[np.ndarray], rng: np.random.Generator, formats: Sequence[PixelFormat]
    ) -> list[Tensor]:
        """Crop, flip and rotate, all images of a pair alike. A smaller input is cropped where its target is."""
        size, scale = self.config.size, self.superres_scale
        height, width = images[0].shape[:2]
        if any(image.shape[:2] != (scale * height, scale * width) for image in images[1:]):
            shapes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in images)
            raise DatasetError(f"The two images of a pair differ in shape: {shapes}. Use --resize stretch.")
        side = size // scale
        left = int(rng.integers(width - side + 1))
        top = int(rng.integers(height - side + 1))
        flip = self.config.flip and rng.random() < 0.5
        crops = [
            to_sample(image[k * top : k * (top + side), k * left : k * (left + side)], format)
            for image, k, format in zip(images, (1, scale), formats, strict=False)
        ]
        if flip:  # by torch, which flips ten times as fast as numpy
            crops = [crop.flip(2) for crop in crops]
        quarter_turns = int(rng.integers(4)) if self.config.random_rotation else 0
        return [crop.rot90(quarter_turns, (1, 2)) for crop in crops] if quarter_turns else crops

    @property
    def eval_split(self) -> str:
        """The split of the sample images and of the validation: the test split where one exists."""
        return self.layout.eval_split

    def sample_batch(self, count: int, *, allow_fewer: bool = False) -> tuple[Tensor, ...]:
        """Return a fixed batch of uncropped images, spread evenly over ``eval_split``: levels (count, C, size, size).

        For a restoration task, return centre crops of at most ``count`` photos, degraded at the middle strength; for
        super-resolution pairs, centre crops of both images.

        Args:
            count: images for each domain.
            allow_fewer: for a domain of fewer images, return each image once instead of repeating some.
        """
        if task := self.config.restoration_task:
            return self._centre_crops(task, self.layout.splits[self.eval_split][0], count)
        if self.superres_scale > 1:
            return self._centre_crops_of_pairs(self.layout.splits[self.eval_split][0], count)
        columns: list[list[Tensor]] = []
        for index, domain in enumerate(self.layout.splits[self.eval_split]):
            number = min(count, len(domain)) if allow_fewer else count
            items = [self._load_for_eval(domain, i * len(domain) // number, index) for i in range(number)]
            for images in zip(*items, strict=True):
                resized = [image.resize((self.config.size,) * 2, Image.Resampling.BICUBIC) for image in images]
                format = self.formats[len(columns)]
                tensors = [to_sample(np.asarray(image), format) for image in resized]
                columns.append(with_one_hot(tensors, [format] * number))
        return tuple(torch.stack(column) for column in self._by_direction(columns))

    def _centre_crops(self, task: Task, photos: Sequence[Item], count: int) -> tuple[Tensor, ...]:
        size = self.config.size
        count = min(count, len(photos))
        rows: list[tuple[Tensor, ...]] = []
        for i in range(count):
            (image,) = self._load_for_eval(photos, i * len(photos) // count)
            image = resize(image, size, self.config.resize_mode)
            left = (image.width - size) // 2
            top = (image.height - size) // 2
            clean = to_sample(np.asarray(image.crop((left, top, left + size, top + size))))
            rows.append(self._degraded_pair(task, clean, np.random.default_rng([0, i]), task.mid_strength()))
        return tuple(torch.stack(column) for column in zip(*rows, strict=True))

    def _centre_crops_of_pairs(self, pairs: Sequence[Item], count: int) -> tuple[Tensor, ...]:
        size, scale = self.config.size, self.superres_scale
        side = size // scale
        count = min(count, len(pairs))
        rows: list[list[Tensor]] = []
        for i in range(count):
            images = self._load_for_eval(pairs, i * len(pairs) // count)
            low, high = self._by_direction(resize_item(images, size, self.config.resize_mode, self.scales))
            left = (low.width - side) // 2
            top = (low.height - side) // 2
            right, bottom = left + side, top + side
            crops = (
                low.crop((left, top, right, bottom)),
                high.crop((scale * left, scale * top, scale * right, scale * bottom)),
            )
            formats = self._formats(0)
            rows.append([to_sample(np.asarray(crop), format) for crop, format in zip(crops, formats, strict=True)])
        return tuple(torch.stack(column) for column in zip(*rows, strict=True))
