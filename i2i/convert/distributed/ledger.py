"""The manifest of a conversion of any number of files: the lines that exist are kept on disk, not in memory."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from i2i.convert.distributed.catalogue import Catalogue, SourceFile
from i2i.convert.distributed.destination import Destination, FolderDestination, Record, StoredDestination
from i2i.convert.distributed.rows import RowsOnDisk
from i2i.convert.manifest import KEY_FIELDS, State, to_line
from i2i.convert.records import MANIFEST_NAME, PARTS_NAME, parse_record
from i2i.images.stacks import file_version


class Ledger:
    """Knows which results are up to date, and records new ones. A rerun continues after any interruption.

    A worker writes the lines of a group of results as a part, before the results. The lines are added here when the
    worker has finished, and the part is removed then or at the end.

    Args:
        destination: of the results.
        catalogue: gets the lines that exist.
    """

    def __init__(self, destination: Destination, catalogue: Catalogue) -> None:
        self._destination = destination
        self._catalogue = catalogue
        self._is_loaded = False
        self._new = RowsOnDisk()
        self._finished: set[str] = set()  # what the names of parts begin with whose lines are all in ``_new``
        self._stack = ExitStack()

    def __enter__(self) -> "Ledger":
        self._stack.enter_context(self._destination.lock())
        if isinstance(self._destination, FolderDestination):
            self._destination.end_last_line()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._is_loaded:  # else the earlier lines would be lost
                self._merge()
        finally:
            self._stack.close()

    def load(self) -> None:
        """Read the manifest, the parts that earlier conversions have left and, at an address, the list of results."""
        lines = self._destination.read_manifest()
        self._catalogue.add_records(filter(None, map(parse_record, lines)))
        self._catalogue.add_records(self._destination.read_parts(""))
        if isinstance(self._destination, StoredDestination):
            self._catalogue.add_targets(self._list_targets(self._destination))
        self._is_loaded = True

    def _list_targets(self, destination: StoredDestination) -> Iterator[tuple[str, int, str, str]]:
        for file in destination.storage.list_files_or_none():
            if file.relative != MANIFEST_NAME and not file.relative.startswith(f"{PARTS_NAME}/"):
                yield file.relative, file.size, file.version, file.md5

    def exists(self, output: str) -> bool:
        """Return whether a result exists."""
        if isinstance(self._destination, FolderDestination):
            return self._destination.find(output) is not None
        return self._catalogue.target(output) is not None

    def state(self, output: str, fingerprint: Record | None) -> State:
        """Return the state of a result, see ``Manifest``."""
        if not self.exists(output):
            return "absent"
        for row in reversed(self._catalogue.records(output)):
            if self._is_result(output, row):
                is_current = fingerprint == {key: row.get(key) for key in KEY_FIELDS}
                return "current" if is_current else "outdated"
        return "foreign"

    def _is_result(self, output: str, row: Record) -> bool:
        if isinstance(self._destination, StoredDestination):
            found = self._catalogue.target(output)
            if found is None or found[0] != row["result"][0]:
                return False
            if found[2] and row.get("md5"):
                return bool(found[2] == row["md5"])
        return self._destination.holds(output, row)

    def add(self, rows: list[Record], parts: str | None) -> None:
        """Record new results.

        Args:
            rows: their lines.
            parts: what the names of the parts with these lines begin with; None if these hold other lines too.
        """
        if isinstance(self._destination, FolderDestination):
            if rows:
                with (self._destination.folder / MANIFEST_NAME).open("ab") as file:
                    file.writelines(map(to_line, rows))
            if parts is not None:
                self._destination.remove_parts(parts)
        else:
            for row in rows:
                self._new.append(row)
            if parts is not None:
                self._finished.add(parts)

    def _merge(self) -> None:
        """Write the manifest anew if it has gained much, and remove the parts."""
        if isinstance(self._destination, StoredDestination):
            left = self._destination.read_parts("", self._finished)  # of chunks that were not finished
            first = next(left, None)
            if len(self._new) or first is not None:
                rest = left if first is None else chain([first], left)
                lines = (row for rows in (self._catalogue.all_records(2), self._new, rest) for row in rows)
                self._destination.write_manifest(map(to_line, lines))
                self._destination.remove_parts("")
            return
        unmerged = list(self._destination.read_parts(""))
        if unmerged:
            with (self._destination.folder / MANIFEST_NAME).open("ab") as file:
                file.writelines(map(to_line, unmerged))
        self._destination.remove_parts("")


def fingerprint_of(file: SourceFile, settings_hash: str) -> dict[str, Any] | None:
    """Return what a result depends on: source and settings, as ``Manifest.fingerprint``. None if there is no source."""
    if file.is_stored:
        return {"from": file.address, "source": [file.size, file.version, 0], "by": settings_hash}
    try:
        version = file_version(Path(file.address))
    except OSError:
        return None
    source = [*version, 0]
    return {"from": str(Path(file.address).absolute()), "source": source, "by": settings_hash}
