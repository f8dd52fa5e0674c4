"""The members of an untrusted archive, as they are declared: names, kinds and sizes are not checked yet."""

import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from i2i.errors import DownloadError

CHUNK = 2**20
MAX_TAIL = 2**24  # bytes of padding after a tar's last member
MAX_TAR_HEADER = 2**16  # bytes of one extended header
MAX_GLOBAL_HEADERS = 2**14  # bytes of all pax headers that hold for every member after them
HEADER_BYTES = 2**20  # of all extended headers, and MEMBER_HEADER_BYTES more for each member
MEMBER_HEADER_BYTES = 2**12
_EXTENDED_HEADER_TYPES = (b"x", b"g", b"X", b"L", b"K")  # their text is read into memory
_PAX_LENGTH = re.compile(rb"([0-9]{1,6}) ")


@dataclass(frozen=True)
class Member:
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


def zip_members(archive: Path, file: IO[bytes]) -> Iterator[Member]:
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
        yield Member(info.orig_filename, kind, info.file_size, partial(zip_file.open, info))


def tar_members(archive: Path, file: IO[bytes]) -> Iterator[Member]:
    """Yield the members of a tar. The stream is read to the end, where the checksum of a gzip stream is verified."""
    header_type = type("_TarInfo", (_StrictTarInfo,), {})  # its attributes count the headers of this archive
    try:
        with tarfile.open(fileobj=file, mode="r|", tarinfo=header_type) as tar:
            while (info := tar.next()) is not None:
                yield Member(info.name, _tar_kind(info), info.size, partial(_open_tar_member, tar, info))
    except _SparseMember as error:
        raise rejected(archive, str(error), "a sparse file") from error
    tail = 0
    while data := file.read(CHUNK):
        tail += len(data)
        if tail > MAX_TAIL:
            raise rejected(archive, "data after the last member", "too long")


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issym():
        return "a symbolic link"
    if info.islnk():
        return "a hard link"
    if info.isdir():
        return "folder"
    return "file" if info.isreg() else "a device or another special file"


def _open_tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    assert content is not None  # it is None only for folders, which are not opened
    return content


class _SparseMember(Exception):
    """A member is a sparse file. The message is its name."""


class _StrictTarInfo(tarfile.TarInfo):
    """Reject damaged headers, extended headers that take long to read, and sparse files.

    tarfile takes a damaged header for the end of the archive. It reads extended headers and the map of a sparse file
    before the member can be rejected, whatever their size; some versions need quadratic time for numbers in them.

    Attributes:
        header_bytes: sum of the extended headers so far.
        global_bytes: sum of the global ones among them.
        members: number of the other headers so far.
    """

    header_bytes: ClassVar[int] = 0
    global_bytes: ClassVar[int] = 0
    members: ClassVar[int] = 0

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if len(buf) == tarfile.BLOCKSIZE and not any(buf):
            return super().frombuf(buf, encoding, errors)  # its exception tells tarfile that this is the end
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error}, or the end is missing") from error
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise _SparseMember(info.name)
        if info.size < 0 or (info.type in _EXTENDED_HEADER_TYPES and info.size > MAX_TAR_HEADER):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        cls._count(info)
        return info

    @classmethod
    def _count(cls, info: tarfile.TarInfo) -> None:
        if info.type in _EXTENDED_HEADER_TYPES:
            cls.header_bytes += info.size
            cls.global_bytes += info.size if info.type == tarfile.XGLTYPE else 0
        else:
            cls.members += 1
        limit = HEADER_BYTES + MEMBER_HEADER_BYTES * cls.members
        if cls.header_bytes > limit or cls.global_bytes > MAX_GLOBAL_HEADERS:
            raise tarfile.ReadError(f"{cls.header_bytes} bytes of headers for {cls.members} members")

    def _proc_pax(self, tar: Any) -> tarfile.TarInfo:
        """Check the text of a pax header, then let tarfile read it."""
        text = tar.fileobj.read(self._block(self.size))  # type: ignore[attr-defined]
        if not _is_pax(text[: self.size]):
            raise tarfile.ReadError("a pax header that does not follow its format")
        tar.fileobj = _Replay(tar, text)
        return super()._proc_pax(tar)  # type: ignore[misc]

    def _reject_sparse(self, member: tarfile.TarInfo, *_: object) -> None:
        raise _SparseMember(member.name)

    # tarfile calls these for the three ways in which a pax header describes a sparse file.
    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _reject_sparse


def _is_pax(text: bytes) -> bool:
    """Return whether a text consists of the records of a pax header: "LENGTH KEYWORD=VALUE" and the end of a line."""
    position = 0
    while position < len(text):
        match = _PAX_LENGTH.match(text, position)
        end = position + int(match[1]) if match else 0
        if not match or text[end - 1 : end] != b"\n" or text.find(b"=", match.end(), end) < 0:
            return False
        position = end
    return True


class _Replay:
    """Gives the text that was read from a tar's stream once more, then puts the stream back."""

    def __init__(self, tar: Any, text: bytes) -> None:
        self._tar = tar
        self._stream = tar.fileobj
        self._text = text

    def read(self, size: int) -> bytes:
        self._tar.fileobj = self._stream
        return self._text


def rejected(archive: Path, name: str, reason: str) -> DownloadError:
    return DownloadError(
        f"{archive} was rejected: {name[:200]!r} is {reason}. Expected regular files inside one folder."
    )
