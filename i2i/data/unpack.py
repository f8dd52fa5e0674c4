"""Unpack an untrusted archive: only regular files, inside one folder, within limits.

The extractors of the standard library follow links, accept truncated archives, or both. This module takes only names
and bytes from the archive.
"""

import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Self, cast

from i2i.data.disk import disk_errors
from i2i.data.download import Progress
from i2i.errors import DatasetError, DownloadError

CHUNK = 2**20
MAX_BYTES = 64 * 2**30
MAX_FILES = 300_000
MAX_RATIO = 100  # unpacked to packed bytes: about 1 for photos, about 30 for label maps in flat colours
MIN_BYTE_LIMIT = 64 * 2**20  # allowed for any archive, whatever its ratio
MIN_FOLDER_LIMIT = 1000  # folders allowed for any archive
_MAX_TAIL = 2**24  # bytes of padding after a tar's last member
_MAX_TAR_HEADER = 2**16
_EXTENDED_HEADER_TYPES = (b"x", b"g", b"X", b"L", b"K")  # their text is read into memory
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
    UnicodeError,
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


@dataclass(frozen=True)
class _Member:
    """A member of an archive.

    Attributes:
        name: path in the archive.
        kind: "file", "folder", or a description of a member that is rejected.
        size: declared size in bytes.
        open: returns a stream of the content.
    """

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


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

    def add_folders(self, member: _Member, parts: tuple[str, ...]) -> None:
        """Count a folder and those above it, each once. Raises DownloadError if there are too many."""
        self.all_folders.update(parts[:depth] for depth in range(1, len(parts) + 1))
        if len(self.all_folders) > self.max_folders:
            raise _rejected(self.archive, member.name, "over the limit on the number of folders")

    def add(self, member: _Member, parts: tuple[str, ...]) -> None:
        """Count a file. Raises DownloadError if it exceeds a limit or its path is already used."""
        self.bytes -= member.size
        self.files -= 1
        if self.bytes < 0:
            raise _rejected(self.archive, member.name, "over the limit on bytes for an archive of this size")
        if self.files < 0:
            raise _rejected(self.archive, member.name, "over the limit on the number of files")
        self.add_folders(member, parts[:-1])
        parents = {parts[:depth] for depth in range(1, len(parts))}
        if parts in self.used or parts in self.folders or parents & self.used:
            raise _rejected(self.archive, member.name, "at a path that is already used")
        self.used.add(parts)
        self.folders |= parents


def _accepted_files(archive: Path, file: IO[bytes], quota: _Quota) -> Iterable[tuple[_Member, Path]]:
    """Return the files to write, each with its path below the folder."""
    name = archive.name.lower()
    if name.endswith(".zip"):
        # A zip has a table of its members: all of them are checked before anything is written.
        return list(_accept(archive, _zip_members(archive, file), quota))
    if name.endswith(".tar"):
        return _accept(archive, _tar_members(archive, file), quota)
    if name.endswith((".tar.gz", ".tgz")):
        return _accept(archive, _tar_members(archive, cast(IO[bytes], gzip.GzipFile(fileobj=file))), quota)
    raise DownloadError(f"{archive} is not an archive that can be unpacked. Expected .zip, .tar, .tar.gz or .tgz.")


def _accept(archive: Path, members: Iterable[_Member], quota: _Quota) -> Iterator[tuple[_Member, Path]]:
    for member in members:
        parts = _parts(archive, member.name)
        if member.kind not in ("file", "folder"):
            raise _rejected(archive, member.name, member.kind)
        if member.kind == "folder":
            quota.add_folders(member, parts)
            continue
        if not parts or member.size < 0:
            raise _rejected(archive, member.name, "a file without a name, or with a size below zero")
        junk = any(part.lower() in _JUNK or part.startswith("._") for part in parts)
        quota.add(member, parts)
        if not junk:
            yield member, Path(*parts)


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """Return the parts of a member's path. Raises DownloadError if it may lead outside the folder."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/"):
        raise _rejected(archive, name, "an absolute path")
    if ".." in parts:
        raise _rejected(archive, name, "a path that leads outside")
    if "\\" in name or any(re.match("[A-Za-z]:", part) for part in parts):
        raise _rejected(archive, name, "a name with a backslash or a drive letter")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise _rejected(archive, name, "a name with a control character")
    if len(parts) > 32 or len(os.fsencode(name)) > 1024 or any(len(os.fsencode(part)) > 255 for part in parts):
        raise _rejected(archive, name, "a name that is too long")
    return parts


def _zip_members(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    zip_file = zipfile.ZipFile(file)
    for info in zip_file.infolist():
        mode = stat.S_IFMT(info.external_attr >> 16)
        if mode == stat.S_IFLNK:
            kind = "a symbolic link"
        elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "a device or another special file"
        elif info.flag_bits & 1:
            kind = "an encrypted file"
        else:
            kind = "folder" if info.orig_filename.endswith("/") or mode == stat.S_IFDIR else "file"
        # orig_filename, because zipfile cuts filename at a NUL.
        yield _Member(info.orig_filename, kind, info.file_size, partial(zip_file.open, info))


def _tar_members(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    with tarfile.open(fileobj=file, mode="r|", tarinfo=_StrictTarInfo) as tar:
        while (info := tar.next()) is not None:
            yield _Member(info.name, _tar_kind(info), info.size, partial(_open_tar_member, tar, info))
    # Read to the end: the checksum of a gzip stream follows the padding of the tar.
    tail = 0
    while data := file.read(CHUNK):
        tail += len(data)
        if tail > _MAX_TAIL:
            raise _rejected(archive, "data after the last member", "too long")


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issym():
        return "a symbolic link"
    if info.islnk():
        return "a hard link"
    if info.isdir():
        return "folder"
    if info.issparse():
        return "a sparse file"
    return "file" if info.isreg() else "a device or another special file"


def _open_tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    assert content is not None  # it is None only for folders, which are not opened
    return content


class _StrictTarInfo(tarfile.TarInfo):
    """Reject damaged headers and large extended headers.

    tarfile takes a damaged header for the end of the archive, and reads extended headers of any size.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if len(buf) == tarfile.BLOCKSIZE and not any(buf):
            return super().frombuf(buf, encoding, errors)  # its exception tells tarfile that this is the end
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error}, or the end is missing") from error
        if info.size < 0 or (info.type in _EXTENDED_HEADER_TYPES and info.size > _MAX_TAR_HEADER):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def _copy(archive: Path, member: _Member, path: Path) -> None:
    """Write one member: exactly the declared number of bytes, with mode 0644."""
    with disk_errors(path):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o644)
    remaining = member.size
    with os.fdopen(descriptor, "wb") as file, member.open() as content:
        while data := content.read(CHUNK):
            remaining -= len(data)
            if remaining < 0:
                raise _rejected(archive, member.name, f"longer than the declared {member.size} bytes")
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


def _rejected(archive: Path, name: str, reason: str) -> DownloadError:
    return DownloadError(
        f"{archive} was rejected: {name[:200]!r} is {reason}. Expected regular files inside one folder."
    )
