"""The order of the samples of an epoch, as a function of seed and epoch alone."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from i2i.data.config import DataConfig
from i2i.data.layout import Layout
from i2i.data.layout.shards import ShardItems

REMOTE_WINDOW = 10_000


def shuffle_window(config: DataConfig, layout: Layout) -> int:
    """Return how many samples are shuffled together; 0 for all of them, as with files in folders."""
    if not all(isinstance(domain, ShardItems) for domain in layout.splits["train"]):
        return 0
    if config.shuffle_window is None:
        return REMOTE_WINDOW if layout.is_remote else 0
    return config.shuffle_window


@lru_cache(maxsize=2)
def permutation(seed: int, epoch: int, length: int) -> np.ndarray:
    """Return a random order of all samples (length,)."""
    return np.random.default_rng([seed, 0, epoch]).permutation(length)


@lru_cache(maxsize=4)
def shard_order(seed: int, epoch: int, lengths: Sequence[int], window: int, domain: int = 0) -> np.ndarray:
    """Return a random order (sum of lengths,) that needs few shards at a time.

    The shards follow one another in a random order, and the samples are shuffled within windows of that sequence.

    Args:
        seed: of the training.
        epoch: number of the epoch.
        lengths: samples of each shard; a tuple.
        window: samples that are shuffled together.
        domain: of unpaired data, 0 or 1.
    """
    rng = np.random.default_rng([seed, 3, epoch, domain])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shards = rng.permutation(len(lengths))
    order = np.concatenate([np.arange(starts[shard], starts[shard + 1]) for shard in shards])
    for start in range(0, len(order), window):
        order[start : start + window] = rng.permutation(order[start : start + window])
    return order
