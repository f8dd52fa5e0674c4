import json
import os
from pathlib import Path

import pytest
from PIL import Image

from i2i.convert import ExistingPolicy, Result, convert_jobs, make_plan
from i2i.convert.manifest import MANIFEST_NAME, Manifest
from i2i.errors import UsageError
from i2i.images import Writer
from i2i.images.files import remove_unfinished
from tests.conftest import random_image, write_random_images
from tests.images.in_process_reader import InProcessReader


def convert_folder(
    root: Path, out: Path, settings_hash: str = "model", existing: ExistingPolicy = "continue"
) -> Result:
    plan = make_plan([root], out, "png")
    return convert_jobs(lambda image: image, plan, out, writer=Writer(), settings_hash=settings_hash,
                        existing=existing, reader=InProcessReader())  # fmt: skip


def names(result: Result) -> list[str]:
    return [output.name for _, output in result.converted]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_random_images(tmp_path / "in", 3)
    assert len(convert_folder(tmp_path / "in", tmp_path / "out").converted) == 3
    return tmp_path


def test_a_rerun_has_nothing_to_do(folder: Path) -> None:
    again = convert_folder(folder / "in", folder / "out")
    assert again.converted == []
    assert {reason.rpartition(" is ")[2] for *_, reason in again.skipped} == {"up to date"}


def test_a_rerun_converts_changed_new_and_deleted_files(folder: Path) -> None:
    random_image(99).save(folder / "in" / "000.png")
    random_image(98).save(folder / "in" / "new.png")
    (folder / "out" / "002.png").unlink()
    assert names(convert_folder(folder / "in", folder / "out")) == ["000.png", "002.png", "new.png"]
    with Image.open(folder / "out" / "000.png") as image:
        assert image.tobytes() == random_image(99).tobytes()
    assert names(convert_folder(folder / "in", folder / "out")) == []


def test_a_source_that_changes_during_conversion_is_converted_again(tmp_path: Path) -> None:
    (source,) = write_random_images(tmp_path / "in", 1)

    def slow(image: Image.Image) -> Image.Image:
        random_image(77, 40).save(source)
        return image

    jobs, out = make_plan([source], tmp_path / "out", "png"), tmp_path / "out"
    convert_jobs(slow, jobs, out, writer=Writer(), settings_hash="model", reader=InProcessReader())
    assert names(convert_folder(source, out)) == ["000.png"]
    with Image.open(out / "000.png") as image:
        assert image.size == (40, 16)
    assert names(convert_folder(source, out)) == []


def test_another_model_converts_all_files_again(folder: Path) -> None:
    assert len(names(convert_folder(folder / "in", folder / "out", "another"))) == 3
    assert names(convert_folder(folder / "in", folder / "out", "another")) == []


def test_foreign_files_are_kept(folder: Path) -> None:
    random_image(99).save(folder / "in" / "000.png")
    random_image(98).save(folder / "in" / "003.png")
    (folder / "out" / "000.png").write_text("retouched")
    (folder / "out" / "003.png").write_text("mine")
    again = convert_folder(folder / "in", folder / "out", "another")
    assert names(again) == ["001.png", "002.png"]
    assert [source.name for source, _, reason in again.skipped if "--overwrite" in reason] == ["000.png", "003.png"]
    assert (folder / "out" / "000.png").read_text() == "retouched"
    assert len(names(convert_folder(folder / "in", folder / "out", existing="overwrite"))) == 4


def test_skipping_keeps_results_of_other_models(folder: Path) -> None:
    random_image(98).save(folder / "in" / "003.png")
    assert names(convert_folder(folder / "in", folder / "out", "another", "skip")) == ["003.png"]


def test_a_copied_result_is_recognised_by_its_content(folder: Path) -> None:
    for path in (folder / "out").glob("*.png"):
        os.utime(path, (0, 0))
    assert names(convert_folder(folder / "in", folder / "out")) == []


def test_a_source_of_another_folder_is_another_source(folder: Path) -> None:
    write_random_images(folder / "in2", 3, seed=5)
    for path in (folder / "in2").iterdir():
        times = (folder / "in" / path.name).stat()
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(names(convert_folder(folder / "in2", folder / "out"))) == 3


@pytest.mark.parametrize("junk", [b'{"output": "000.png", "fr', b"\xff\xfe\n", b"[]\n", b'{"output": 5}\n', b"\n" * 9])
def test_a_damaged_manifest_keeps_its_valid_lines(folder: Path, junk: bytes) -> None:
    with (folder / "out" / MANIFEST_NAME).open("ab") as file:
        file.write(junk)
    assert names(convert_folder(folder / "in", folder / "out")) == []
    random_image(97).save(folder / "in" / "000.png")
    assert names(convert_folder(folder / "in", folder / "out")) == ["000.png"]
    assert names(convert_folder(folder / "in", folder / "out")) == []


def test_a_line_without_its_result_does_not_hide_earlier_lines(folder: Path) -> None:
    """After a crash between the two writes the old result still exists, and may be replaced."""
    line = json.loads((folder / "out" / MANIFEST_NAME).read_text().splitlines()[0])
    line["source"], line["result"] = [1, 2, 0], [3, 4, "5"]
    with (folder / "out" / MANIFEST_NAME).open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert names(convert_folder(folder / "in", folder / "out")) == []
    assert len(names(convert_folder(folder / "in", folder / "out", "another"))) == 3


def test_a_long_manifest_is_compacted(folder: Path) -> None:
    lines = (folder / "out" / MANIFEST_NAME).read_text()
    (folder / "out" / MANIFEST_NAME).write_text(lines * 100)
    assert names(convert_folder(folder / "in", folder / "out")) == []
    assert (folder / "out" / MANIFEST_NAME).read_text().count("\n") == 6


def test_unfinished_files_of_a_killed_run_are_removed(folder: Path) -> None:
    (folder / "out" / ".000.png.123-456.part").write_text("half")
    (folder / "out" / "my.part").write_text("mine")
    convert_folder(folder / "in", folder / "out")
    assert {path.name for path in (folder / "out").iterdir() if path.suffix == ".part"} == {"my.part"}


def test_unfinished_files_of_running_processes_are_kept(folder: Path) -> None:
    alive, dead = (folder / "out" / f".clip.mp4.{number}-1.part" for number in (os.getppid(), 2**22 + 1))
    for path in (alive, dead):
        path.touch()
    remove_unfinished([folder / "out"], "photo.png")
    assert dead.exists()
    remove_unfinished([folder / "out"], "clip.mp4")
    assert alive.exists()
    assert not dead.exists()


def test_two_conversions_cannot_write_into_one_folder(folder: Path) -> None:
    with Manifest(folder / "out", "other"), pytest.raises(UsageError, match="Another conversion is writing"):
        convert_folder(folder / "in", folder / "out")


def test_no_result_is_written_through_a_link_out_of_the_folder(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in" / "sub", 1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    result = convert_folder(tmp_path / "in", tmp_path / "out")
    assert "one of its parent folders is a link" in result.failed[0][1]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_result_replaces_a_link_and_does_not_write_through_it(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out" / "000.png").symlink_to(tmp_path / "precious")
    convert_folder(tmp_path / "in", tmp_path / "out", existing="overwrite")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "out" / "000.png").is_symlink()
