import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.data.config import UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import detect_layout
from i2i.data.loader import data_loader
from i2i.errors import ImageError
from tests.data.caching import SIDE, build


@pytest.fixture
def cached(unpaired: Path) -> TrainingDataset:
    config = UnpairedConfig(size=16, resize_scale=SIDE / 16)
    return TrainingDataset(detect_layout(unpaired), config, 3, build(unpaired))


@pytest.mark.parametrize(("workers", "prefetch"), [(0, 1), (0, 3), (2, 0), (1, 2)])
def test_batches_are_the_same_for_any_number_of_workers_with_or_without_prefetch(
    cached: TrainingDataset, workers: int, prefetch: int
) -> None:
    inline = data_loader(cached, 3, 2, 0)
    parallel = data_loader(cached, 3, 2, workers, prefetch)
    for _ in range(5):
        for a, b in zip(next(inline), next(parallel), strict=True):
            assert torch.equal(a, b)
            assert a.stride() == b.stride()
    parallel.close()


def test_batches_are_channels_last_in_memory(cached: TrainingDataset) -> None:
    for images in next(data_loader(cached, 2, 0, 0)):
        assert (images.dtype, images.shape) == (torch.uint8, (2, 3, 16, 16))
        assert images.is_contiguous(memory_format=torch.channels_last)


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "batch prefetch"]


class RecordingDataset(TrainingDataset):
    """Records which samples were loaded, and by which threads."""

    def __init__(self, dataset: TrainingDataset) -> None:
        super().__init__(dataset.layout, dataset.config, 0, dataset.cache)
        self.loaded: list[int] = []
        self.threads: set[threading.Thread] = set()

    def __getitem__(self, k: int) -> Any:
        self.loaded.append(k)
        self.threads.add(threading.current_thread())
        return super().__getitem__(k)


def test_a_thread_loads_at_most_prefetch_batches_in_advance_and_ends_with_the_iterator(
    cached: TrainingDataset,
) -> None:
    dataset = RecordingDataset(cached)
    batches = data_loader(dataset, 2, 0, 0, prefetch=3)
    next(batches)
    next(batches)
    (thread,) = prefetch_threads()
    while len(dataset.loaded) < 2 * (2 + 3) and thread.is_alive():
        time.sleep(0.001)
    batches.close()
    assert prefetch_threads() == []
    assert dataset.loaded == list(range(2 * (2 + 3)))
    assert threading.main_thread() not in dataset.threads


class FailingDataset(TrainingDataset):
    """Returns an error for sample 3."""

    def __getitem__(self, k: int) -> Any:
        return ImageError("trainA/000.png is damaged.") if k == 3 else super().__getitem__(k)


def test_an_error_is_raised_after_the_good_batches_before_it_and_ends_the_thread(unpaired: Path) -> None:
    dataset = FailingDataset(detect_layout(unpaired), UnpairedConfig(size=16, resize_scale=SIDE / 16), 3)
    samples = [bytes(dataset[k][0].numpy()) for k in range(3)]
    batches = data_loader(dataset, 1, 0, 0, prefetch=8)
    assert [bytes(next(batches)[0].numpy()) for _ in range(3)] == samples
    with pytest.raises(ImageError, match="trainA"):
        next(batches)
    assert prefetch_threads() == []


def test_an_unexpected_exception_in_the_thread_is_raised(
    cached: TrainingDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingDataset, "__getitem__", lambda self, k: 1 // (2 - k))
    with pytest.raises(TypeError):  # the sample is not a tuple
        next(data_loader(cached, 1, 0, 0, prefetch=2))
    batches = data_loader(cached, 3, 0, 0, prefetch=2)
    with pytest.raises(ZeroDivisionError):
        next(batches)
    assert prefetch_threads() == []
