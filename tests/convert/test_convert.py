from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from i2i.cli import app
from i2i.convert import Result, count_frames, make_plan
from i2i.convert.api import convert as convert_in_processes
from i2i.convert.manifest import LOCK_NAME, MANIFEST_NAME, Manifest
from i2i.errors import I2IError, UsageError
from i2i.images import Provenance
from i2i.inference.loading import load
from i2i.inference.postprocessing import PendingImage
from i2i.inference.translator import Translator
from tests.conftest import random_image, write_random_images
from tests.images.in_process_reader import InProcessReader


def convert(*args: Any, **options: Any) -> Result:
    return convert_in_processes(*args, reader=InProcessReader(), **options)


def keep(image: Image.Image) -> Image.Image:
    return image


def tree(folder: Path) -> set[str]:
    """Return the files below a folder, without the manifest and its lock."""
    excluded = {MANIFEST_NAME, LOCK_NAME}
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name not in excluded}


def test_a_folder_keeps_its_tree(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in" / "a" / "b", 2)
    write_random_images(tmp_path / "in", 1)
    result = convert(keep, [tmp_path / "in"], tmp_path / "out")
    assert tree(tmp_path / "out") == {"000.png", "a/b/000.png", "a/b/001.png"}
    assert len(result.converted) == 3


def test_identity_converts_to_the_same_pixels(tmp_path: Path) -> None:
    (path,) = write_random_images(tmp_path / "in", 1)
    convert(load("identity", device="cpu"), [path], tmp_path / "out")
    with Image.open(path) as source, Image.open(tmp_path / "out" / "000.png") as output:
        assert np.array_equal(np.asarray(source), np.asarray(output))


def test_a_photo_is_turned_by_its_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    random_image(0, 30, 20).save(tmp_path / "photo.jpg", exif=exif)
    convert(keep, [tmp_path / "photo.jpg"], tmp_path / "out")
    with Image.open(tmp_path / "out" / "photo.png") as output:
        assert output.size == (20, 30)


def test_bad_files_are_reported_and_the_others_converted(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 2)
    (tmp_path / "in" / "text.jpg").write_text("hello")
    (tmp_path / "in" / "empty.png").touch()
    result = convert(keep, [tmp_path / "in"], tmp_path / "out")
    assert len(result.converted) == 2
    assert {path.name for path, _ in result.failed} == {"text.jpg", "empty.png"}
    assert tree(tmp_path / "out") == {"000.png", "001.png"}


def test_an_image_that_the_translator_rejects_does_not_stop_the_others(tmp_path: Path) -> None:
    def fail_if_wide(image: Image.Image) -> Image.Image:
        if image.width > 20:
            raise I2IError("too large")
        return image

    write_random_images(tmp_path / "in", 1)
    random_image(0, 40).save(tmp_path / "in" / "large.png")
    result = convert(fail_if_wide, [tmp_path / "in"], tmp_path / "out")
    assert [reason for _, reason in result.failed] == ["too large"]
    assert len(result.converted) == 1


def test_existing_results_are_skipped_unless_overwriting(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "000.png").write_text("mine")
    assert len(convert(keep, [tmp_path / "in"], tmp_path / "out").skipped) == 1
    assert (tmp_path / "out" / "000.png").read_text() == "mine"
    assert len(convert(keep, [tmp_path / "in"], tmp_path / "out", overwrite=True).converted) == 1


def test_conflicting_names_are_made_unique(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "a.png", "b.png"):
        random_image(0).save(tmp_path / "in" / name)
    convert(keep, [tmp_path / "in"], tmp_path / "out")
    assert tree(tmp_path / "out") == {"a.png", "a.png.png", "b.png"}


def test_equal_names_of_two_sources_are_numbered(tmp_path: Path) -> None:
    for folder in "xy":
        write_random_images(tmp_path / folder, 1)
    convert(keep, [tmp_path / "x", tmp_path / "y"], tmp_path / "out")
    assert len(tree(tmp_path / "out")) == 2


@pytest.mark.parametrize("out", ["in", "."])
def test_a_source_is_never_overwritten(tmp_path: Path, out: str) -> None:
    (path,) = write_random_images(tmp_path / "in", 1)
    before = path.read_bytes()
    sources = [tmp_path / "in"] if out == "in" else [path]
    target = tmp_path / out if out == "in" else path.parent
    with pytest.raises(UsageError, match=r"source.*another --out"):
        convert(keep, sources, target, overwrite=True)
    assert path.read_bytes() == before


def test_results_inside_the_source_folder_are_not_converted_again(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    out = tmp_path / "in" / "out"
    convert(keep, [tmp_path / "in"], out)
    assert [job.source.name for job in make_plan([tmp_path / "in"], out, "png").jobs] == ["000.png"]


def test_a_missing_source_and_an_empty_folder_are_rejected_first(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, reason in ((tmp_path / "nowhere", "does not exist"), (tmp_path / "empty", "holds no images")):
        with pytest.raises(UsageError, match=reason):
            convert(keep, [source], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["with space.png", "-dash.png", "new\nline.png", "émoji 🦓.png", "x" * 240 + ".png"])
def test_unusual_names_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    random_image(0).save(tmp_path / "in" / name)
    convert(keep, [tmp_path / "in"], tmp_path / "out")
    assert tree(tmp_path / "out") == {name}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_fails_the_results_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_random_images(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST_NAME).symlink_to("/dev/full")
    monkeypatch.setattr(Manifest, "load", lambda self: None)  # /dev/full can be read without end
    result = convert(keep, [tmp_path / "in"], tmp_path / "out")
    assert [reason.endswith("No space left on device.") for _, reason in result.failed] == [True, True]
    assert tree(tmp_path / "out") == set()


def test_a_failed_write_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_random_images(tmp_path / "in", 1)
    monkeypatch.setattr("os.fsync", full)
    result = convert(keep, [tmp_path / "in"], tmp_path / "out")
    assert "No space left" in result.failed[0][1]
    assert tree(tmp_path / "out") == set()


def test_results_are_in_the_order_of_the_sources(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"{index}.png" for index in range(12)]
    for index, path in enumerate(paths):
        random_image(index, 16 + 16 * (index % 3)).save(path)
    paths[4].write_text("text")
    paths[7].write_text("text")
    result = convert(load("identity", device="cpu"), paths, tmp_path / "out")
    assert [source for source, _ in result.converted] == [path for path in paths if path not in (paths[4], paths[7])]
    assert [source for source, _ in result.failed] == [paths[4], paths[7]]


def test_an_image_that_the_format_cannot_hold_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (65_600, 1)).save(tmp_path / "in" / "long.png")
    random_image(0).save(tmp_path / "in" / "short.png")
    result = convert(keep, [tmp_path / "in"], tmp_path / "out", kind="jpg")
    assert [reason for _, reason in result.failed] == [
        "An image of 65600x1 pixels cannot be written as JPEG: broken data stream when writing image file."
    ]
    assert tree(tmp_path / "out") == {"short.jpg"}


def test_the_metadata_of_a_result_names_the_model(tmp_path: Path) -> None:
    translate = load("identity", device="cpu")
    translate.provenance = Provenance("zebra AtoB", "1", "i2i 0")
    convert(translate, write_random_images(tmp_path / "in", 1), tmp_path / "out")
    with Image.open(tmp_path / "out" / "000.png") as image:
        assert b"i2i 0, model zebra AtoB" in image.info["xmp"]


def test_the_command_uses_the_given_batch_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    submit = Translator.submit

    def record_size(self: Translator, images: Sequence[Image.Image]) -> list[PendingImage]:
        sizes.append(len(images))
        return submit(self, images)

    monkeypatch.setattr(Translator, "submit", record_size)
    write_random_images(tmp_path / "in", 5)
    arguments = ["convert", "identity", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert CliRunner().invoke(app, [*arguments, "--batch-size", "2"]).exit_code == 0
    assert sizes == [2, 2, 1]
    assert CliRunner().invoke(app, [*arguments, "--batch-size", "-1"]).exit_code == 2


def test_an_interrupted_count_of_frames_probes_no_more_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probed, closed = [], []

    class Interrupted(InProcessReader):
        def probe(self, path: Path) -> tuple[tuple[int, int], int]:
            probed.append(path)
            raise KeyboardInterrupt

        def close(self) -> None:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        count_frames([Path(str(number)) for number in range(10_000)], Interrupted())
    assert len(probed) < 10_000
    assert closed


def test_a_notice_says_how_many_frames_or_pages_are_left_out(tmp_path: Path) -> None:
    first, *others = (random_image(index) for index in range(3))
    (tmp_path / "in").mkdir()
    for name in ("a.gif", "a.webp", "a.png", "a.tif", "a.avif"):
        first.save(tmp_path / "in" / f"{name[2:]}.{name[2:]}", save_all=True, append_images=others, duration=100)
    first.save(tmp_path / "in" / "still.png")
    result = convert(lambda image: image, [tmp_path / "in"], tmp_path / "out")
    assert sorted((path.name, notice[:6]) for path, notice in result.notices) == [
        (f"{kind}.{kind}", "2 of 3") for kind in ("avif", "gif", "png", "tif", "webp")
    ]
    assert all(notice.endswith("(--frames all takes them)") for _, notice in result.notices)
