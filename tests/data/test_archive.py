import gzip
import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

import i2i.data.archive as module
from i2i.data.unpack import unpack
from i2i.errors import DownloadError

BLOCK = tarfile.BLOCKSIZE


def header(name: str, kind: bytes, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


def extended(text: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return an extended header with its text."""
    return header("pax", kind, len(text)) + text + bytes(-len(text) % BLOCK)


def pax(**fields: str) -> bytes:
    """Return an extended header with fields; "__" in a name stands for a dot."""
    text = b""
    for name, value in fields.items():
        rest = f" {name.replace('__', '.')}={value}\n".encode()
        text += str(next(n for n in range(len(rest), len(rest) + 9) if len(str(n)) + len(rest) == n)).encode() + rest
    return extended(text)


def write(path: Path, *parts: bytes) -> Path:
    data = b"".join(parts)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def gnu_sparse(map_: bytes) -> bytes:
    block = bytearray(header("set/1.jpg", tarfile.GNUTYPE_SPARSE, 0))
    block[386 : 386 + len(map_)] = map_
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


MEMBER = header("set/1.jpg", tarfile.REGTYPE, 3) + b"abc".ljust(BLOCK, b"\0")
SPARSE = {
    "map in the header": gnu_sparse(b"0" * 96),
    "map that is cut": gnu_sparse(b"0" * 96 + b"\x01")[:BLOCK],
    "map of letters": gnu_sparse(b"x" * 96),
    "0.0": pax(GNU__sparse__size="9", GNU__sparse__numblocks="1") + MEMBER,
    "0.1": pax(GNU__sparse__map="0,x,1") + MEMBER,
    "0.1, odd": pax(GNU__sparse__map="0") + MEMBER,
    "1.0": pax(GNU__sparse__major="1", GNU__sparse__minor="0") + MEMBER,
    "1.0, cut": pax(GNU__sparse__major="1", GNU__sparse__minor="0") + header("set/1.jpg", tarfile.REGTYPE, 2**30),
    "1.0, digits": pax(GNU__sparse__major="1", GNU__sparse__minor="0")
    + header("set/1.jpg", tarfile.REGTYPE, 67_000)
    + b"1" * 67_072,
}


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
@pytest.mark.parametrize("kind", SPARSE)
def test_a_sparse_file_is_rejected_before_its_map_is_read(tmp_path: Path, kind: str, suffix: str) -> None:
    archive = write(tmp_path / f"set{suffix}", SPARSE[kind], bytes(2 * BLOCK))
    with pytest.raises(DownloadError, match=r"'set/1\.jpg' is a sparse file|invalid header"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        b"1" * 2**16,
        b"1" * 5000 + b" path=a\n",
        b"x" * 1000 + b"1" * 60_000,
        (b"1" * 63 + b" ") * 1024,
        (b"1" * 63 + b" hdrcharset=") * 800,
    ],
)
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE])
def test_a_pax_header_that_would_take_quadratic_time_is_rejected(tmp_path: Path, text: bytes, kind: bytes) -> None:
    archive = write(tmp_path / "set.tar", extended(text, kind), MEMBER, bytes(2 * BLOCK))
    with pytest.raises(DownloadError, match=r"pax header that does not follow its format|bytes of headers"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
def test_the_sum_of_extended_headers_is_limited(tmp_path: Path, kind: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEADER_BYTES", 2**15)
    monkeypatch.setattr(module, "MEMBER_HEADER_BYTES", 0)
    text = b"9 a=bcde\n" * 900
    archive = write(tmp_path / "set.tar.gz", *[extended(text, kind)] * 5, MEMBER, bytes(2 * BLOCK))
    with pytest.raises(DownloadError, match="bytes of headers for"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "fields",
    [{"size": "x"}, {"size": "-1"}, {"size": "1e400"}, {"path": "set/a\0b"}, {"mtime": "inf"}, {"mtime": "9" * 63}],
)
def test_a_pax_field_of_the_wrong_type_gives_no_traceback(tmp_path: Path, fields: dict[str, str]) -> None:
    archive = write(tmp_path / "set.tar", pax(**fields), MEMBER, bytes(2 * BLOCK))
    with suppress(DownloadError):
        unpack(archive, tmp_path / "out")


def test_long_names_in_pax_headers_are_read(tmp_path: Path) -> None:
    name = f"set/{'b' * 120}/{'a' * 200}.jpg"
    with tarfile.open(tmp_path / "set.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "all"}) as whole:
        for index in range(3):
            info = tarfile.TarInfo(f"{name}{index}")
            info.size = 3
            info.pax_headers = {"comment": "\u00e4" * 500}
            whole.addfile(info, io.BytesIO(b"abc"))
    unpack(tmp_path / "set.tar", tmp_path / "out")
    assert [(tmp_path / "out" / f"{name}{index}").read_bytes() for index in range(3)] == [b"abc"] * 3
