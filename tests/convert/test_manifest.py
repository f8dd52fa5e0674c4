import json
import os
from pathlib import Path

import pytest
from PIL import Image

from i2i.convert import Existing, Result, convert_jobs, plan
from i2i.convert.manifest import NAME, Manifest, clear_unfinished
from i2i.errors import UsageError
from i2i.images import Here, Writer
from tests.conftest import picture, write_pictures


def converted(root: Path, out: Path, made_by: str = "model", existing: Existing = "continue") -> Result:
    return convert_jobs(lambda image: image, plan([root], out, "png"), out, writer=Writer(), made_by=made_by,
                        existing=existing, reader=Here())  # fmt: skip


def names(result: Result) -> list[str]:
    return [output.name for _, output in result.converted]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "in", 3)
    assert len(converted(tmp_path / "in", tmp_path / "out").converted) == 3
    return tmp_path


def test_a_rerun_has_nothing_to_do(folder: Path) -> None:
    again = converted(folder / "in", folder / "out")
    assert again.converted == []
    assert {reason.rpartition(" is ")[2] for *_, reason in again.skipped} == {"up to date"}


def test_a_rerun_redoes_what_changed_and_does_what_came_or_is_gone(folder: Path) -> None:
    picture(99).save(folder / "in" / "000.png")
    picture(98).save(folder / "in" / "new.png")
    (folder / "out" / "002.png").unlink()
    assert names(converted(folder / "in", folder / "out")) == ["000.png", "002.png", "new.png"]
    with Image.open(folder / "out" / "000.png") as image:
        assert image.tobytes() == picture(99).tobytes()
    assert names(converted(folder / "in", folder / "out")) == []


def test_a_source_that_changes_while_it_is_converted_is_redone_by_the_next_run(tmp_path: Path) -> None:
    (source,) = write_pictures(tmp_path / "in", 1)

    def slow(image: Image.Image) -> Image.Image:
        picture(77, 40).save(source)
        return image

    jobs, out = plan([source], tmp_path / "out", "png"), tmp_path / "out"
    convert_jobs(slow, jobs, out, writer=Writer(), made_by="model", reader=Here())
    assert names(converted(source, out)) == ["000.png"]
    with Image.open(out / "000.png") as image:
        assert image.size == (40, 16)
    assert names(converted(source, out)) == []


def test_another_model_redoes_all(folder: Path) -> None:
    assert len(names(converted(folder / "in", folder / "out", "another"))) == 3
    assert names(converted(folder / "in", folder / "out", "another")) == []


def test_what_somebody_changed_or_put_there_is_left(folder: Path) -> None:
    picture(99).save(folder / "in" / "000.png")
    picture(98).save(folder / "in" / "003.png")
    (folder / "out" / "000.png").write_text("retouched")
    (folder / "out" / "003.png").write_text("mine")
    again = converted(folder / "in", folder / "out", "another")
    assert names(again) == ["001.png", "002.png"]
    assert [source.name for source, _, reason in again.skipped if "--overwrite" in reason] == ["000.png", "003.png"]
    assert (folder / "out" / "000.png").read_text() == "retouched"
    assert len(names(converted(folder / "in", folder / "out", existing="overwrite"))) == 4


def test_skipping_leaves_what_is_there_whatever_made_it(folder: Path) -> None:
    picture(98).save(folder / "in" / "003.png")
    assert names(converted(folder / "in", folder / "out", "another", "skip")) == ["003.png"]


def test_a_result_that_was_copied_is_known_by_its_content(folder: Path) -> None:
    for path in (folder / "out").glob("*.png"):
        os.utime(path, (0, 0))
    assert names(converted(folder / "in", folder / "out")) == []


def test_a_source_of_another_folder_is_another_source(folder: Path) -> None:
    write_pictures(folder / "in2", 3, seed=5)
    for path in (folder / "in2").iterdir():
        times = (folder / "in" / path.name).stat()
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(names(converted(folder / "in2", folder / "out"))) == 3


@pytest.mark.parametrize("junk", [b'{"output": "000.png", "fr', b"\xff\xfe\n", b"[]\n", b'{"output": 5}\n', b"\n" * 9])
def test_a_manifest_that_is_cut_short_or_damaged_says_what_it_can(folder: Path, junk: bytes) -> None:
    with (folder / "out" / NAME).open("ab") as file:
        file.write(junk)
    assert names(converted(folder / "in", folder / "out")) == []
    picture(97).save(folder / "in" / "000.png")
    assert names(converted(folder / "in", folder / "out")) == ["000.png"]
    assert names(converted(folder / "in", folder / "out")) == []


def test_a_line_of_a_result_that_never_got_its_name_hides_none_before_it(folder: Path) -> None:
    """As after a crash between the two: the old result is still there, and still ours to redo."""
    line = json.loads((folder / "out" / NAME).read_text().splitlines()[0])
    line["source"], line["result"] = [1, 2, 0], [3, 4, "5"]
    with (folder / "out" / NAME).open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert names(converted(folder / "in", folder / "out")) == []
    assert len(names(converted(folder / "in", folder / "out", "another"))) == 3


def test_a_manifest_that_has_grown_long_is_cut_short_and_says_the_same(folder: Path) -> None:
    lines = (folder / "out" / NAME).read_text()
    (folder / "out" / NAME).write_text(lines * 100)
    assert names(converted(folder / "in", folder / "out")) == []
    assert (folder / "out" / NAME).read_text().count("\n") == 6


def test_unfinished_files_of_a_run_that_was_killed_are_cleared_away(folder: Path) -> None:
    (folder / "out" / ".000.png.123-456.part").write_text("half")
    (folder / "out" / "my.part").write_text("mine")
    converted(folder / "in", folder / "out")
    assert {path.name for path in (folder / "out").iterdir() if path.suffix == ".part"} == {"my.part"}


def test_what_another_process_is_writing_is_not_cleared_away(folder: Path) -> None:
    its_own, gone = (folder / "out" / f".clip.mp4.{number}-1.part" for number in (os.getppid(), 2**22 + 1))
    for path in (its_own, gone):
        path.touch()
    clear_unfinished([folder / "out"], "photo.png")
    assert gone.exists()
    clear_unfinished([folder / "out"], "clip.mp4")
    assert its_own.exists()
    assert not gone.exists()


def test_two_conversions_do_not_write_into_one_folder_at_once(folder: Path) -> None:
    with Manifest(folder / "out", "other"), pytest.raises(UsageError, match="Another conversion is writing"):
        converted(folder / "in", folder / "out")


def test_no_result_goes_through_a_link_out_of_the_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in" / "sub", 1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    result = converted(tmp_path / "in", tmp_path / "out")
    assert "a folder on the way is a link" in result.failed[0][1]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_result_replaces_a_link_and_does_not_write_through_it(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out" / "000.png").symlink_to(tmp_path / "precious")
    converted(tmp_path / "in", tmp_path / "out", existing="overwrite")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "out" / "000.png").is_symlink()
