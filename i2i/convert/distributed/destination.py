"""Where the results of a conversion go: a folder, or an address."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i.convert.manifest import LOCK_NAME, digest
from i2i.convert.records import MANIFEST_NAME, PARTS_NAME, list_parts, parse_record
from i2i.errors import I2IError, UsageError, WriteError, io_errors
from i2i.images import write_atomic
from i2i.images.files import remove_unfinished
from i2i.images.folders import real_path
from i2i.storage import Storage, is_address

Record = dict[str, Any]


class FolderDestination:
    """A folder for results, and for the manifest that a conversion of paths on one machine writes too.

    Args:
        folder: the folder. All workers must see it under this path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def describe(self, output: str) -> str:
        """Return the path of a result, for messages."""
        return str(self.folder / output)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other conversions out of the folder. Raises UsageError if one is running."""
        with io_errors(self.folder, "could not be created", error_type=WriteError, advice="Choose another --out."):
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK_NAME, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(
                f"Another conversion is writing into {self.folder}: wait for it, or choose another --out."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def find(self, output: str) -> tuple[int, int] | None:
        """Return size and time of change of a result; None if there is none."""
        try:
            status = (self.folder / output).lstat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns

    def holds(self, output: str, row: Record) -> bool:
        """Return whether the file of a result is the one of a line of the manifest."""
        found = self.find(output)
        with suppress(OSError, ValueError, KeyError, TypeError):
            size, time, expected = row["result"]
            if found is not None and found[0] == size:
                return found[1] == time or digest(self.read(output)) == expected
        return False

    def read(self, output: str) -> bytes:
        """Return the content of a result."""
        return (self.folder / output).read_bytes()

    def write(self, output: str, data: bytes, row: Record) -> Record:
        """Write a result. Returns the line of the manifest about it. Raises I2IError."""
        target = self.folder / output
        with io_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            out, parent = real_path(self.folder), real_path(target.parent)
            if parent != out and out not in parent.parents:
                raise I2IError(f"{target} would be outside of {self.folder}: one of its parent folders is a link.")
            written: list[os.stat_result] = []
            write_atomic(target, data, written.append)
        size, _, expected = row["result"]
        return {**row, "result": [size, written[0].st_mtime_ns, expected]}

    def prepare_row(self, output: str, data: bytes, fingerprint: Record) -> Record:
        """Return the line about a result that is not written yet."""
        return {"output": output, **fingerprint, "result": [len(data), 0, digest(data)]}

    def remove_unfinished(self, outputs: list[str]) -> None:
        """Remove temporary files that killed workers have left beside results."""
        remove_unfinished({(self.folder / output).parent for output in outputs})

    def write_part(self, name: str, data: bytes) -> None:
        """Write a part of the manifest, before the results that it lists."""
        with io_errors(self.folder / PARTS_NAME / name):
            (self.folder / PARTS_NAME).mkdir(parents=True, exist_ok=True)
            write_atomic(self.folder / PARTS_NAME / name, data)

    def read_parts(self, prefix: str) -> Iterator[Record]:
        """Yield the lines of the parts whose names begin with a prefix, oldest first."""
        for part in list_parts(self.folder):
            if part.name.startswith(prefix):
                yield from filter(None, map(parse_record, part.read_bytes().splitlines()))

    def remove_parts(self, prefix: str) -> None:
        """Remove the parts whose names begin with a prefix."""
        for part in list_parts(self.folder):
            if part.name.startswith(prefix):
                part.unlink()
        if not prefix:
            with suppress(OSError):
                (self.folder / PARTS_NAME).rmdir()

    def read_manifest(self) -> Iterator[bytes]:
        """Yield the lines of the manifest."""
        if (self.folder / MANIFEST_NAME).is_file():
            with (self.folder / MANIFEST_NAME).open("rb") as file:
                yield from file

    def end_last_line(self) -> None:
        """End the last line of the manifest if an interrupted conversion has cut it short."""
        with suppress(FileNotFoundError), (self.folder / MANIFEST_NAME).open("rb+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def write_manifest(self, lines: Iterator[bytes]) -> None:
        """Replace the manifest."""
        temporary = self.folder / f"{MANIFEST_NAME}.new"
        with io_errors(temporary):
            with temporary.open("wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / MANIFEST_NAME)


class StoredDestination:
    """An address for results. Its manifest has the MD5 of each, which object stores list.

    Args:
        address: such as "s3://bucket/results".
    """

    def __init__(self, address: str) -> None:
        self.storage = Storage(address)

    def describe(self, output: str) -> str:
        """Return the address of a result, for messages."""
        return f"{self.storage.address}/{output}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Do nothing: object stores have no locks."""
        yield

    def holds(self, output: str, row: Record) -> bool:
        """Return whether the object of a result is the one of a line of the manifest."""
        with suppress(I2IError, KeyError):
            return digest(self.read(output)) == row["result"][2]
        return False

    def read(self, output: str) -> bytes:
        """Return the content of a result."""
        return self.storage.read(output)

    def write(self, output: str, data: bytes, row: Record) -> Record:
        """Write a result. Returns the line of the manifest about it. Raises I2IError."""
        self.storage.write(output, data)
        return row

    def prepare_row(self, output: str, data: bytes, fingerprint: Record) -> Record:
        """Return the line about a result that is not written yet."""
        import hashlib

        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return {"output": output, **fingerprint, "result": [len(data), 0, digest(data)], "md5": md5}

    def remove_unfinished(self, outputs: list[str]) -> None:
        """Do nothing: an object is complete or absent."""

    def write_part(self, name: str, data: bytes) -> None:
        """Write a part of the manifest, before the results that it lists."""
        self.storage.write(f"{PARTS_NAME}/{name}", data)

    def read_parts(self, prefix: str, finished: Collection[str] = ()) -> Iterator[Record]:
        """Yield the lines of the parts whose names begin with a prefix, oldest first.

        Args:
            prefix: of the names.
            finished: the parts of chunks whose names begin with one of these are left out.
        """
        for name in self.storage.list_below(PARTS_NAME):
            if name.startswith(prefix) and "-".join([*name.split("-")[:2], ""]) not in finished:
                yield from filter(None, map(parse_record, self.storage.read(f"{PARTS_NAME}/{name}").splitlines()))

    def remove_parts(self, prefix: str) -> None:
        """Remove the parts whose names begin with a prefix."""
        names = [name for name in self.storage.list_below(PARTS_NAME) if name.startswith(prefix)]
        for start in range(0, len(names), 1000):
            self.storage.remove([f"{PARTS_NAME}/{name}" for name in names[start : start + 1000]])

    def read_manifest(self) -> Iterator[bytes]:
        """Yield the lines of the manifest."""
        try:
            with self.storage.open(MANIFEST_NAME) as file:
                yield from file
        except FileNotFoundError:
            return

    def write_manifest(self, lines: Iterator[bytes]) -> None:
        """Replace the manifest."""
        with self.storage.open(MANIFEST_NAME, "wb") as file:
            for line in lines:
                file.write(line)


Destination = FolderDestination | StoredDestination


def open_destination(out: str) -> Destination:
    """Return the destination of a path or an address.

    Raises: UsageError for hf://, where each file would be a commit.
    """
    if not is_address(out):
        return FolderDestination(Path(out))
    if out.lower().startswith("hf://"):
        raise UsageError(
            f"--out {out}: each file would be a commit. Convert into a folder, then upload it (hf upload)."
        )
    return StoredDestination(out)
