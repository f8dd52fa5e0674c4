"""Conversions with addresses, by one worker in this process."""

import json
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import tifffile
from PIL import Image

import i2i
from i2i.convert import Result
from i2i.convert.conversion import open_conversion
from i2i.convert.distributed import run
from i2i.convert.distributed.results import ResultWriter
from i2i.convert.distributed.run import convert_distributed
from i2i.convert.options import ConvertOptions
from i2i.errors import I2IError, UsageError
from tests.conftest import random_image, write_random_images

pytestmark = pytest.mark.usefixtures("shared_decoders")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos whose names meet, in two folders, beside a damaged file and files that are no photos."""
    folder = tmp_path / "photos"
    write_random_images(folder, 3)
    for seed, name in enumerate(("000.jpg", "sub/a.jpg", "sub/a.png.jpg", "a.png/b.webp", "a.jpg")):
        (folder / name).parent.mkdir(exist_ok=True)
        random_image(seed + 50).save(folder / name)
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (folder / "note.txt").write_text("no image")
    (folder / "unnamed").write_bytes((folder / "000.png").read_bytes())
    return folder


def options(*sources: Path, **changes: object) -> ConvertOptions:
    return ConvertOptions(model="identity", sources=sources or [Path("x")], out=Path("x"), device="cpu", **changes)  # type: ignore[arg-type]


def plain(source: Path, out: Path) -> Result:
    with open_conversion(ConvertOptions(model="identity", sources=[source], out=out, device="cpu")) as conversion:
        return conversion.convert_images(lambda done, failed, total: None)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def stored(system: fsspec.AbstractFileSystem, root: str) -> dict[str, bytes]:
    names = (name for name in system.find(root) if "/.i2i" not in name)
    return {name.removeprefix(f"{root}/"): system.cat_file(name) for name in names}


def test_results_failures_and_names_are_those_of_a_plain_conversion(photos: Path, tmp_path: Path) -> None:
    expected = plain(photos, tmp_path / "plain")
    result = convert_distributed(options(), [str(photos)], str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
    assert sorted(result.converted) == sorted((source, Path(str(target).replace("/plain/", "/out/")))
                                              for source, target in expected.converted)  # fmt: skip
    assert result.failed == expected.failed
    assert list(result.skipped) == expected.skipped


def test_a_plain_rerun_finds_the_results_up_to_date_and_the_reverse(photos: Path, tmp_path: Path) -> None:
    convert_distributed(options(), [str(photos)], str(tmp_path / "out"))
    assert plain(photos, tmp_path / "out").converted == []
    plain(photos, tmp_path / "other")
    again = convert_distributed(options(), [str(photos)], str(tmp_path / "other"))
    assert len(again.converted) == 0
    assert sum(reason.endswith("is up to date") for *_, reason in again.skipped) == 9


def test_photos_at_an_address_become_the_same_results_at_another(
    photos: Path, tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    expected = plain(photos, tmp_path / "plain")
    memory.put(str(photos), "/bucket/photos", recursive=True)
    result = convert_distributed(options(), ["memory://bucket/photos"], "memory://bucket/out")
    assert stored(memory, "/bucket/out") == contents(tmp_path / "plain")
    ((address, reason),) = result.failed
    assert address == "memory:///bucket/photos/bad.png"
    assert reason == expected.failed[0][1].replace(str(photos), "memory:///bucket/photos")


def test_a_rerun_at_an_address_converts_what_changed(tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    memory.put(str(write_random_images(tmp_path / "in", 3)[0].parent), "/bucket/photos", recursive=True)
    arguments = (options(), ["memory://bucket/photos"], "memory://bucket/out")
    assert len(convert_distributed(*arguments).converted) == 3
    assert len(convert_distributed(*arguments).converted) == 0
    memory.pipe_file("/bucket/photos/001.png", (tmp_path / "in/002.png").read_bytes())
    memory.rm("/bucket/out/000.png")
    memory.pipe_file("/bucket/out/002.png", b"edited by hand")
    result = convert_distributed(*arguments)
    assert sorted(target.rpartition("/")[2] for _, target in result.converted) == ["000.png", "001.png"]
    assert [reason for *_, reason in result.skipped] == [
        "memory://bucket/out/002.png exists already, and i2i did not make it from this source (--overwrite replaces it)"
    ]


def test_files_of_a_folder_share_their_value_range(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for high in (100, 4000):
        tifffile.imwrite(tmp_path / f"in/{high}.tif", np.linspace(0, high, 256).reshape(16, 16).astype(np.int32))
    plain(tmp_path / "in", tmp_path / "plain")
    convert_distributed(options(), [str(tmp_path / "in")], str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


def test_lines_that_a_lost_worker_left_count_for_any_later_run(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert_distributed(options(), [str(photos)], str(out))
    (out / ".i2i.parts").mkdir()
    (out / ".i2i.jsonl").rename(out / ".i2i.parts/1-00000000-0-0001.jsonl")
    assert plain(photos, out).converted == []
    (out / ".i2i.jsonl").unlink()
    assert len(convert_distributed(options(), [str(photos)], str(out)).converted) == 0
    assert not (out / ".i2i.parts").exists()
    assert len((out / ".i2i.jsonl").read_text().splitlines()) == 9


def test_an_interrupted_conversion_keeps_the_results_of_unfinished_chunks(
    tmp_path: Path, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_random_images(tmp_path / "in", 6)
    monkeypatch.setattr(run, "CHUNK_FILES", 3)
    add = ResultWriter.commit

    def commit_and_interrupt(writer: ResultWriter) -> None:
        add(writer)
        if writer._chunk.name.endswith("1"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResultWriter, "commit", commit_and_interrupt)
        result = convert_distributed(options(), [str(tmp_path / "in")], "memory://bucket/out")
    assert result.stopped
    assert (len(result.converted), len(stored(memory, "/bucket/out"))) == (3, 6)
    again = convert_distributed(options(), [str(tmp_path / "in")], "memory://bucket/out")
    assert [reason.rpartition(" is ")[2] for *_, reason in again.skipped] == ["up to date"] * 6


def test_a_conversion_that_cannot_start_leaves_the_manifest_as_it_is(
    tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    write_random_images(tmp_path / "in", 3)
    arguments = ([str(tmp_path / "in")], "memory://bucket/out")
    convert_distributed(options(), *arguments)
    memory.pipe_file("/bucket/out/.i2i.parts/1-00000000-0-0001.jsonl", b"{}\n")
    manifest = memory.cat_file("/bucket/out/.i2i.jsonl")
    with pytest.raises(I2IError):
        convert_distributed(replace(options(), model="no-such-model"), *arguments)
    assert memory.cat_file("/bucket/out/.i2i.jsonl") == manifest


def test_a_dry_run_lists_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    result = convert_distributed(options(), [str(photos)], str(tmp_path / "out"), dry_run=True)
    assert len(result.planned) == 10
    assert not (tmp_path / "out").exists()


def test_an_object_whose_name_leaves_the_folder_fails(tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    image = write_random_images(tmp_path / "in", 1)[0].read_bytes()
    memory.pipe_file("/bucket/photos/good.png", image)
    memory.pipe_file("/bucket/photos/a//../../../evil.png", image)
    result = convert_distributed(options(), ["memory://bucket/photos"], str(tmp_path / "out"))
    assert contents(tmp_path / "out").keys() == {"good.png"}
    assert not (tmp_path / "evil.png").exists()
    assert len(result.converted) == 1


@pytest.mark.parametrize(
    ("sources", "out", "message"),
    [
        (["memory://nowhere"], "out", "does not exist, or holds no files"),
        (["photos"], "photos", "is also --out"),
        (["photos/000.png"], "photos", "which is a source"),
        (["photos"], "hf://user/repo", "each file would be a commit"),
        (["missing"], "out", "does not exist"),
        (["nonsense://bucket/a"], "out", "is an address that i2i does not read"),
        (["https://example.com/a.png"], "out", "is an address that i2i does not read"),
        (["s3://bucket/a::https://example.com/b"], "out", "is an address that i2i does not read"),
        (["photos"], "out/result.png", "is the name of an image"),
    ],
)
def test_bad_sources_and_destinations_are_refused(photos: Path, sources: list[str], out: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        convert_distributed(options(), sources, out)


def test_python_takes_addresses(photos: Path, memory: fsspec.AbstractFileSystem) -> None:
    result = i2i.convert("identity", photos, "memory://bucket/out")
    assert len(result.converted) == 9
    assert len(stored(memory, "/bucket/out")) == 9


def test_the_manifest_at_an_address_has_one_line_for_each_result(
    tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    write_random_images(tmp_path / "in", 3)
    convert_distributed(options(), [str(tmp_path / "in")], "memory://bucket/out")
    rows = list(map(json.loads, memory.cat_file("/bucket/out/.i2i.jsonl").splitlines()))
    assert sorted(row["output"] for row in rows) == ["000.png", "001.png", "002.png"]
    assert not memory.find("/bucket/out/.i2i.parts")
    with Image.open(memory.open("/bucket/out/000.png")) as image:
        assert image.size == (16, 16)
