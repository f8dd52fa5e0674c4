from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.data.dataset import OneWayConfig, PairedConfig, TrainingPictures, UnpairedConfig
from i2i.data.layout import layout
from i2i.data.loader import batches
from i2i.data.resize import fit, halves
from i2i.errors import ConfigError, DatasetError, PictureError
from tests.conftest import picture, write_pictures

SMALL = {"size": 16, "jitter": 18 / 16}


def unpaired_pictures(root: Path, seed: int = 3) -> TrainingPictures:
    return TrainingPictures(layout(root), UnpairedConfig(data=str(root), **SMALL), seed)


def take(pictures: TrainingPictures, size: int, start: int, count: int, workers: int) -> list[torch.Tensor]:
    stream = batches(pictures, size, start, workers)
    return [torch.cat(next(stream)) for _ in range(count)]


def same(sample: object, other: object) -> bool:
    return all(torch.equal(a, b) for a, b in zip(sample, other, strict=True))  # type: ignore[call-overload]


def test_the_samples_are_the_same_for_any_number_of_workers(unpaired: Path) -> None:
    pictures = unpaired_pictures(unpaired)
    alone, helped = take(pictures, 3, 0, 6, workers=0), take(pictures, 3, 0, 6, workers=2)
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


def test_a_stream_that_starts_later_continues_with_the_very_next_sample(unpaired: Path) -> None:
    pictures = unpaired_pictures(unpaired)
    whole, rest = take(pictures, 2, 0, 7, workers=0), take(pictures, 2, 6, 4, workers=0)
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], rest, strict=True))


def test_an_epoch_shows_each_picture_of_the_larger_domain_once(unpaired: Path) -> None:
    config = UnpairedConfig(data=str(unpaired), size=16, jitter=1.0, flip=False)
    pictures = TrainingPictures(layout(unpaired), config, 0)
    for epoch in range(2):
        seen = {bytes(pictures[k][0].numpy()) for k in range(5 * epoch, 5 * epoch + 5)}
        assert len(seen) == 5


def test_epochs_differ_in_order_and_partners(unpaired: Path) -> None:
    pictures = unpaired_pictures(unpaired)
    assert not all(same(pictures[k], pictures[k + 5]) for k in range(5))


def test_another_seed_gives_other_samples(unpaired: Path) -> None:
    one, other = unpaired_pictures(unpaired, 1), unpaired_pictures(unpaired, 2)
    assert not all(same(one[k], other[k]) for k in range(5))


def test_both_pictures_of_a_pair_are_cropped_and_mirrored_alike(tmp_path: Path) -> None:
    left = picture(0)
    joined = Image.new("RGB", (32, 16))
    joined.paste(left, (0, 0))
    joined.paste(left, (16, 0))
    (tmp_path / "d" / "train").mkdir(parents=True)
    joined.save(tmp_path / "d" / "train" / "0.png")
    pictures = TrainingPictures(layout(tmp_path / "d"), PairedConfig(data="d", **SMALL), 0)
    for k in range(8):
        a, b = pictures[k]
        assert torch.equal(a, b)


def test_direction_b_to_a_swaps_the_pair(paired: Path) -> None:
    there = TrainingPictures(layout(paired), PairedConfig(data="d", **SMALL), 0)
    back = TrainingPictures(layout(paired), PairedConfig(data="d", direction="BtoA", **SMALL), 0)
    assert same(there[0], back[0][::-1])
    assert same(there.fixed(2), back.fixed(2)[::-1])


def test_unpaired_pictures_change_sides_by_direction(unpaired: Path) -> None:
    there = TrainingPictures(layout(unpaired), OneWayConfig(data="d", **SMALL), 0)
    back = TrainingPictures(layout(unpaired), OneWayConfig(data="d", direction="BtoA", **SMALL), 0)
    assert same(there[3], back[3][::-1])
    assert same(there.fixed(2), back.fixed(2)[::-1])


def test_two_folders_are_paired_by_name(tmp_path: Path) -> None:
    write_pictures(tmp_path / "d" / "A", 3)
    write_pictures(tmp_path / "d" / "B", 4)
    found = layout(tmp_path / "d")
    assert found.kind == "paired"
    assert [path.name for path in found.splits["train"][0][1]] == ["001.png", "001.png"]


def test_the_default_jitter_is_the_papers_286_to_256() -> None:
    assert UnpairedConfig().loaded() == 286
    assert UnpairedConfig(size=128).loaded() == 143


def test_resizing_is_pil_bicubic() -> None:
    image = picture(1, 40, 30)
    expected = np.asarray(image.resize((18, 18), Image.Resampling.BICUBIC))
    assert np.array_equal(np.asarray(fit(image, 18, "stretch")), expected)


def test_cover_keeps_the_aspect() -> None:
    assert fit(picture(1, 40, 20), 18, "cover").size == (36, 18)


def test_halves_of_an_odd_width_leave_the_last_column_out() -> None:
    assert [half.size for half in halves(picture(0, 9, 4))] == [(4, 4), (4, 4)]


def test_pairs_of_two_shapes_are_refused_under_cover(tmp_path: Path) -> None:
    write_pictures(tmp_path / "d" / "A", 1)
    write_pictures(tmp_path / "d" / "B", 1, width=32)
    pictures = TrainingPictures(layout(tmp_path / "d"), PairedConfig(data="d", fit="cover", **SMALL), 0)
    with pytest.raises(DatasetError, match="differ in shape"):
        next(batches(pictures, 1, 0, 0))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_picture_raises_its_own_message_also_from_a_worker(unpaired: Path, workers: int) -> None:
    for path in (unpaired / "trainB").iterdir():
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(PictureError, match=r"^[^\n]*trainB/00\d\.png is damaged[^\n]*$"):
        next(batches(unpaired_pictures(unpaired), 1, 0, workers))


def test_fixed_pictures_come_from_the_test_split_and_never_change(unpaired: Path) -> None:
    a, b = unpaired_pictures(unpaired).fixed(4)
    assert a.shape == b.shape == (4, 3, 16, 16)
    with Image.open(unpaired / "testA" / "000.png") as image:
        assert np.array_equal(a[0].permute(1, 2, 0).numpy(), np.asarray(image))


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"jitter is 0\.9"):
        UnpairedConfig(jitter=0.9)
