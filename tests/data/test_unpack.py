import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import i2i.data.archive as archive_module
import i2i.data.unpack as module
from i2i.data.unpack import unpack
from i2i.errors import DatasetError, DownloadError

SET = {"set/trainA/1.jpg": b"one" * 50, "set/trainB/2.jpg": b"two" * 50}
ArchiveWriter = Callable[[Path, dict[str, bytes]], Path]


def write_zip(archive: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, data in files.items():
            whole.writestr(name, data)
    return archive


def write_tar(archive: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w:gz" if archive.suffix in (".gz", ".tgz") else "w") as whole:
        for name, data in files.items():
            add_member(whole, name, data)
    return archive


def add_member(
    whole: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    info.size = len(data)
    info.mode = 0o4777
    whole.addfile(info, io.BytesIO(data))


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


FORMATS = [(write_zip, "set.zip"), (write_tar, "set.tar"), (write_tar, "set.tar.gz"), (write_tar, "set.tgz")]
every_format = pytest.mark.parametrize(("write", "name"), FORMATS, ids=[name for _, name in FORMATS])
zip_and_tar = pytest.mark.parametrize(("write", "name"), [FORMATS[0], FORMATS[2]], ids=["zip", "tar.gz"])


@every_format
def test_all_files_are_unpacked(tmp_path: Path, folder: Path, write: ArchiveWriter, name: str) -> None:
    calls: list[tuple[int, int | None]] = []
    archive = write(tmp_path / name, SET)
    unpack(archive, folder, progress=lambda *call: calls.append(call))
    assert read_files(folder) == SET
    assert calls == sorted(calls)
    assert calls[-1] == (archive.stat().st_size, archive.stat().st_size)


@zip_and_tar
def test_files_are_never_executable(tmp_path: Path, folder: Path, write: ArchiveWriter, name: str) -> None:
    unpack(write(tmp_path / name, {"set/run.sh": b"#!/bin/sh"}), folder)
    assert not stat.S_IMODE((folder / "set" / "run.sh").stat().st_mode) & ~0o644


@zip_and_tar
def test_system_files_are_skipped(tmp_path: Path, folder: Path, write: ArchiveWriter, name: str) -> None:
    junk = ["__MACOSX/set/._1.jpg", "set/.DS_Store", "set/trainA/Thumbs.db", "set/trainA/._1.jpg"]
    unpack(write(tmp_path / name, {**SET, **dict.fromkeys(junk, b"junk")}), folder)
    assert read_files(folder) == SET


@zip_and_tar
@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("../out.jpg", "leads outside"),
        ("set/../../out.jpg", "leads outside"),
        ("/etc/out.jpg", "absolute"),
        ("C:/out.jpg", "drive letter"),
        ("set\\..\\out.jpg", "backslash"),
        ("set/a\x1b[2Jb.jpg", "control character"),
        ("set/" + "a" * 300, "too long"),
        ("a/" * 40 + "b.jpg", "too long"),
    ],
)
def test_an_unsafe_name_is_rejected_and_named(
    tmp_path: Path, folder: Path, write: ArchiveWriter, name: str, member: str, reason: str
) -> None:
    with pytest.raises(DownloadError, match=reason) as caught:
        unpack(write(tmp_path / name, {member: b"x"}), folder)
    assert repr(member[:200]) in str(caught.value)
    assert not read_files(tmp_path / "out")
    assert files_outside(tmp_path, name) == []


def files_outside(tmp_path: Path, name: str) -> list[Path]:
    return [path for path in tmp_path.iterdir() if path.name not in (name, "out")]


def test_a_zip_name_is_not_cut_at_a_nul(tmp_path: Path, folder: Path) -> None:
    archive = write_zip(tmp_path / "set.zip", {"set/1.jpg~.exe": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"1.jpg~", b"1.jpg\0"))
    with pytest.raises(DownloadError, match="control character"):
        unpack(archive, folder)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.FIFOTYPE, "device"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
        (b"Z", "device"),
    ],
)
def test_links_and_devices_in_a_tar_are_rejected(tmp_path: Path, folder: Path, kind: bytes, reason: str) -> None:
    with tarfile.open(tmp_path / "set.tar", "w", format=tarfile.USTAR_FORMAT) as whole:
        add_member(whole, "set/odd", kind=kind, link="../../secret")
    with pytest.raises(DownloadError, match=f"'set/odd' is a .*{reason}|{reason}"):
        unpack(tmp_path / "set.tar", folder)
    assert not folder.exists()


@pytest.mark.parametrize(("kind", "reason"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "device")])
def test_links_and_devices_in_a_zip_are_rejected(tmp_path: Path, folder: Path, kind: int, reason: str) -> None:
    odd = zipfile.ZipInfo("set/odd")
    odd.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as whole:
        whole.writestr("set/1.jpg", b"x")
        whole.writestr(odd, "../../secret")
    with pytest.raises(DownloadError, match=f"'set/odd' is a {reason}"):
        unpack(tmp_path / "set.zip", folder)
    assert not folder.exists()  # a zip is checked completely before anything is written


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["set/1.jpg", "./set//1.jpg", "set/1.jpg/2.jpg", "set"])
@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_two_members_with_the_same_path_are_rejected(tmp_path: Path, folder: Path, second: str, suffix: str) -> None:
    archive = tmp_path / f"set{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("set/1.jpg", b"first")
            file.writestr(second, b"second")
    else:
        with tarfile.open(archive, "w") as whole:
            add_member(whole, "set/1.jpg", b"first")
            add_member(whole, second, b"second")
    with pytest.raises(DownloadError, match="already used"):
        unpack(archive, folder)
    assert read_files(folder) in ({}, {"set/1.jpg": b"first"})


