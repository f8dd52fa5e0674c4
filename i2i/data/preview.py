"""A sheet of training samples, with and without augmentations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from i2i.data.config import PairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import PairSizes
from i2i.data.pixel_formats import dataset_formats, with_ranges
from i2i.data.sample_tensors import Sample
from i2i.data.source import DataSource
from i2i.data.value_ranges import dataset_ranges
from i2i.directions import Direction
from i2i.errors import I2IError
from i2i.images import labelled_grid
from i2i.images.display import shown_channels, to_rgb
from i2i.images.pixel_format import RGB8, RGB_FORMATS, PixelFormat

MIN_TILE = 128  # pixels; smaller samples are enlarged by whole numbers


@dataclass(frozen=True)
class Preview:
    """A sheet of samples.

    Attributes:
        sheet: a row for each sample; columns with the source and the target, each without and with augmentations.
        plain_ms: median time of a sample without augmentations, in milliseconds.
        augmented_ms: median time with them; None if there are none.
    """

    sheet: Image.Image
    plain_ms: float
    augmented_ms: float | None


def preview(config: PairedConfig, count: int = 6, seed: int = 0) -> Preview:
    """Return the first samples of a training, each beside the same sample without augmentations.

    Args:
        config: dataset, size, augmentations and restoration task. The kind of the dataset is detected.
        count: number of samples.
        seed: of the training.

    Raises:
        I2IError: the dataset, an image or the augmentations are not usable.
    """
    dataset = _dataset(config, seed)
    plain = _dataset(replace(config, augmentations="none"), seed)
    columns, plain_ms = _columns(plain, count)
    if dataset.augmenter is None:
        return Preview(labelled_grid(_tiles(list(columns.values())), list(columns)), plain_ms, None)
    augmented, augmented_ms = _columns(dataset, count)
    titles = [title for name in columns for title in (name, f"{name}, augmented")]
    pairs = [images for name in columns for images in (columns[name], augmented[name])]
    return Preview(labelled_grid(_tiles(pairs), titles), plain_ms, augmented_ms)


def _dataset(config: PairedConfig, seed: int) -> TrainingDataset:
    layout = DataSource.from_config(config).load("clean" if config.restoration_task else None)
    target = 0 if config.direction == Direction.B_TO_A else 1
    if layout.sizes.scale(target) == 1:
        layout = replace(layout, sizes=PairSizes())
    ranges = dataset_ranges(layout, config.value_range, config.value_range_a, config.value_range_b)
    stated = (config.in_channels, config.out_channels)
    formats = RGB_FORMATS  # tasks take pictures
    if config.restoration_task is None:
        formats = with_ranges(dataset_formats(layout, stated if target else stated[::-1], config.label_classes), ranges)
    return TrainingDataset(layout, config, seed, ranges=ranges, formats=formats)


def _columns(dataset: TrainingDataset, count: int) -> tuple[dict[str, np.ndarray], float]:
    """Return the images of the first samples by title, uint8 (N, H, W, 3), and the median time of a sample in ms."""
    samples: list[Sample] = []
    times: list[float] = []
    for k in range(count):
        start = perf_counter()
        sample = dataset[k]
        times.append(1000 * (perf_counter() - start))
        if isinstance(sample, I2IError):
            raise sample
        samples.append(sample)
    titles = ("source", "target") if len(samples[0]) == 2 else ("image",)
    columns = {}
    for i, title in enumerate(titles):
        format = dataset.sample_formats[i] if i < len(dataset.sample_formats) else RGB8
        _, note = shown_channels(format)
        images = [_shown(sample[i], format).round().clip(0, 255) for sample in samples]
        columns[f"{title} ({note})" if note else title] = np.stack(images)
    return {title: images.astype(np.uint8) for title, images in columns.items()}, float(np.median(times))


def _shown(levels: Tensor, format: PixelFormat) -> np.ndarray:
    """Return levels (C, H, W), of a format, or of pictures with a level or a mask, as (H, W, 3)."""
    if format.labels is not None:
        return format.labels.to_rgb8(levels[None])[0].permute(1, 2, 0).numpy()
    has_condition = levels.dtype != torch.uint8 and len(levels) == format.channels + 1
    rgb = to_rgb((levels[: format.channels] if has_condition else levels)[None], format)[0]
    return rgb.permute(1, 2, 0).numpy()


def _tiles(columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the images of all columns at one size, the smaller ones enlarged without interpolation."""
    largest = max(images.shape[1] for images in columns)
    side = largest * max(1, -(-MIN_TILE // largest))
    scales = [side // images.shape[1] for images in columns]
    return [images.repeat(scale, 1).repeat(scale, 2) for images, scale in zip(columns, scales, strict=True)]
