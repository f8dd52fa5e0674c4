"""Archives made to be hostile: names that lead outside, links, devices, bombs, cut and damaged files."""

import gzip
import io
import random
import stat
import tarfile
import time
import zipfile
from pathlib import Path

from i2i.data.unpack import unpack
from i2i.errors import I2IError
from tests.faults import children
from tests.faults.attack import WRONG, Attack, Failure
from tests.faults.damage import damage
from tests.faults.operations import Shared

SECONDS = 10.0  # of the processor, for one archive
MAX_BYTES = 3 * 2**20  # that one archive may become
NAMES = (
    "set/a.png", "set/trainA/b.png", "../outside.png", "/tmp/outside.png", "set/../../outside.png", "a\\..\\b.png",
    "C:/b.png", "set/" * 40 + "a.png", "x" * 300, "set/\0a.png", "set/a\nb.png", "", ".", "..", "set/", "set//c.png",
    "./set/d.png", "__MACOSX/._a", "set/a.png/b.png", "SET/A.PNG", "set/\u202egnp.a", "set/\udcff.png", "link/a.png",
    "~/a",
)  # fmt: skip
TARGETS = ("../..", "/etc", "/etc/passwd", "set", "../outside.png", "set/a.png", ".", "link", "")
TAR_KINDS = (
    tarfile.REGTYPE, tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE,
    tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE, tarfile.AREGTYPE,
    b"x", b"g", b"L", b"K", b"Z",
)  # fmt: skip


class HostileArchive(Attack):
    """Unpacks hostile archives. Nothing may be written outside the folder, and resources are bounded."""

    name = "hostile-archive"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        children.limit_memory(2**30)

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        content, name, fault = hostile_archive(rng)
        self.fault = f"{name}: {fault}"
        archive = folder / name
        archive.write_bytes(content)
        target = folder / "below" / "set"
        began = time.process_time()
        refused = False
        try:
            unpack(archive, target, max_bytes=MAX_BYTES, max_files=200)
        except I2IError:
            refused = True
        failure = self._check(folder, target, archive, time.process_time() - began, refused)
        return failure and Failure(failure.verdict, failure.what, self.fault)

    def _check(self, folder: Path, target: Path, archive: Path, seconds: float, refused: bool) -> Failure | None:
        paths = list(folder.rglob("*"))
        outside = [path for path in paths if path not in (archive, target.parent) and not path.is_relative_to(target)]
        if outside or Path("/tmp/outside.png").exists():
            return Failure(WRONG, f"written outside: {outside}")
        for path in paths:
            status = path.lstat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) or (
                status.st_mode & 0o6111 and path.is_file()
            ):
                return Failure(WRONG, f"{path} has the mode {oct(status.st_mode)}")
        size = sum(path.stat().st_size for path in paths if path.is_file() and path != archive)
        if size > MAX_BYTES:
            return Failure(WRONG, f"{size} bytes were written, more than {MAX_BYTES}")
        if seconds > SECONDS:
            return Failure(WRONG, f"it took {seconds:.1f} seconds")
        if not refused and archive.suffix == ".zip" and not self._holds_the_members(archive, target):
            return Failure(WRONG, "a member was left out or differs, without an error")
        return None

    def _holds_the_members(self, archive: Path, target: Path) -> bool:
        """Return whether each member of an accepted zip was written, except the files of file managers."""
        with zipfile.ZipFile(archive) as whole:
            for info in whole.infolist():
                is_junk = info.filename.startswith("__MACOSX") or "/._" in info.filename
                if not info.filename.endswith("/") and not stat.S_ISDIR(info.external_attr >> 16) and not is_junk:
                    path = target / info.filename
                    with whole.open(info) as member:
                        content = b"".join(iter(lambda: member.read(2**20), b""))  # read() allocates what is declared
                    if not path.is_file() or path.read_bytes() != content:
                        return False
        return True


def hostile_archive(rng: random.Random) -> tuple[bytes, str, str]:
    """Return the bytes of an archive, its name, and what is hostile about it."""
    name = rng.choice(("set.zip", "set.tar", "set.tar.gz", "set.tgz"))
    content, fault = _zip(rng) if name.endswith("zip") else _tar(rng)
    if name.endswith("gz"):
        content = gzip.compress(content, 1)
    if rng.random() < 0.4:
        content, change = damage(content, rng)
        fault += f"; {change}"
    return content, name, fault


def _content(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return bytes(rng.choice((10**6, 5 * 10**6)))  # a bomb
    return rng.randbytes(rng.choice((0, 1, 600, 5000)))


def _name(rng: random.Random) -> str:
    """Return a harmless name in most cases: one bad member is enough for an archive to be refused."""
    return f"set/{rng.randrange(10**6)}.png" if rng.random() < 0.7 else rng.choice(NAMES)


def _zip(rng: random.Random) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    described = []
    with zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as whole:
        for _ in range(rng.choice((1, 2, 5, 20))):
            info = zipfile.ZipInfo("name")
            info.filename = info.orig_filename = _name(rng).encode(errors="replace").decode()
            mode = rng.choice(
                (stat.S_IFREG, stat.S_IFREG, 0, 0, 0, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR)
            )
            info.external_attr = (mode | 0o4777) << 16
            info.create_system = 3
            link = mode == stat.S_IFLNK
            whole.writestr(
                info,
                rng.choice(TARGETS) if link else _content(rng),
                rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)),
            )
            described.append(f"{info.filename[:40]!r} {oct(mode)}")
    content = buffer.getvalue()
    if rng.random() < 0.2:  # sizes that lie
        place = content.rfind(b"PK\x01\x02") + rng.choice((8, 10, 20, 24, 28, 38, 42))
        content = content[:place] + rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\0\0\0")) + content[place + 4 :]
        described.append(f"4 bytes at {place} of the table changed")
    return content, ", ".join(described)


def _tar(rng: random.Random) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    described = []
    format = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))
    with tarfile.open(fileobj=buffer, mode="w", format=format, errors="surrogateescape") as whole:
        for _ in range(rng.choice((1, 2, 5, 20))):
            info = tarfile.TarInfo(_name(rng))
            info.type = tarfile.REGTYPE if rng.random() < 0.6 else rng.choice(TAR_KINDS)
            info.linkname = rng.choice(TARGETS)
            info.mode = 0o6777
            data = _content(rng)
            info.size = len(data)
            if rng.random() < 0.1:
                field = rng.choice(("size", "path", "linkpath", "GNU.sparse.major", "GNU.sparse.map", "mtime"))
                info.pax_headers = {field: rng.choice(("-1", "9" * 30, "../x", "1,2,3", "0", "nan", ""))}
            try:
                whole.addfile(info, io.BytesIO(data))
            except (ValueError, UnicodeError):  # a name that this format cannot hold
                continue
            described.append(f"{info.name[:40]!r} {info.type!r} {info.pax_headers}")
    content = buffer.getvalue()
    if rng.random() < 0.1:  # a size that lies, with the right checksum
        header = bytearray(content[:512])
        header[124:136] = rng.choice((b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0", b"00000000001\0"))
        header[148:156] = b"        "
        header[148:156] = b"%06o\0 " % sum(header)
        content = bytes(header) + content[512:]
        described.append("the size of the first member changed")
    return content, ", ".join(described)