@every_format
def test_a_truncated_archive_is_detected_wherever_it_ends(tmp_path: Path, write: ArchiveWriter, name: str) -> None:
    archive = write(tmp_path / name, SET)
    whole = archive.read_bytes()
    # A plain tar is complete with its first block of zeros; the rest is padding.
    end = 2 * 1024 + 512 if name.endswith(".tar") else len(whole)
    for length in range(0, end, max(1, end // 40)):
        archive.write_bytes(whole[:length])
        with pytest.raises(DownloadError, match="damaged or incomplete"):
            unpack(archive, tmp_path / f"out{length}")


@zip_and_tar
def test_a_damaged_archive_never_gives_other_bytes(tmp_path: Path, write: ArchiveWriter, name: str) -> None:
    archive = write(tmp_path / name, SET)
    whole = archive.read_bytes()
    for offset in range(0, len(whole), 7):
        archive.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x55]) + whole[offset + 1 :])
        folder = tmp_path / f"out{offset}"
        try:
            unpack(archive, folder)
        except DownloadError:
            continue
        assert set(read_files(folder).values()) <= set(SET.values())


def test_a_tar_with_a_broken_header_in_the_middle_does_not_end_there(tmp_path: Path, folder: Path) -> None:
    archive = write_tar(tmp_path / "set.tar", SET)
    data = bytearray(archive.read_bytes())
    data[1024 + 150] ^= 0x55  # in the checksum of the second header
    archive.write_bytes(data)
    with pytest.raises(DownloadError, match="damaged"):
        unpack(archive, folder)


@zip_and_tar
def test_an_archive_bomb_is_rejected_by_its_ratio(
    tmp_path: Path, folder: Path, write: ArchiveWriter, name: str
) -> None:
    archive = write(tmp_path / name, {"set/1.jpg": bytes(module.MIN_BYTE_LIMIT + 1)})
    with pytest.raises(DownloadError, match=r"'set/1.jpg' is over the limit on bytes"):
        unpack(archive, folder)
    assert not folder.exists()


@zip_and_tar
def test_the_number_of_bytes_and_files_is_limited(tmp_path: Path, write: ArchiveWriter, name: str) -> None:
    archive = write(tmp_path / name, SET)
    with pytest.raises(DownloadError, match=r"'set/trainB/2.jpg' is over the limit on bytes"):
        unpack(archive, tmp_path / "one", max_bytes=299)
    with pytest.raises(DownloadError, match=r"'set/trainB/2.jpg' is over the limit on the number"):
        unpack(archive, tmp_path / "two", max_files=1)
    unpack(archive, tmp_path / "three", max_bytes=300, max_files=2)


@zip_and_tar
def test_folders_are_counted_too(tmp_path: Path, write: ArchiveWriter, name: str) -> None:
    deep = {f"{'/'.join(f'{index}-{depth}' for depth in range(20))}/a.jpg": b"a" for index in range(51)}
    archive = write(tmp_path / name, deep)  # 51 files in 1020 folders
    with pytest.raises(DownloadError, match="over the limit on the number of folders"):
        unpack(archive, tmp_path / "one", max_files=100)
    unpack(archive, tmp_path / "two", max_files=1020)


def test_empty_folders_are_counted_too(tmp_path: Path, folder: Path) -> None:
    archive = write_zip(tmp_path / "set.zip", {f"{index}/": b"" for index in range(1001)})
    with pytest.raises(DownloadError, match="'1000/' is over the limit on the number of folders"):
        unpack(archive, folder, max_files=10)


def test_a_zip_that_declares_too_little_is_rejected(tmp_path: Path, folder: Path) -> None:
    archive = write_zip(tmp_path / "set.zip", {"set/1.jpg": bytes(5000)})
    archive.write_bytes(archive.read_bytes().replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DownloadError, match="damaged"):
        unpack(archive, folder)


def test_endless_data_after_a_tar_is_not_read(tmp_path: Path, folder: Path) -> None:
    archive = write_tar(tmp_path / "set.tar.gz", SET)
    with gzip.open(archive, "ab") as more:
        more.write(bytes(archive_module.MAX_TAIL + 1))
    with pytest.raises(DownloadError, match="data after the last member"):
        unpack(archive, folder)


def test_a_huge_extended_header_is_not_read_into_memory(tmp_path: Path, folder: Path) -> None:
    archive = write_tar(tmp_path / "set.tar", {"set/" + "a/" * 2**16 + "1.jpg": b"x"})
    with pytest.raises(DownloadError, match="a header of 1310"):
        unpack(archive, folder)


def test_an_encrypted_zip_is_rejected(tmp_path: Path, folder: Path) -> None:
    archive = write_zip(tmp_path / "set.zip", {"set/1.jpg": b"x"})
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(DownloadError, match="an encrypted file"):
        unpack(archive, folder)


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz", "set.rar"])
def test_a_file_that_is_not_an_archive_is_rejected(tmp_path: Path, folder: Path, name: str) -> None:
    (tmp_path / name).write_text("<html>Please log in</html>" * 100)
    with pytest.raises(DownloadError, match=r"damaged or incomplete|not an archive"):
        unpack(tmp_path / name, folder)


def test_a_folder_that_is_not_empty_is_left_unchanged(tmp_path: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not an empty folder"):
        unpack(write_zip(tmp_path / "set.zip", SET), folder)
    assert read_files(folder) == {"mine.txt": b"mine"}
