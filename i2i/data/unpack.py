"""Unpack an untrusted archive: only regular files, inside one folder, within limits.

The extractors of the standard library follow links, accept truncated archives, or both. This module takes only names
and bytes from the archive.
"""

import gzip
import lzma
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from i2i.data.archive import Member, rejected, tar_members, zip_members
from i2i.data.disk import disk_errors
from i2i.data.download import Progress
from i2i.errors import DatasetError, DownloadError

CHUNK = 2**20
MAX_BYTES = 64 * 2**30
MAX_FILES = 300_000
MAX_RATIO = 100  # unpacked to packed bytes: about 1 for photos, about 30 for label maps in flat colours
MIN_BYTE_LIMIT = 64 * 2**20  # allowed for any archive, whatever its ratio
MIN_FOLDER_LIMIT = 1000  # folders allowed for any archive
_JUNK = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini"}
_DAMAGE_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    OSError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RecursionError,
    ValueError,  # tarfile and zipfile raise this and the following for numbers and tables that make no sense
    LookupError,
    ArithmeticError,
    struct.error,
)


def unpack(
    archive: Path,
    folder: Path,
    *,
    progress: Progress | None = None,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
) -> None:
    """Unpack the regular files of a .zip, .tar, .tar.gz or .tgz archive.

    After an error the folder holds the files unpacked so far, so pass a folder that can be deleted.

    Args:
        archive: the archive.
        folder: a new or empty folder.
        progress: receives (bytes of the archive read, size of the archive).
        max_bytes: limit on the unpacked bytes. MAX_RATIO times the archive's size is a further limit.
        max_files: limit on the number of files, and on the number of folders unless that is below MIN_FOLDER_LIMIT.

    Raises:
        DatasetError: the folder is not empty.
        DownloadError: the archive is damaged, exceeds a limit, or has a link, a device, or a name that leads outside,
            is too long or occurs twice. The message names the member.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder} exists and is not an empty folder. Unpack {archive.name} somewhere else.")
    size = archive.stat().st_size
    quota = _Quota(
        archive, min(max_bytes, max(MIN_BYTE_LIMIT, MAX_RATIO * size)), max_files, max(MIN_FOLDER_LIMIT, max_files)
    )
    with _damage_errors(archive), archive.open("rb") as file:
        read = 0
        for member, path in _accepted_files(archive, file, quota):
            with disk_errors(folder):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
            _copy(archive, member, folder / path)
            read = max(read, file.tell())  # the members of a zip may be stored in any order
            if progress:
                progress(read, size)
    if progress:
        progress(size, size)


@dataclass
class _Quota:
    """The remaining number of bytes and files, and the paths already used.

    A folder takes as much of a file system as a small file, and a long name makes many: they are counted.
    """

    archive: Path
    bytes: int
    files: int
    max_folders: int
    used: set[tuple[str, ...]] = field(default_factory=set)
    folders: set[tuple[str, ...]] = field(default_factory=set)
    all_folders: set[tuple[str, ...]] = field(default_factory=set)  # also those without files

    def add_folders(self, member: Member, parts: tuple[str, ...]) -> None:
        """Count a folder and those above it, each once. Raises DownloadError if there are too many."""
        self.all_folders.update(parts[:depth] for depth in range(1, len(parts) + 1))
        if len(self.all_folders) > self.max_folders:
            raise rejected(self.archive, member.name, "over the limit on the number of folders")

    def add(self, member: Member, parts: tuple[str, ...]) -> None:
        """Count a file. Raises DownloadError if it exceeds a limit or its path is already used."""
        self.bytes -= member.size
        self.files -= 1
        if self.bytes < 0:
            raise rejected(self.archive, member.name, "over the limit on bytes for an archive of this size")
        if self.files < 0:
            raise rejected(self.archive, member.name, "over the limit on the number of files")
        self.add_folders(member, parts[:-1])
        parents = {parts[:depth] for depth in range(1, len(parts))}
        if parts in self.used or parts in self.folders or parents & self.used:
            raise rejected(self.archive, member.name, "at a path that is already used")
        self.used.add(parts)
        self.folders |= parents


def _accepted_files(archive: Path, file: IO[bytes], quota: _Quota) -> Iterable[tuple[Member, Path]]:
    """Return the files to write, each with its path below the folder."""
    name = archive.name.lower()
    if name.endswith(".zip"):
        # A zip has a table of its members: all of them are checked before anything is written.
        return list(_accept(archive, zip_members(archive, file), quota))
    if name.endswith(".tar"):
        return _accept(archive, tar_members(archive, file), quota)
    if name.endswith((".tar.gz", ".tgz")):
        return _accept(archive, tar_members(archive, cast(IO[bytes], gzip.GzipFile(fileobj=file))), quota)
    raise DownloadError(f"{archive} is not an archive that can be unpacked. Expected .zip, .tar, .tar.gz or .tgz.")


def _accept(archive: Path, members: Iterable[Member], quota: _Quota) -> Iterator[tuple[Member, Path]]:
    for member in members:
        parts = _parts(archive, member.name)
        if member.kind not in ("file", "folder"):
            raise rejected(archive, member.name, member.kind)
        if member.kind == "folder":
            quota.add_folders(member, parts)
            continue
        if not parts or member.size < 0:
            raise rejected(archive, member.name, "a file without a name, or with a size below zero")
        junk = any(part.lower() in _JUNK or part.startswith("._") for part in parts)
        quota.add(member, parts)
        if not junk:
            yield member, Path(*parts)


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """Return the parts of a member's path. Raises DownloadError if it may lead outside the folder."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/"):
        raise rejected(archive, name, "an absolute path")
    if ".." in parts:
        raise rejected(archive, name, "a path that leads outside")
    if "\\" in name or any(re.match("[A-Za-z]:", part) for part in parts):
        raise rejected(archive, name, "a name with a backslash or a drive letter")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise rejected(archive, name, "a name with a control character")
    if len(parts) > 32 or len(os.fsencode(name)) > 1024 or any(len(os.fsencode(part)) > 255 for part in parts):
        raise rejected(archive, name, "a name that is too long")
    return parts


def _copy(archive: Path, member: Member, path: Path) -> None:
    """Write one member: exactly the declared number of bytes, with mode 0644."""
    with disk_errors(path):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o644)
    remaining = member.size
    with os.fdopen(descriptor, "wb") as file, member.open() as content:
        while data := content.read(CHUNK):
            remaining -= len(data)
            if remaining < 0:
                raise rejected(archive, member.name, f"longer than the declared {member.size} bytes")
            with disk_errors(path):
                file.write(data)
        with disk_errors(path):
            file.flush()
    if remaining:
        raise EOFError(f"{member.name!r} ends {remaining} bytes early")


@contextmanager
def _damage_errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE_ERRORS as error:
        raise DownloadError(
            f"{archive} is damaged or incomplete ({error or type(error).__name__}). Download it again."
        ) from error
