"""The layout of a dataset in shards: as ``i2i data pack`` writes them, or as other programs do."""

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

from i2i.data.layout.types import Item, Kind, Layout, PairSizes
from i2i.errors import DatasetError, I2IError
from i2i.images.files import write_atomic
from i2i.images.formats import HEIC_SUFFIXES, IMAGE_SUFFIXES
from i2i.images.shards import SHARD_SUFFIXES, SOURCE_NAME, member_names
from i2i.json_parsing import JsonError, parse_json_table
from i2i.storage import Storage

ABOUT_NAME = "shards.json"
FORMAT = 1
_SPLIT = re.compile(r"(train|val|test)(A|B)?\b", re.IGNORECASE)
Splits = dict[str, tuple[Sequence[Item], ...]]
_KINDS: tuple[Kind, ...] = ("paired", "unpaired", "clean")


class ShardItems(Sequence[Item]):
    """The items of shards, each of one or two files that follow one another. Paths are made when they are needed.

    Attributes:
        lengths: items of each shard.
    """

    def __init__(self, shards: Sequence[tuple[Path, Sequence[str]]], files: int) -> None:
        self._shards = shards
        self._files = files
        self.lengths = tuple(len(names) // files for _, names in shards)
        self._ends = list(accumulate(self.lengths))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect_right(self._ends, index)
        shard, names = self._shards[number]
        first = self._files * (index - self._ends[number] + self.lengths[number])
        return tuple(shard / name for name in names[first : first + self._files])

    def __iter__(self) -> Iterator[Item]:
        for shard, names in self._shards:
            for first in range(0, len(names), self._files):
                yield tuple(shard / name for name in names[first : first + self._files])

    def first_shard(self) -> list[Item]:
        """Return the items of the first shard."""
        return self[: self.lengths[0]] if self.lengths else []


def is_shard_folder(folder: Path) -> bool:
    """Return whether a folder holds shards instead of images."""
    return (folder / ABOUT_NAME).is_file() or (folder / SOURCE_NAME).is_file() or bool(_list_shards(folder))


def _list_shards(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    has_folders = any(path.is_dir() for path in files)
    return [] if has_folders else [path for path in files if path.suffix in SHARD_SUFFIXES]


@lru_cache(maxsize=8)
def mirror(address: str, cache: Path) -> Path:
    """Return the folder into which the shards of an address are downloaded when they are needed.

    Args:
        address: of a folder with shards.
        cache: the folder of all mirrors.

    Raises: UsageError if there is nothing.
    """
    address = address.rstrip("/")
    name = address.rpartition("/")[2] or "shards"
    folder = cache / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    storage = Storage(address)
    names = [file.relative for file in storage.list_files() if "/" not in file.relative]
    shards = sorted(name for name in names if name.endswith(SHARD_SUFFIXES))
    if not shards:
        raise DatasetError(f"{address} holds no shards: files ending in {' or '.join(SHARD_SUFFIXES)}.")
    if ABOUT_NAME in names:
        write_atomic(folder / ABOUT_NAME, storage.read(ABOUT_NAME))
    write_atomic(folder / SOURCE_NAME, json.dumps({"address": address, "shards": shards}).encode())
    return folder


def shard_layout(root: Path, needed: Kind | None, title: str = "") -> Layout:
    """Return the layout of a folder of shards.

    Without the file that ``i2i data pack`` writes, the names decide: of shards, whether they belong to ``train``,
    ``val`` or ``test``, and to A or B (``trainA-000.tar``); of files, whether they are pairs (``1.a.png``,
    ``1.b.png``).

    Args:
        root: the folder.
        needed: the kind of data that the method needs.
        title: short name of the dataset.

    Raises: DatasetError if there are no images, or the folder's description is damaged.
    """
    about = _read_about(root)
    source = _read_source(root)
    shards = [root / str(name) for name in source.get("shards", ())] if source else _list_shards(root)
    if about is not None:
        return _packed_layout(root, about, title)
    domains: dict[str, dict[str, list[tuple[Path, list[str]]]]] = {}
    for shard in shards:
        match = _SPLIT.match(shard.name)
        split, domain = (match[1].lower(), (match[2] or "").upper()) if match else ("train", "")
        names = [name for name in _names(shard) if _is_image(name)]
        domains.setdefault(split, {}).setdefault(domain, []).append((shard, names))
    return _layout_by_names(root, domains, needed, title)


def _packed_layout(root: Path, about: Mapping[str, Any], title: str) -> Layout:
    try:
        kind, files = about["kind"], int(about["files"])
        if kind not in _KINDS or files not in (1, 2):
            raise ValueError(f"kind {kind!r} of {files} files")
        for shard in (shard for domains in about["splits"].values() for domain in domains for shard in domain):
            _check_shard(shard)
        splits: Splits = {
            str(split): tuple(ShardItems([(root / shard["name"], shard["files"]) for shard in domain], files)
                              for domain in domains)
            for split, domains in about["splits"].items()
        }  # fmt: skip
        scales = about.get("scales", [1, 1])
        sizes = PairSizes(scales=(int(scales[0]), int(scales[1])))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{root / ABOUT_NAME} is damaged: {error}. Pack the dataset again.") from error
    name = str(about.get("layout", ""))
    return Layout(root, kind, f"shards of {name or kind}", splits, name=name, sizes=sizes, title=title)


def _check_shard(shard: Mapping[str, Any]) -> None:
    """Raise ValueError unless a shard lies in the folder itself, and its files have names."""
    name = shard["name"]
    if Path(name).name != name or name.startswith(".") or not name.endswith(SHARD_SUFFIXES):
        raise ValueError(f"{name!r} is no name of a shard")
    if not all(isinstance(file, str) for file in shard["files"]):
        raise ValueError(f"the files of {name} have no names")


def _layout_by_names(
    root: Path, domains: Mapping[str, Mapping[str, list[tuple[Path, list[str]]]]], needed: Kind | None, title: str
) -> Layout:
    train = domains.get("train", {})
    if not any(names for shards in train.values() for _, names in shards):
        raise DatasetError(f"{root} holds no images for training in its shards.")
    if train.keys() == {"A", "B"}:
        splits: Splits = {split: tuple(ShardItems(found[key], 1) for key in "AB")
                  for split, found in domains.items() if found.keys() == {"A", "B"}}  # fmt: skip
        return Layout(root, "unpaired", "shards of unpaired images", splits, "unpaired", title=title)
    joined = {split: [shard for key in sorted(found) for shard in found[key]] for split, found in domains.items()}
    if needed != "clean" and all(_are_pairs(names) for _, names in joined["train"]):
        pairs: Splits = {split: (ShardItems(shards, 2),) for split, shards in joined.items()}
        return Layout(root, "paired", "shards of pairs", pairs, "pairs", title=title)
    if needed == "paired":
        single: Splits = {split: (ShardItems(shards, 1),) for split, shards in joined.items()}
        return Layout(root, "paired", "shards of side-by-side pairs", single, "side-by-side", title=title)
    photos: Splits = {split: (ShardItems(shards, 1),) for split, shards in joined.items()}
    return Layout(root, "clean", "shards of photos", photos, "photos", title=title)


def _are_pairs(names: Sequence[str]) -> bool:
    """Return whether each two files that follow one another have the same key: their name up to the first dot."""
    keys = [_key(name) for name in names]
    return len(names) % 2 == 0 and keys[::2] == keys[1::2] and len(set(keys)) == len(keys) // 2


def _key(name: str) -> str:
    folder, _, last = name.rpartition("/")
    return f"{folder}/{last.partition('.')[0]}"


def _is_image(name: str) -> bool:
    suffix = Path(name).suffix.lower()
    return suffix in IMAGE_SUFFIXES | HEIC_SUFFIXES or not suffix


def _names(shard: Path) -> list[str]:
    try:
        return member_names(shard)
    except I2IError as error:
        raise DatasetError(str(error)) from error


def _read_about(root: Path) -> dict[str, Any] | None:
    return _read(root / ABOUT_NAME)


def _read_source(root: Path) -> dict[str, Any] | None:
    return _read(root / SOURCE_NAME)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return parse_json_table(path.read_bytes(), keep_file_names=True)
    except (OSError, JsonError) as error:
        raise DatasetError(f"{path} is damaged: {error}. Pack the dataset again.") from error


def inspected_items(layout: Layout, domain: Sequence[Item]) -> Sequence[Item]:
    """Return the items whose files are looked at before a training: at an address, those of the first shard."""
    return domain.first_shard() if layout.is_remote and isinstance(domain, ShardItems) else domain
