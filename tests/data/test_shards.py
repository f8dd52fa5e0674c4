"""Training data in shards: the same samples as from the folder, in an order that needs few shards at a time."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from PIL import Image

from i2i.data.config import PairedConfig, SingleDomainConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import Layout
from i2i.data.loader import data_loader
from i2i.data.order import shard_order
from i2i.data.pack import pack, parse_bytes
from i2i.data.source import DataSource
from i2i.errors import DatasetError, ImageError, UsageError
from i2i.images import read
from i2i.images.shards import member_names, status_of
from tests.conftest import random_image, write_random_images

SIZE = 16
KINDS = ("unpaired", "pairs", "side-by-side", "photos")
CONFIGS: dict[str, Any] = {"unpaired": UnpairedConfig, "pairs": PairedConfig, "side-by-side": PairedConfig,
                           "photos": SingleDomainConfig}  # fmt: skip
NEEDED: dict[str, Any] = {"unpaired": "unpaired", "pairs": "paired", "side-by-side": "paired", "photos": "clean"}


def write_dataset(root: Path, kind: str) -> Path:
    folders = {"unpaired": ("trainA", "trainB", "testA"), "pairs": ("train/A", "train/B")}.get(kind, ("train",))
    for seed, folder in enumerate(folders):
        count = 7 if folder == "trainB" else 5
        write_random_images(root / folder, count, 2 * SIZE if kind == "side-by-side" else SIZE, seed)
    if kind == "unpaired":
        write_random_images(root / "testB", 2, seed=9)
    if kind == "side-by-side":
        for path in (root / "train").iterdir():
            random_image(int(path.stem), 2 * SIZE, SIZE).save(path)
    return root


def load(data: Path | str, kind: str) -> Layout:
    return DataSource(data=str(data)).load(NEEDED[kind])


def dataset(layout: Layout, kind: str, **changes: Any) -> TrainingDataset:
    return TrainingDataset(layout, CONFIGS[kind](size=SIZE, resize_scale=1.25, **changes), seed=3)


def assert_equal_samples(first: TrainingDataset, second: TrainingDataset, count: int = 12) -> None:
    for k in range(count):
        for x, y in zip(first[k], second[k], strict=True):
            assert torch.equal(x, y)


@pytest.mark.parametrize("format", ["tar", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_samples_from_shards_are_those_from_the_folder(tmp_path: Path, kind: str, format: Any) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    folder = load(write_dataset(tmp_path / "data", kind), kind)
    assert pack(folder, tmp_path / "shards", format=format, shard_bytes=1000) > 2
    shards = load(tmp_path / "shards", kind)
    assert (shards.kind, shards.name, shards.count()) == (folder.kind, folder.name, folder.count())
    assert list(shards.splits) == list(folder.splits)
    assert_equal_samples(dataset(folder, kind), dataset(shards, kind))
    sample = dataset(folder, kind).sample_batch(2)
    assert all(torch.equal(x, y) for x, y in zip(sample, dataset(shards, kind).sample_batch(2), strict=True))


def test_packed_files_keep_their_bytes_and_shards_are_reproducible(tmp_path: Path) -> None:
    layout = load(write_dataset(tmp_path / "data", "photos"), "photos")
    for name in ("one", "two"):
        pack(layout, tmp_path / name)
    assert (tmp_path / "one/train-000000.tar").read_bytes() == (tmp_path / "two/train-000000.tar").read_bytes()
    with tarfile.open(tmp_path / "one/train-000000.tar") as archive:
        names = archive.getnames()
        contents = [archive.extractfile(name).read() for name in names]  # type: ignore[union-attr]
    assert names[0] == "00000000-000.png"
    assert contents == [path.read_bytes() for (path,) in layout.splits["train"][0]]


def tar(path: Path, names: list[str]) -> None:
    """Write a tar of images as another program does."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with tarfile.open(path, "w") as archive:
        for seed, name in enumerate(names):
            buffer = io.BytesIO()
            if name.endswith(".png"):
                random_image(seed).save(buffer, "png")
            info = tarfile.TarInfo(name)
            info.size = len(buffer.getvalue())
            archive.addfile(info, io.BytesIO(buffer.getvalue()))


def test_shards_of_other_programs_are_read_by_their_names(tmp_path: Path) -> None:
    tar(tmp_path / "photos/part-0.tar", ["a.png", "a.txt", "b.png", "b.txt"])
    tar(tmp_path / "pairs/part-0.tar", ["a.input.png", "a.target.png", "b.input.png", "b.target.png", "b.json"])
    for name in ("trainA-0", "trainB-0", "testA-0", "testB-0"):
        tar(tmp_path / f"unpaired/{name}.tar", ["a.png", "b.png"])
    photos, pairs, unpaired = (load(tmp_path / name, name) for name in ("photos", "pairs", "unpaired"))
    assert (photos.kind, photos.count()) == ("clean", 2)
    assert (pairs.kind, pairs.count(), len(pairs.splits["train"][0][0])) == ("paired", 2, 2)
    assert (unpaired.kind, unpaired.count(), sorted(unpaired.splits)) == ("unpaired", 2, ["test", "train"])


