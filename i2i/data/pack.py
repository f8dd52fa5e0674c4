"""Write a dataset as shards: a few large files in place of many small ones."""

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from i2i.data.layout import Item, Layout
from i2i.data.layout.shards import ABOUT_NAME, FORMAT
from i2i.errors import DatasetError, UsageError, io_errors
from i2i.images.files import atomic_folder, open_regular
from i2i.images.shards import import_parquet
from i2i.images.stacks import stack_files

ShardFormat = Literal["tar", "parquet"]
ROW_GROUP = 64  # images that are read together from a Parquet file
_STEM_CHARACTERS = 60
_DOMAINS = {"unpaired": ("A", "B")}  # parts of the names of shards; others have one domain


def pack(
    layout: Layout,
    out: Path,
    *,
    format: ShardFormat = "tar",
    shard_bytes: int = 500_000_000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the images of a dataset as shards, byte by byte as they are. Returns the number of shards.

    The files of an item follow one another, in the order of the dataset: a training from the shards is the training
    from the folder. Names are those of WebDataset: ``00000012-horse.jpg``, of pairs ``00000012-horse.a.jpg`` and
    ``00000012-horse.b.jpg``.

    Args:
        layout: the dataset.
        out: the folder to create; it may exist if it is empty.
        format: "tar", or "parquet" with the columns ``name`` and ``bytes``.
        shard_bytes: a shard ends with the item that makes it at least this large.
        progress: called with the number of items done and in total.

    Raises:
        UsageError: ``out`` is not empty.
        I2IError: a file cannot be read, or the disk is full.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already and is not empty. Choose another folder for the shards.")
    total = sum(len(domain) for domains in layout.splits.values() for domain in domains)
    done = count = 0
    files = {len(item) for domains in layout.splits.values() for domain in domains for item in domain[:1]}
    if len(files) != 1:
        raise DatasetError(f"{layout.root}: its splits have pairs in one file and in two. Pack each by itself.")
    splits: dict[str, list[list[dict[str, Any]]]] = {}
    with io_errors(out), atomic_folder(out) as folder:
        for split, domains in layout.splits.items():
            splits[split] = []
            for domain, name in zip(domains, _DOMAINS.get(layout.kind, ("",)), strict=True):
                shards: list[dict[str, Any]] = []
                for item, members in _write_shards(folder, f"{split}{name}", domain, format, shard_bytes, shards):
                    done += bool(item and members)
                    progress(done, total)
                count += len(shards)
                splits[split].append(shards)
        about = {"format": FORMAT, "kind": layout.kind, "layout": layout.name, "files": files.pop(),
                 "scales": list(layout.sizes.scales), "splits": splits}  # fmt: skip
        (folder / ABOUT_NAME).write_text(json.dumps(about, ensure_ascii=True), encoding="utf-8")
    return count


def _write_shards(
    folder: Path,
    name: str,
    items: Sequence[Item],
    format: ShardFormat,
    shard_bytes: int,
    shards: list[dict[str, Any]],
) -> Iterator[tuple[Item, list[str]]]:
    """Write the items of a domain, and yield each with the names of its files. ``shards`` gets what was written."""
    writer: ShardWriter | None = None
    for index, item in enumerate(items):
        if writer is None:
            shards.append({"name": f"{name}-{len(shards):06}.{format}", "files": []})
            writer = (TarWriter if format == "tar" else ParquetWriter)(folder / shards[-1]["name"])
        if any(map(stack_files, item)):
            raise DatasetError(
                f"{item[0]} is a stack of files. A stack cannot be packed: convert it to one TIFF first."
            )
        members = _member_names(index, item)
        for path, member in zip(item, members, strict=True):
            with open_regular(path) as file:
                writer.add(member, file.read())
        shards[-1]["files"] += members
        if writer.size >= shard_bytes:
            writer.close()
            writer = None
        yield item, members
    if writer is not None:
        writer.close()


def _member_names(index: int, item: Item) -> list[str]:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", item[0].stem)[:_STEM_CHARACTERS]
    ends = ("",) if len(item) == 1 else (".a", ".b")
    return [f"{index:08}-{stem}{end}{path.suffix.lower()}" for path, end in zip(item, ends, strict=True)]


class ShardWriter(Protocol):
    """Writes the files of a shard.

    Attributes:
        size: bytes of the files so far.
    """

    size: int

    def add(self, name: str, data: bytes) -> None:
        """Add a file."""

    def close(self) -> None:
        """Finish the shard."""


class TarWriter:
    """Writes a tar archive whose bytes depend on its files alone."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._archive = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 (closed by ``close``)

    def add(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mode = 0o644
        self._archive.addfile(info, io.BytesIO(data))
        self.size += len(data)

    def close(self) -> None:
        self._archive.close()


class ParquetWriter:
    """Writes a Parquet file with the columns ``name`` and ``bytes``, in row groups of ROW_GROUP images."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        import_parquet()
        import pyarrow

        self._arrow = pyarrow
        self._schema = pyarrow.schema([("name", pyarrow.string()), ("bytes", pyarrow.large_binary())])
        self._writer = import_parquet().ParquetWriter(path, self._schema, compression="none")
        self._rows: list[tuple[str, bytes]] = []

    def add(self, name: str, data: bytes) -> None:
        self._rows.append((name, data))
        self.size += len(data)
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            names, contents = zip(*self._rows, strict=True)
            table = self._arrow.table({"name": names, "bytes": contents}, schema=self._schema)
            self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


def parse_bytes(text: str) -> int:
    """Return a number of bytes, such as of "500MB" or "2GB". Raises UsageError for any other text."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(KB|MB|GB)\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"--shard-size is {text!r}; it must be a size such as 500MB or 2GB.")
    return max(1, int(float(match[1]) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[match[2].upper()]))
