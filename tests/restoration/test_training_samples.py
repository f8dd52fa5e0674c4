from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.data.config import PairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import detect_layout
from i2i.data.loader import data_loader
from i2i.errors import ConfigError
from i2i.restoration import TASKS, NoTask
from i2i.restoration.colorize import Colorize
from i2i.restoration.jpeg import Dejpeg
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from tests.conftest import write_random_images
from tests.restoration.test_tasks import default_task

DEGRADATIONS = [name for name in TASKS if name != "none"]


def make_dataset(folder: Path, **config: Any) -> TrainingDataset:
    if not folder.exists():
        write_random_images(folder, 5, width=40)
    return TrainingDataset(detect_layout(folder), PairedConfig(size=16, **config), seed=3)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_samples_are_the_same_for_0_1_and_2_workers(name: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "photos", task=default_task(name))
    expected = next(data_loader(dataset, 4, 0, 0))
    assert len(expected) == 2
    for workers in (1, 2) if name in ("denoise", "oldphoto") else ():  # starting a process takes a second
        batch = next(data_loader(dataset, 4, 0, workers))
        assert all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))
    assert not torch.equal(dataset[0][0], dataset[5][0])  # type: ignore[index]


def test_training_crops_keep_the_scale_and_are_flipped_and_rotated(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "photos", task=Denoise(noise="gaussian", sigma=(0, 0)))
    ((path,),) = (dataset.layout.splits["train"][0][0],)
    orientations = set()
    for k in range(200):
        if dataset.files(k) != [path]:
            continue
        degraded, target = dataset[k]  # type: ignore[misc]
        assert torch.equal(degraded, target.float())
        whole = np.asarray(Image.open(path))
        for index in range(8):
            rotated = np.rot90(whole[:, ::-1] if index >= 4 else whole, index % 4)
            windows = np.lib.stride_tricks.sliding_window_view(rotated, (16, 16, 3))
            if (windows == target.permute(1, 2, 0).numpy()).all((-1, -2, -3)).any():
                orientations.add(index)
    assert len(orientations) >= 6


def test_the_sample_batch_is_fixed_and_has_the_middle_strength(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "photos", task=Denoise(noise="gaussian", quantize=False))
    degraded, target = dataset.sample_batch(8)
    assert target.shape == (5, 3, 16, 16)  # each photo once
    assert (degraded - target).std() == pytest.approx(25, rel=0.06)
    assert torch.equal(degraded, dataset.sample_batch(8)[0])


def test_photos_smaller_than_a_crop_are_enlarged(tmp_path: Path) -> None:
    write_random_images(tmp_path / "small", 2, width=12)
    degraded, target = make_dataset(tmp_path / "small", task=Dejpeg())[0]  # type: ignore[misc]
    assert degraded.shape == target.shape == (3, 16, 16)


def test_without_a_task_the_data_is_paired() -> None:
    assert PairedConfig().restoration_task is None
    assert PairedConfig(task=NoTask()).resize_mode == "stretch"
    assert PairedConfig(task=Superres()).resize_mode == "native"


def test_colorize_trains_on_resized_photos_without_rotation(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "photos", task=Colorize(), resize_scale=1.0, flip=False)
    assert (dataset.config.resize_mode, dataset.config.random_rotation) == ("cover", False)
    for k in range(5):
        (path,) = dataset.files(k)
        with Image.open(path) as whole:
            shorter = min(whole.size)
            small = np.asarray(whole.resize((16 * whole.width // shorter, 16 * whole.height // shorter), 3))
        windows = np.lib.stride_tricks.sliding_window_view(small, (16, 16, 3))
        assert (windows == dataset[k][1].permute(1, 2, 0).numpy()).all((-1, -2, -3)).any()  # type: ignore[index]


def test_the_size_must_be_a_multiple_of_the_scale() -> None:
    with pytest.raises(ConfigError, match="size is 16; it must be a multiple of 3, the scale of the task"):
        PairedConfig(size=16, task=Superres(scale=3))
