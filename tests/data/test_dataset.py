from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.data.config import DirectedConfig, PairedConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import detect_layout
from i2i.data.loader import data_loader
from i2i.data.resize import resize, split_side_by_side
from i2i.errors import ConfigError, DatasetError, ImageError
from tests.conftest import random_image, write_random_images

SMALL = {"size": 16, "resize_scale": 18 / 16}


def unpaired_dataset(root: Path, seed: int = 3) -> TrainingDataset:
    return TrainingDataset(detect_layout(root), UnpairedConfig(data=str(root), **SMALL), seed)


def load_batches(dataset: TrainingDataset, batch_size: int, start: int, count: int, workers: int) -> list[torch.Tensor]:
    batches = data_loader(dataset, batch_size, start, workers)
    return [torch.cat(next(batches)) for _ in range(count)]


def are_equal(sample: object, expected: object) -> bool:
    return all(torch.equal(a, b) for a, b in zip(sample, expected, strict=True))  # type: ignore[call-overload]


def test_the_samples_are_the_same_for_any_number_of_workers(unpaired: Path) -> None:
    dataset = unpaired_dataset(unpaired)
    inline = load_batches(dataset, 3, 0, 6, workers=0)
    parallel = load_batches(dataset, 3, 0, 6, workers=2)
    assert all(torch.equal(a, b) for a, b in zip(inline, parallel, strict=True))


def test_a_loader_that_starts_later_continues_with_the_very_next_sample(unpaired: Path) -> None:
    dataset = unpaired_dataset(unpaired)
    all_batches = load_batches(dataset, 2, 0, 7, workers=0)
    resumed = load_batches(dataset, 2, 6, 4, workers=0)
    assert all(torch.equal(a, b) for a, b in zip(all_batches[3:], resumed, strict=True))


def test_an_epoch_uses_each_image_of_the_larger_domain_once(unpaired: Path) -> None:
    config = UnpairedConfig(data=str(unpaired), size=16, resize_scale=1.0, flip=False)
    dataset = TrainingDataset(detect_layout(unpaired), config, 0)
    for epoch in range(2):
        images = {bytes(dataset[k][0].numpy()) for k in range(5 * epoch, 5 * epoch + 5)}
        assert len(images) == 5


def test_epochs_differ_in_order_and_partners(unpaired: Path) -> None:
    dataset = unpaired_dataset(unpaired)
    assert not all(are_equal(dataset[k], dataset[k + 5]) for k in range(5))


def test_different_seeds_give_different_samples(unpaired: Path) -> None:
    first = unpaired_dataset(unpaired, 1)
    second = unpaired_dataset(unpaired, 2)
    assert not all(are_equal(first[k], second[k]) for k in range(5))


def test_both_images_of_a_pair_are_cropped_and_flipped_alike(tmp_path: Path) -> None:
    left = random_image(0)
    side_by_side = Image.new("RGB", (32, 16))
    side_by_side.paste(left, (0, 0))
    side_by_side.paste(left, (16, 0))
    (tmp_path / "d" / "train").mkdir(parents=True)
    side_by_side.save(tmp_path / "d" / "train" / "0.png")
    dataset = TrainingDataset(detect_layout(tmp_path / "d"), PairedConfig(data="d", **SMALL), 0)
    for k in range(8):
        a, b = dataset[k]
        assert torch.equal(a, b)


def test_direction_b_to_a_swaps_the_pair(paired: Path) -> None:
    forward = TrainingDataset(detect_layout(paired), PairedConfig(data="d", **SMALL), 0)
    backward = TrainingDataset(detect_layout(paired), PairedConfig(data="d", direction="BtoA", **SMALL), 0)
    assert are_equal(forward[0], backward[0][::-1])
    assert are_equal(forward.sample_batch(2), backward.sample_batch(2)[::-1])


def test_direction_b_to_a_swaps_unpaired_images(unpaired: Path) -> None:
    forward = TrainingDataset(detect_layout(unpaired), DirectedConfig(data="d", **SMALL), 0)
    backward = TrainingDataset(detect_layout(unpaired), DirectedConfig(data="d", direction="BtoA", **SMALL), 0)
    assert are_equal(forward[3], backward[3][::-1])
    assert are_equal(forward.sample_batch(2), backward.sample_batch(2)[::-1])


def test_two_folders_are_paired_by_name(tmp_path: Path) -> None:
    write_random_images(tmp_path / "d" / "A", 3)
    write_random_images(tmp_path / "d" / "B", 4)
    layout = detect_layout(tmp_path / "d")
    assert layout.kind == "paired"
    assert [path.name for path in layout.splits["train"][0][1]] == ["001.png", "001.png"]


def test_the_default_resize_scale_is_286_to_256_as_in_the_papers() -> None:
    assert UnpairedConfig().load_size == 286
    assert UnpairedConfig(size=128).load_size == 143


def test_resizing_is_pillows_bicubic() -> None:
    image = random_image(1, 40, 30)
    expected = np.asarray(image.resize((18, 18), Image.Resampling.BICUBIC))
    assert np.array_equal(np.asarray(resize(image, 18, "stretch")), expected)


def test_cover_keeps_the_aspect_ratio() -> None:
    assert resize(random_image(1, 40, 20), 18, "cover").size == (36, 18)


def test_splitting_an_odd_width_drops_the_last_column() -> None:
    assert [half.size for half in split_side_by_side(random_image(0, 9, 4))] == [(4, 4), (4, 4)]


def test_pairs_of_different_shapes_are_rejected_in_mode_cover(tmp_path: Path) -> None:
    write_random_images(tmp_path / "d" / "A", 1)
    write_random_images(tmp_path / "d" / "B", 1, width=32)
    dataset = TrainingDataset(detect_layout(tmp_path / "d"), PairedConfig(data="d", resize="cover", **SMALL), 0)
    with pytest.raises(DatasetError, match="differ in shape"):
        next(data_loader(dataset, 1, 0, 0))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_raises_its_own_message_also_from_a_worker(unpaired: Path, workers: int) -> None:
    for path in (unpaired / "trainB").iterdir():
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ImageError, match=r"^[^\n]*trainB/00\d\.png is damaged[^\n]*$"):
        next(data_loader(unpaired_dataset(unpaired), 1, 0, workers))


def test_the_sample_batch_comes_uncropped_from_the_test_split(unpaired: Path) -> None:
    a, b = unpaired_dataset(unpaired).sample_batch(4)
    assert a.shape == b.shape == (4, 3, 16, 16)
    with Image.open(unpaired / "testA" / "000.png") as image:
        assert np.array_equal(a[0].permute(1, 2, 0).numpy(), np.asarray(image))


def test_a_crop_larger_than_the_image_is_rejected() -> None:
    with pytest.raises(ConfigError, match=r"resize_scale is 0\.9"):
        UnpairedConfig(resize_scale=0.9)
