"""Helpers of the tests of image caches."""

from pathlib import Path
from typing import Any

import torch

from i2i.data.config import DataConfig, PairedConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.image_cache import ImageCache, build_image_cache, cache_dir
from i2i.data.layout import detect_layout

SIDE = 18


def build(root: Path, mode: str = "stretch", **options: Any) -> ImageCache:
    return build_image_cache(detect_layout(root), SIDE, mode, **options)  # type: ignore[arg-type]


def cache_names() -> list[str]:
    """Names in the folder of caches that are not hidden."""
    return sorted(path.name for path in cache_dir().iterdir() if not path.name.startswith("."))


def leftovers() -> list[str]:
    """Names of unfinished and discarded caches."""
    return [path.name for path in cache_dir().iterdir() if path.is_dir() and path.name.startswith(".")]


def assert_equal_samples(cache: ImageCache, root: Path) -> None:
    """Every sample of an epoch from the cache equals the one from the files."""
    layout = detect_layout(root)
    config_class = PairedConfig if layout.kind == "paired" else UnpairedConfig
    config: DataConfig = config_class(size=16, resize_scale=SIDE / 16)
    uncached = TrainingDataset(layout, config, 0)
    cached = TrainingDataset(layout, config, 0, cache)
    for k in range(uncached.epoch_length):
        assert all(torch.equal(a, b) for a, b in zip(uncached[k], cached[k], strict=True))
