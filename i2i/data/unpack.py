"""Unpack an archive that a stranger made: regular files only, inside one folder, within limits.

The standard library's extractors follow links, pass truncated archives, or both; here nothing but names and
bytes is taken from the archive.
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

from i2i.data.download import Progress, storage
from i2i.errors import DatasetError, DownloadError

CHUNK = 2**20
MAX_BYTES = 64 * 2**30
MAX_FILES = 300_000
MAX_RATIO = 100  # pictures hardly shrink; label maps in flat colours shrink about thirtyfold
SMALL = 64 * 2**20  # bytes that any archive may hold, whatever its ratio
_MAX_TAIL = 2**24  # bytes of padding after a tar's last member
_MAX_TAR_HEADER = 2**16
_EXTENDED = (b"x", b"g", b"X", b"L", b"K")  # tar headers whose text is read into memory
_JUNK = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini"}
_DAMAGE = (
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
    """The regular files of a .zip, .tar, .tar.gz or .tgz, into a new or empty ``folder``.

    progress(bytes of the archive read, its size). max_bytes, max_files: of what comes out; besides, at most
    MAX_RATIO times the archive. Raises DownloadError, naming the member, for a link, a device, a name that
    leads outside, is too long or comes twice, for too much of anything, and for damage. The folder is then
    left as it is: give one that can be thrown away.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder} exists and is not an empty folder. Unpack {archive.name} somewhere else.")
    size = archive.stat().st_size
    limits = _Limits(archive, min(max_bytes, max(SMALL, MAX_RATIO * size)), max_files)
    with _damage(archive), archive.open("rb") as file:
        done = 0
        for member, path in _checked(archive, file, limits):
            with storage(folder):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
            _copy(archive, member, folder / path)
            done = max(done, file.tell())  # a zip's members need not lie in the order of its contents
            if progress:
                progress(done, size)
    if progress:
        progress(size, size)


@dataclass(frozen=True)
class _Member:
    """kind: "file", "folder", or the words for what is refused. size: as declared, in bytes."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


@dataclass
class _Limits:
    """What may still come out of an archive, and where it already went."""

    archive: Path
    bytes: int
    files: int
    taken: set[tuple[str, ...]] = field(default_factory=set)
    folders: set[tuple[str, ...]] = field(default_factory=set)

    def take(self, member: _Member, parts: tuple[str, ...]) -> None:
        """Count a file in; refuse it where it is too much, or where something is in its place."""
        self.bytes -= member.size
        self.files -= 1
        if self.bytes < 0:
            raise _refused(self.archive, member.name, "over the limit on bytes for an archive of this size")
        if self.files < 0:
            raise _refused(self.archive, member.name, "over the limit on the number of files")
        parents = {parts[:depth] for depth in range(1, len(parts))}
        if parts in self.taken or parts in self.folders or parents & self.taken:
            raise _refused(self.archive, member.name, "in a place that is taken already")
        self.taken.add(parts)
        self.folders |= parents


def _checked(archive: Path, file: IO[bytes], limits: _Limits) -> Iterable[tuple[_Member, Path]]:
    """The files to write, each with its path below the folder."""
    name = archive.name.lower()
    if name.endswith(".zip"):
        # The contents of a zip are a list at its end: all is refused before anything is written.
        return list(_accepted(archive, _zip_members(archive, file), limits))
    if name.endswith(".tar"):
        return _accepted(archive, _tar_members(archive, file), limits)
    if name.endswith((".tar.gz", ".tgz")):
        return _accepted(archive, _tar_members(archive, cast(IO[bytes], gzip.GzipFile(fileobj=file))), limits)
    raise DownloadError(f"{archive} is no archive that can be unpacked: expected .zip, .tar, .tar.gz or .tgz.")


def _accepted(archive: Path, members: Iterable[_Member], limits: _Limits) -> Iterator[tuple[_Member, Path]]:
    for member in members:
        parts = _parts(archive, member.name)
        if member.kind not in ("file", "folder"):
            raise _refused(archive, member.name, member.kind)
        if member.kind == "folder":
            continue
        if not parts or member.size < 0:
            raise _refused(archive, member.name, "a file without a name, or with a size below zero")
        junk = any(part.lower() in _JUNK or part.startswith("._") for part in parts)
        limits.take(member, parts)
        if not junk:
            yield member, Path(*parts)


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """The folders and the file that a member's name stands for; refused where it could lead elsewhere."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/"):
        raise _refused(archive, name, "an absolute path")
    if ".." in parts:
        raise _refused(archive, name, "a path that leads outside")
    if "\\" in name or any(re.match("[A-Za-z]:", part) for part in parts):
        raise _refused(archive, name, "a name with a backslash or a drive letter")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise _refused(archive, name, "a name with a control character")
    if len(parts) > 32 or len(os.fsencode(name)) > 1024 or any(len(os.fsencode(part)) > 255 for part in parts):
        raise _refused(archive, name, "a name that is too long")
    return parts


def _zip_members(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    whole = zipfile.ZipFile(file)
    for info in whole.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind == stat.S_IFLNK:
            what = "a symbolic link"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "a device or another special file"
        elif info.flag_bits & 1:
            what = "an encrypted file"
        else:
            what = "folder" if info.orig_filename.endswith("/") or kind == stat.S_IFDIR else "file"
        # orig_filename: zipfile cuts the other one at a NUL.
        yield _Member(info.orig_filename, what, info.file_size, partial(whole.open, info))


def _tar_members(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    with tarfile.open(fileobj=file, mode="r|", tarinfo=_StrictTarInfo) as whole:
        while (info := whole.next()) is not None:
            yield _Member(info.name, _tar_kind(info), info.size, partial(_content, whole, info))
    # The checksum of a gzip stream lies at its very end, behind the padding of the tar.
    tail = 0
    while data := file.read(CHUNK):
        tail += len(data)
        if tail > _MAX_TAIL:
            raise _refused(archive, "what follows the last member", "too much")


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


def _content(whole: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = whole.extractfile(info)
    assert content is not None  # None stands for a folder, and only files are opened
    return content


class _StrictTarInfo(tarfile.TarInfo):
    """tarfile takes a broken header for the archive's end, and reads extended headers of any size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if len(buf) == tarfile.BLOCKSIZE and not any(buf):
            return super().frombuf(buf, encoding, errors)  # raises what tells tarfile that this is the end
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error}, or the end is missing") from error
        if info.size < 0 or (info.type in _EXTENDED and info.size > _MAX_TAR_HEADER):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def _copy(archive: Path, member: _Member, path: Path) -> None:
    """Write one member's bytes: as many as declared, readable by all and executable by nobody."""
    with storage(path):
        target = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o644)
    left = member.size
    with os.fdopen(target, "wb") as file, member.open() as content:
        while data := content.read(CHUNK):
            left -= len(data)
            if left < 0:
                raise _refused(archive, member.name, f"longer than the declared {member.size} bytes")
            with storage(path):
                file.write(data)
        with storage(path):
            file.flush()
    if left:
        raise EOFError(f"{member.name!r} ends {left} bytes early")


@contextmanager
def _damage(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DownloadError(
            f"{archive} is damaged or incomplete ({error or type(error).__name__}). Download it again."
        ) from error


def _refused(archive: Path, name: str, what: str) -> DownloadError:
    return DownloadError(
        f"{archive} was refused: {name[:200]!r} is {what}. Expected are plain files inside one folder."
    )
