"""Files inside shards: tar archives as WebDataset writes them, and Parquet tables of encoded images.

The path of such a file goes through the shard: ``photos/train-000000.tar/00000001.jpg``. Every function that reads
image files takes these paths. A folder with a file SOURCE_NAME mirrors an address: a shard that is missing there is
downloaded when it is needed. When all take more than a limit, those that were not used for longest are removed.
"""

import io
import json
import os
import tarfile
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from i2i.errors import I2IError, ImageError, UsageError, install_command
from i2i.storage import Storage

SHARD_SUFFIXES = (".tar", ".parquet")
SOURCE_NAME = "source.json"
NAME_COLUMNS = ("name", "__key__", "path", "file_name", "filename")
BYTES_COLUMNS = ("bytes", "image", "jpg", "png", "webp")
_ROW_GROUPS = 4  # of Parquet files that a process keeps decoded
_GIGABYTE = 1e9
_ATTEMPTS = 3
_MARKS = tuple(f"{suffix}{os.sep}" for suffix in SHARD_SUFFIXES)


class FileStatus(NamedTuple):
    """Size and time of the last change of a file, with the names of ``os.stat_result``."""

    st_size: int
    st_mtime_ns: int


class Member(NamedTuple):
    """Where a file is in its shard: byte offset and length in a tar; row group and row in a Parquet file."""

    start: int
    length: int


def split_path(path: Path) -> tuple[Path, str] | None:
    """Return the shard of a path and the name within it; None if the path goes through no shard."""
    text = str(path)
    for mark in _MARKS:
        shard, found, name = text.partition(mark)
        if found and not os.path.isdir(shard + mark[:-1]):  # noqa: PTH112 (called for each file that is read)
            return Path(shard + mark[:-1]), name.replace(os.sep, "/")
    return None


def status_of(path: Path) -> FileStatus | os.stat_result:
    """Return ``path.stat()``, also for a file in a shard: its size, and the time of the shard. Raises OSError."""
    if (found := split_path(path)) is None:
        return path.stat()
    shard, name = found
    status = _fetched(shard).stat()
    member = _index(shard, status.st_size, status.st_mtime_ns).get(name)
    if member is None:
        raise FileNotFoundError(f"{shard} holds no {name}")
    return FileStatus(member.length, status.st_mtime_ns)


def open_member(path: Path) -> BinaryIO | None:
    """Open a file in a shard; None for another path. Raises ImageError if the shard does not hold it."""
    if (found := split_path(path)) is None:
        return None
    for attempt in range(_ATTEMPTS):
        try:
            return io.BytesIO(_read(path, *found))
        except FileNotFoundError as error:  # another process has just removed the shard: it is downloaded again
            if attempt == _ATTEMPTS - 1 or not (found[0].parent / SOURCE_NAME).exists():
                raise ImageError(f"{path} does not exist: {found[0]} is missing.") from error
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror or error}.") from error
    return None


def _read(path: Path, shard: Path, name: str) -> bytes:
    status = _fetched(shard).stat()
    member = _index(shard, status.st_size, status.st_mtime_ns).get(name)
    if member is None:
        raise ImageError(f"{path} does not exist: {shard} holds no such file.")
    if shard.suffix == ".parquet":
        return _cell(shard, status.st_mtime_ns, *member)
    with shard.open("rb") as file:
        file.seek(member.start)
        data = file.read(member.length)
    if not data:
        raise ImageError(f"{path} is empty (0 bytes).")
    if len(data) != member.length:
        raise ImageError(f"{path} is cut short: {shard} ends within it.")
    return data


def member_names(shard: Path) -> list[str]:
    """Return the names of the files in a shard, in their order. Raises I2IError if it is damaged."""
    try:
        status = _fetched(shard).stat()
        return list(_index(shard, status.st_size, status.st_mtime_ns))
    except OSError as error:
        raise I2IError(f"{shard} cannot be read: {error.strerror or error}.") from error


@lru_cache(maxsize=256)
def _index(shard: Path, size: int, time: int) -> dict[str, Member]:
    """Return where each file of a shard is. ``size`` and ``time`` are part of the cache's key: a shard may change."""
    return _index_parquet(shard) if shard.suffix == ".parquet" else _index_tar(shard)


