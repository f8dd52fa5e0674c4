"""Training images that are damaged or gone during a training: replaced, named, counted, and limited."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.checkpoints.log import read_log
from i2i.data.config import PairedConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.image_cache import build_image_cache
from i2i.data.layout import detect_layout
from i2i.data.loader import data_loader
from i2i.data.unreadable import UnreadableImage, UnreadableImages, max_unreadable
from i2i.errors import ImageError
from i2i.recipes.launch import resume_training
from i2i.training.progress import TrainingProgress
from tests.conftest import write_random_images
from tests.training.test_trainer import Changes, assert_equal_states, start


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def batches_and_reports(dataset: TrainingDataset, workers: int, prefetch: int = 0) -> tuple[list[Any], list[Any]]:
    reports: list[UnreadableImage] = []
    loader = data_loader(dataset, 2, 0, workers, prefetch, reports.append)
    batches = [next(loader) for _ in range(5)]
    loader.close()
    return batches, reports


@pytest.mark.parametrize("damage", [remove, truncate, empty])
def test_another_image_of_the_domain_takes_the_place_for_any_number_of_workers(
    damage: Callable[[Path], None], unpaired: Path
) -> None:
    dataset = TrainingDataset(detect_layout(unpaired), UnpairedConfig(size=16, resize_scale=18 / 16), 3)
    whole = batches_and_reports(dataset, 0)[0]
    damage(unpaired / "trainB" / "002.png")
    batches, reports = batches_and_reports(dataset, 0)
    assert {image.file for image in reports} == {"trainB/002.png"}
    assert all(image.replacement.startswith("trainB/") for image in reports)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(whole, batches, strict=True))  # images of A, and their crops
    for workers, prefetch in ((1, 0), (2, 0), (0, 2)):
        others, other_reports = batches_and_reports(dataset, workers, prefetch)
        assert other_reports == reports
        assert all(torch.equal(a, b) for x, y in zip(batches, others, strict=True) for a, b in zip(x, y, strict=True))


def test_a_pair_is_replaced_as_a_whole_and_the_damaged_file_is_named(tmp_path: Path) -> None:
    for index, name in enumerate("AB"):
        write_random_images(tmp_path / "pairs" / "train" / name, 4, seed=index)
    dataset = TrainingDataset(detect_layout(tmp_path / "pairs"), PairedConfig(size=16, resize_scale=1.0, flip=False), 0)
    good = {bytes(a.numpy()): bytes(b.numpy()) for a, b in (dataset[k] for k in range(4))}  # type: ignore[misc]
    truncate(tmp_path / "pairs" / "train" / "B" / "001.png")
    batches, reports = batches_and_reports(dataset, 0)
    assert {image.file for image in reports} == {"train/B/001.png"}
    assert "train/A/" in reports[0].replacement
    for inputs, targets in batches:
        assert all(good[bytes(a.numpy())] == bytes(b.numpy()) for a, b in zip(inputs, targets, strict=True))


def test_an_image_that_cannot_be_cached_is_replaced_and_reported_in_training(
    unpaired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "cache"))
    truncate(unpaired / "trainA" / "003.png")
    layout, config = detect_layout(unpaired), UnpairedConfig(size=16, resize_scale=18 / 16)
    cache = build_image_cache(layout, 18, "stretch")
    assert build_image_cache(layout, 18, "stretch").index.tolist() == cache.index.tolist()  # it is opened again
    batches, reports = batches_and_reports(TrainingDataset(layout, config, 3, cache), 0)
    assert {image.file for image in reports} == {"trainA/003.png"}
    for x, y in zip(batches, batches_and_reports(TrainingDataset(layout, config, 3), 0)[0], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(x, y, strict=True))


def test_a_cache_of_a_dataset_with_too_many_damaged_images_is_an_error(
    unpaired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "cache"))
    for name in ("000.png", "003.png"):
        truncate(unpaired / "trainA" / name)
    with pytest.raises(ImageError, match=r"2 of the 9 training images.*trainA/000.png, trainA/003.png"):
        build_image_cache(detect_layout(unpaired), 18, "stretch")


def test_one_image_or_one_in_a_hundred_may_be_unreadable(tmp_path: Path) -> None:
    paths = write_random_images(tmp_path / "train", 3)
    layout = detect_layout(tmp_path)
    assert max_unreadable(layout) == 1
    for count, limit in ((199, 1), (200, 2), (1000, 10)):
        layout.splits["train"][0][:] = [(paths[0].with_name(f"{index}.png"),) for index in range(count)]
        assert max_unreadable(layout) == limit
    images = UnreadableImages(layout)
    for index in range(10):
        assert images.add(UnreadableImage(f"train/{index}.png", "It is damaged.", "train/50.png"))
        assert not images.add(UnreadableImage(f"train/{index}.png", "It is damaged.", "train/51.png"))
    with pytest.raises(ImageError, match=r"11 of the 1000 .* more than 1 %: train/0\.png.* and 6 more\. Gone"):
        images.add(UnreadableImage("train/99.png", "Gone.", "train/50.png"))
    assert "train/99.png" not in images.reasons


def test_a_training_names_the_file_once_and_counts_it_in_log_card_and_state(
    unpaired: Path, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=11), "run")
    truncate(unpaired / "trainB" / "001.png")
    trainer.train()
    rows = [row for row in read_log(trainer.run.path) if "unreadable" in row]
    assert [row["unreadable"] for row in rows] == ["trainB/001.png"]
    messages = [message for message in caplog.messages if "trainB/001.png" in message]
    assert len(messages) == 2  # when it was found, and at the end
    assert "1 of at most 1 of the 9 training images" in messages[0]
    assert messages[1].startswith(
        "1 of 9 training images could not be read and were replaced by others: trainB/001.png"
    )
    assert "| unreadable images | 1 of 9 training images" in (trainer.run.path / "card.md").read_text()
    trainer.run.unlock()
    resumed = resume_training(
        "cyclegan", None, {"training": {"steps": 12}}, "run", TrainingProgress(), allow_changed_data=True
    )
    assert list(resumed.unreadable.reasons) == ["trainB/001.png"]


def test_a_file_that_is_whole_again_is_not_counted_after_a_resume(unpaired: Path, changes: Changes) -> None:
    path = unpaired / "trainB" / "001.png"
    content = path.read_bytes()
    trainer = start("cyclegan", changes(unpaired, steps=11), "run")
    truncate(path)
    trainer.train()
    trainer.run.unlock()
    path.write_bytes(content)
    resumed = resume_training("cyclegan", None, {"training": {"steps": 12}}, "run", TrainingProgress())
    assert not resumed.unreadable.reasons


def test_too_many_unreadable_images_stop_the_training_with_its_state_saved(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=50), "run")
    run_step = trainer._run_step
    content = {path: path.read_bytes() for path in (unpaired / "trainB").iterdir()}

    def damage_after_three(batch: Any) -> None:
        run_step(batch)
        if trainer.step == 3:
            for name in ("000.png", "002.png"):
                truncate(unpaired / "trainB" / name)

    trainer._run_step = damage_after_three  # type: ignore[method-assign]
    with pytest.raises(ImageError, match=r"2 of the 9 training images cannot be read, more than one: trainB/00"):
        trainer.train()
    state = trainer.run.load_state()
    assert state is not None
    assert state["step"] == trainer.step >= 3
    assert len(state["unreadable"]) <= 1
    trainer.run.unlock()
    for path, data in content.items():
        path.write_bytes(data)
    resumed = resume_training("cyclegan", None, {"training": {"steps": 20}}, "run", TrainingProgress())
    resumed.train()
    assert resumed.step == 20


def test_a_resumed_training_with_an_unreadable_image_equals_an_uninterrupted_one(
    unpaired: Path, changes: Changes
) -> None:
    path = unpaired / "trainB" / "001.png"
    broken = bytearray(path.read_bytes())
    broken[len(broken) // 2] ^= 255  # the size stays, and the data does not count as changed
    path.write_bytes(bytes(broken))
    whole = start("cyclegan", changes(unpaired, steps=12), "whole")
    whole.train()
    part = start("cyclegan", changes(unpaired, steps=12), "part")
    run_step = part._run_step

    def stop_after_seven(batch: Any) -> None:
        run_step(batch)
        if part.step == 7:
            signal.raise_signal(signal.SIGTERM)

    part._run_step = stop_after_seven  # type: ignore[method-assign]
    part.train()
    part.run.unlock()
    resumed = resume_training("cyclegan", None, {"training": {"workers": 2}}, "part", TrainingProgress())
    resumed.train()
    assert resumed.unreadable.reasons
    assert_equal_states(whole, resumed)


def test_a_sample_image_that_cannot_be_read_is_replaced_by_the_next(unpaired: Path) -> None:
    dataset = TrainingDataset(detect_layout(unpaired), UnpairedConfig(size=16), 0)
    before = dataset.sample_batch(4)[0]
    truncate(unpaired / "testA" / "001.png")
    after = dataset.sample_batch(4)[0]
    assert [int((after == image).flatten(1).all(1).sum()) for image in before] == [1, 0, 2, 1]
    for path in (unpaired / "testA").iterdir():
        truncate(path)
    with pytest.raises(ImageError, match="None of the 4 test images"):
        dataset.sample_batch(4)
