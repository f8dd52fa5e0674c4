"""The files and records of a conversion in a database on disk, so that millions of them take no memory."""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from i2i.convert.naming import Frame, comparison_key, output_names
from i2i.convert.records import owner_of
from i2i.errors import UsageError
from i2i.storage import is_address

_TABLES = """
CREATE TABLE files (family BLOB, relative BLOB, root INTEGER, address BLOB, size INTEGER, version BLOB, kind INTEGER);
CREATE TABLE folders (family BLOB, path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE records (number INTEGER PRIMARY KEY, family BLOB, output BLOB, row BLOB);
CREATE TABLE targets (output BLOB PRIMARY KEY, size INTEGER, version BLOB, md5 BLOB) WITHOUT ROWID;
CREATE TABLE outputs (key BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_PREFIX_CHARACTERS = 60  # names are cut at more than that
IMAGE, ARRAY, OTHER = 0, 1, 2  # kinds of files


@dataclass(frozen=True)
class SourceFile:
    """A file to convert.

    Attributes:
        address: its path as the user sees it, or its address.
        relative: its path below the source, with slashes.
        root: index of the source.
        size: in bytes; -1 for a path, whose state is read just before it is converted.
        version: see ``StoredFile``; "" for a path.
    """

    address: str
    relative: str
    root: int
    size: int = -1
    version: str = ""

    @property
    def is_stored(self) -> bool:
        """Whether it lies at an address."""
        return self.size >= 0


class Catalogue:
    """The files, earlier records and results of a conversion. Close it to remove its database."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="i2i-convert-")
        self._db = sqlite3.connect(Path(self._folder.name) / "catalogue.sqlite", isolation_level=None)
        for line in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32000", "temp_store=FILE"):
            self._db.execute(f"PRAGMA {line}")
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")

    def __enter__(self) -> "Catalogue":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def add_files(self, files: Iterable[tuple[SourceFile, int]]) -> None:
        """Add files, each with its kind."""
        last_parent = None
        for file, kind in files:
            relative = PurePosixPath(file.relative)
            self._db.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_family(relative), _blob(file.relative), file.root, _blob(file.address), file.size,
                 _blob(file.version), kind),
            )  # fmt: skip
            if relative.parent != last_parent:
                last_parent = relative.parent
                for folder in [last_parent, *last_parent.parents][:-1]:
                    self._db.execute(
                        "INSERT OR IGNORE INTO folders VALUES (?, ?)", (_family(folder), _blob(str(folder)))
                    )

    def add_records(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add lines of a manifest, oldest first."""
        for row in rows:
            output = row["output"]
            self._db.execute(
                "INSERT INTO records (family, output, row) VALUES (?, ?, ?)",
                (_family(PurePosixPath(output)), _blob(output), json.dumps(row).encode()),
            )

    def add_targets(self, targets: Iterable[tuple[str, int, str, str]]) -> None:
        """Add results that exist at an address: path below it, size, version and MD5."""
        self._db.executemany(
            "INSERT OR REPLACE INTO targets VALUES (?, ?, ?, ?)",
            ((_blob(output), size, _blob(version), _blob(md5)) for output, size, version, md5 in targets),
        )

    def index(self) -> None:
        """Build the indices, after all files, records and targets are added."""
        for table, column in (("files", "family"), ("folders", "family"), ("records", "family"), ("records", "output"),
                              ("files", "address")):  # fmt: skip
            self._db.execute(f"CREATE INDEX {table}_{column} ON {table} ({column})")

    def count_files(self, root: int, kind: int) -> int:
        """Return how many files of a kind a source has."""
        return int(
            self._db.execute("SELECT count(*) FROM files WHERE root = ? AND kind = ?", (root, kind)).fetchone()[0]
        )

    def files(self, root: int, kind: int) -> Iterator[SourceFile]:
        """Yield the files of a kind of a source, by path."""
        query = "SELECT relative, root, address, size, version FROM files WHERE root = ? AND kind = ? ORDER BY relative"
        return map(_source_file, self._db.execute(query, (root, kind)))

    def remove_files(self, root: int, kind: int) -> None:
        """Remove the files of a kind of a source."""
        self._db.execute("DELETE FROM files WHERE root = ? AND kind = ?", (root, kind))

    def holds_address(self, address: str) -> bool:
        """Return whether a file with this address is to be converted."""
        return (
            self._db.execute("SELECT 1 FROM files WHERE address = ? LIMIT 1", (_blob(address),)).fetchone() is not None
        )

    def records(self, output: str) -> list[dict[str, Any]]:
        """Return the lines of the manifest about a result, oldest first."""
        query = "SELECT row FROM records WHERE output = ? ORDER BY number"
        return [json.loads(row) for (row,) in self._db.execute(query, (_blob(output),))]

    def all_records(self, keep: int) -> Iterator[dict[str, Any]]:
        """Yield the last ``keep`` lines about each result."""
        query = "SELECT output, row FROM records ORDER BY output, number"
        for _, group in groupby(self._db.execute(query), lambda found: found[0]):
            for _, row in list(group)[-keep:]:
                yield json.loads(row)

    def target(self, output: str) -> tuple[int, str, str] | None:
        """Return size, version and MD5 of an existing result; None if there is none."""
        found = self._db.execute("SELECT size, version, md5 FROM targets WHERE output = ?", (_blob(output),)).fetchone()
        return None if found is None else (found[0], _text(found[1]), _text(found[2]))

    def named_files(self, kind: str, exists: Any) -> Iterator[tuple[SourceFile, str]]:
        """Yield each file with the path of its result, named as ``output_names`` names them.

        Files whose names may meet are named together: those in a folder whose names agree up to the first dot.

        Args:
            kind: file format of the results, such as "png".
            exists: returns whether a result exists, by its path below the output.

        Raises: UsageError if two results would have the same name all the same.
        """
        query = "SELECT relative, root, address, size, version, family FROM files ORDER BY family, relative, root"
        for family, group in groupby(self._db.execute(query), lambda found: found[5]):
            files = list(
                {(Path(file.address).absolute(), file.relative): file for file in map(_source_file, group)}.values()
            )
            frames = [Frame(_as_path(file.address), Path(file.relative), 0, 1) for file in files]
            owners = {}
            for (output,) in self._db.execute("SELECT DISTINCT output FROM records WHERE family = ?", (family,)):
                rows = [{**row, "from": str(_as_path(str(row.get("from"))))} for row in self.records(_text(output))]
                owner = next(filter(None, map(owner_of, reversed(rows))), None)
                if owner and exists(_text(output)):
                    owners[Path(_text(output))] = owner
            folders = [Path(_text(path)) for (path,) in
                       self._db.execute("SELECT path FROM folders WHERE family = ?", (family,))]  # fmt: skip
            for file, name in zip(files, output_names(frames, kind, owners, folders), strict=True):
                self._reserve(name, file)
                yield file, name.as_posix()

    def _reserve(self, name: Path, file: SourceFile) -> None:
        try:
            self._db.execute("INSERT INTO outputs VALUES (?)", (_blob(comparison_key(name)),))
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"{file.address} and another source would both become {name}. Rename one of them, or convert its "
                "folder by itself."
            ) from error


def _family(relative: PurePosixPath) -> bytes:
    """Return what all files share whose results may get the same name: folder, and name up to the first dot."""
    parent = comparison_key(Path(relative.parent))
    prefix = comparison_key(Path(relative.name.partition(".")[0] or relative.name))
    return _blob(f"{parent}/{prefix[:_PREFIX_CHARACTERS]}")


def _as_path(address: str) -> Path:
    """Return a path that stands for an address when names are compared; a path as it is."""
    return Path(f"/{address}") if is_address(address) else Path(address)


def _source_file(found: tuple[Any, ...]) -> SourceFile:
    relative, root, address, size, version = found[:5]
    return SourceFile(_text(address), _text(relative), root, size, _text(version))


def _blob(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # the order of these bytes is that of Python's strings


def _text(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogatepass")