def _index_tar(shard: Path) -> dict[str, Member]:
    index = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                if member.isreg() and not member.issparse():
                    index[member.name.removeprefix("./")] = Member(member.offset_data, member.size)
    except (tarfile.TarError, EOFError) as error:
        raise ImageError(f"{shard} is no plain tar archive, or is damaged: {error}.") from error
    return index


def import_parquet() -> Any:
    """Return the module of Parquet files. Raises UsageError if it is not installed."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError(
            f"Parquet files need pyarrow, which is not installed: {install_command('parquet')}."
        ) from error
    return parquet


def _index_parquet(shard: Path) -> dict[str, Member]:
    parquet = import_parquet()
    try:
        file = parquet.ParquetFile(shard)
        columns = file.schema_arrow.names
        names = next((column for column in NAME_COLUMNS if column in columns), None)
        listed = file.read(columns=[names]).column(0).to_pylist() if names else []
        groups = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    except Exception as error:  # of Arrow
        raise ImageError(f"{shard} is no Parquet file, or is damaged: {error}.") from error
    rows = [Member(group, row) for group, count in enumerate(groups) for row in range(count)]
    return {str(listed[i]) if listed else f"{i:08}": member for i, member in enumerate(rows)}


_groups: "OrderedDict[tuple[Path, int, int], list[bytes]]" = OrderedDict()


def _cell(shard: Path, time: int, group: int, row: int) -> bytes:
    """Return the encoded image of a row of a row group."""
    key = shard, time, group
    if key not in _groups:
        file = import_parquet().ParquetFile(shard)
        columns = file.schema_arrow.names
        column = next((name for name in BYTES_COLUMNS if name in columns), None)
        if column is None:
            raise ImageError(f"{shard} has no column of images; one of {', '.join(BYTES_COLUMNS)} is needed.")
        cells = file.read_row_group(group, columns=[column]).column(0).to_pylist()
        _groups[key] = [cell["bytes"] if isinstance(cell, dict) else cell for cell in cells]
        while len(_groups) > _ROW_GROUPS:
            _groups.popitem(last=False)
    data = _groups[key][row]
    if not data:
        raise ImageError(f"{shard}: row {row} of row group {group} is empty (0 bytes).")
    return data


def _fetched(shard: Path) -> Path:
    """Return a shard, after it was downloaded if it belongs to an address and is not here."""
    source = shard.parent / SOURCE_NAME
    if shard.exists():
        if source.exists():
            (shard.parent / f".{shard.name}.used").touch()
        return shard
    if not source.exists():
        raise FileNotFoundError(2, "No such file or directory", str(shard))
    from filelock import FileLock

    with FileLock(shard.parent / f".{shard.name}.lock"):
        if not shard.exists():
            described = json.loads(source.read_bytes())
            partial = shard.with_name(f".{shard.name}.part")
            Storage(described["address"]).download(f"{described['address']}/{shard.name}", partial)
            partial.replace(shard)
            (shard.parent / f".{shard.name}.used").touch()
            _evict(shard)
    return shard


def shard_limit() -> float:
    """Return how many bytes of downloaded shards are kept: ``$I2I_SHARD_CACHE`` in GB, by default 20.

    Raises:
        UsageError: the variable is no number.
    """
    try:
        return float(os.environ.get("I2I_SHARD_CACHE") or 20) * _GIGABYTE
    except ValueError as error:
        raise UsageError(
            f"$I2I_SHARD_CACHE is {os.environ['I2I_SHARD_CACHE']!r}; it must be a number of gigabytes, such as 20."
        ) from error


def _evict(newest: Path) -> None:
    """Remove the shards that were not used for longest, except the newest, while all take more than the limit."""
    marks = sorted(newest.parent.glob(".*.used"), key=lambda path: path.stat().st_mtime_ns)
    shards = [newest.parent / mark.name.removeprefix(".").removesuffix(".used") for mark in marks]
    shards = [shard for shard in shards if shard.exists()]
    total = sum(shard.stat().st_size for shard in shards)
    for shard in shards:
        if total <= shard_limit() or shard == newest:
            continue
        total -= shard.stat().st_size
        shard.unlink(missing_ok=True)