def test_a_parquet_file_of_another_program_is_read(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    paths = write_random_images(tmp_path / "in", 3)
    cells = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    (tmp_path / "shards").mkdir()
    parquet.write_table(arrow.table({"image": cells, "label": [0, 1, 2]}), tmp_path / "shards/train-0.parquet")
    layout = load(tmp_path / "shards", "photos")
    assert [read(path).tobytes() for (path,) in layout.splits["train"][0]] == [read(path).tobytes() for path in paths]


def test_the_order_by_shards_has_each_sample_once_and_few_shards_at_a_time() -> None:
    lengths, window = (100,) * 20, 50
    order = shard_order(1, 0, lengths, window)
    assert sorted(order) == list(range(2000))
    assert all(len({index // 100 for index in order[start : start + window]}) <= 2 for start in range(0, 2000, window))
    assert (order != shard_order(1, 1, lengths, window)).any()
    assert (order != shard_order(2, 0, lengths, window)).any()
    np.testing.assert_array_equal(order, shard_order(1, 0, lengths, window))
    assert len({index // 100 for index in order[::100]}) == 20


@pytest.mark.parametrize("kind", ["unpaired", "photos"])
def test_an_epoch_by_shards_is_resumed_at_any_sample_and_ranks_are_disjoint(tmp_path: Path, kind: str) -> None:
    pack(load(write_dataset(tmp_path / "data", kind), kind), tmp_path / "shards", shard_bytes=1000)
    layout = load(tmp_path / "shards", kind)
    data = dataset(layout, kind, shuffle_window=3)
    whole = [next(iter([batch])) for batch, _ in zip(data_loader(data, 2, 0, 0), range(6), strict=False)]
    later = next(data_loader(dataset(layout, kind, shuffle_window=3), 2, 6, 0))
    assert all(torch.equal(x, y) for x, y in zip(whole[3], later, strict=True))
    ranks = [next(data_loader(data, 1, rank, 0, stride=2)) for rank in range(2)]
    assert all(torch.equal(x, torch.cat(y)) for x, y in zip(whole[0], zip(*ranks, strict=True), strict=True))
    length = layout.count()
    for domain in range(len(layout.splits["train"])):
        used = [data.files(k)[domain] for k in range(length)]
        assert len(set(used)) == len(layout.splits["train"][domain])


def test_shards_at_an_address_are_downloaded_when_needed_and_removed_again(
    tmp_path: Path, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = load(write_dataset(tmp_path / "data", "photos"), "photos")
    pack(folder, tmp_path / "shards", shard_bytes=1)
    memory.put(str(tmp_path / "shards"), "/bucket/shards", recursive=True)
    monkeypatch.setenv("I2I_SHARD_CACHE", "0.000001")
    layout = load("memory://bucket/shards", "photos")
    assert layout.is_remote
    assert layout.data_name == "shards"
    assert_equal_samples(dataset(folder, "photos"), dataset(layout, "photos", shuffle_window=0))
    assert len(list(layout.root.glob("*.tar"))) <= 2
    assert dataset(layout, "photos").window == 10_000


def test_damaged_shards_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/train-0.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(DatasetError, match=r"train-0\.tar is no plain tar archive"):
        load(tmp_path / "bad", "photos")
    tar(tmp_path / "good/train-0.tar", ["a.png", "empty.txt"])
    with pytest.raises(ImageError, match="holds no such file"):
        read(tmp_path / "good/train-0.tar/b.png")
    assert status_of(tmp_path / "good/train-0.tar/a.png").st_size > 50
    assert member_names(tmp_path / "good/train-0.tar") == ["a.png", "empty.txt"]
    outside = {"train": [[{"name": "../bad/train-0.tar", "files": ["a.png"]}]]}
    for about in ({"kind": "odd", "files": 1, "splits": {}}, {"kind": "clean", "files": 1, "splits": outside}):
        (tmp_path / "good/shards.json").write_text(json.dumps(about))
        with pytest.raises(DatasetError, match=r"shards\.json is damaged"):
            load(tmp_path / "good", "photos")


def test_stacks_in_shards_are_refused(tmp_path: Path) -> None:
    tar(tmp_path / "shards/train-0.tar", ["a_B02.png", "a_B03.png"])
    with pytest.raises(DatasetError, match=r"joins files of a folder, and .* holds shards"):
        DataSource(data=str(tmp_path / "shards"), stack="{stem}_{B02,B03}.png").load()


def test_a_folder_that_is_not_empty_is_not_packed_into(tmp_path: Path) -> None:
    layout = load(write_dataset(tmp_path / "data", "photos"), "photos")
    with pytest.raises(UsageError, match="is not empty"):
        pack(layout, tmp_path / "data")


def test_sizes_of_shards_are_parsed() -> None:
    assert (parse_bytes("500MB"), parse_bytes("1.5 gb")) == (500_000_000, 1_500_000_000)
    with pytest.raises(UsageError, match="such as 500MB"):
        parse_bytes("many")


def test_a_folder_whose_name_ends_like_a_shard_is_a_folder(tmp_path: Path) -> None:
    (path,) = write_random_images(tmp_path / "photos.tar", 1)
    with Image.open(path) as image:
        assert read(path).tobytes() == image.convert("RGB").tobytes()
