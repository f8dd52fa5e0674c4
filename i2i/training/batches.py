"""Training batches on the device."""

import os
from collections.abc import Callable, Generator
from contextlib import closing

import torch
from torch import Tensor

from i2i.data.dataset import TrainingDataset
from i2i.data.loader import data_loader
from i2i.data.unreadable import UnreadableImage
from i2i.distributed import rank
from i2i.images import to_float
from i2i.training.config import TrainingConfig

PREFETCH = 4  # batches loaded in advance beside a GPU


def load_batches(
    dataset: TrainingDataset,
    config: TrainingConfig,
    device: torch.device,
    step: int,
    report: Callable[[UnreadableImage], None] = lambda image: None,
) -> Generator[tuple[Tensor, ...]]:
    """Yield training batches without end.

    Args:
        dataset: where the samples come from.
        config: images of a step and number of worker processes.
        device: where the batches go.
        step: index of the step that the first batch is for.
        report: see ``data_loader``.

    In a distributed training each rank gets its own part of each batch.

    Yields: float32 images (N, C, H, W) in [-1, 1], one tensor per domain, channels-last.
    """
    cached = dataset.cache is not None
    workers = config.workers
    if workers is None:
        workers = 0 if cached or device.type == "cpu" else min(8, max(1, (os.cpu_count() or 1) - 1))
    prefetch = PREFETCH if cached and device.type == "cuda" and not workers else 0
    count, stride = config.images_per_rank, config.images_per_step
    start = step * stride + rank() * count
    with closing(data_loader(dataset, count, start, workers, prefetch, report, stride=stride)) as loader:
        for batch in loader:
            yield to_device(batch, device)


def to_device(batch: tuple[Tensor, ...], device: torch.device) -> tuple[Tensor, ...]:
    """Return images (N, C, H, W) of the loader as float32 in [-1, 1] on ``device``, channels-last."""
    moved = (pixels.to(device, non_blocking=True) for pixels in batch)
    return tuple(to_float(pixels).contiguous(memory_format=torch.channels_last) for pixels in moved)
