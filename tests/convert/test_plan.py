import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from i2i.convert import make_plan
from i2i.convert.plan import Plan
from i2i.errors import UsageError
from tests.conftest import random_image


def files(root: Path, *names: str) -> Path:
    """Create empty files of these names below ``root``: planning reads none."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def planned(root: Path, out: str = "out", kind: str = "png", **options: object) -> dict[str, str]:
    """Return each source below ``root`` with its output."""
    plan: Plan = make_plan([root], root.parent / out, kind, **options)  # type: ignore[arg-type]
    return {
        job.source.relative_to(root).as_posix(): job.target.relative_to(root.parent / out).as_posix()
        for job in plan.jobs
    }


def test_output_names_do_not_depend_on_the_order_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = files(tmp_path / "in", "a.jpg", "a.png", "A.webp", "b.png", "d/a.jpg", "c.png.jpg", "c.jpg", "c.png")
    expected = planned(root)
    assert expected == {
        "A.webp": "A.png", "a.jpg": "a.jpg.png", "a.png": "a.png.png", "b.png": "b.png", "d/a.jpg": "d/a.png",
        "c.jpg": "c.png", "c.png": "c.png.png", "c.png.jpg": "c.png.jpg.png",
    }  # fmt: skip
    walk = os.walk

    def backwards(*args: object, **options: object) -> object:
        return ((folder, folders, names[::-1]) for folder, folders, names in walk(*args, **options))  # type: ignore[call-overload]

    monkeypatch.setattr(os, "walk", backwards)
    assert planned(root) == expected


def test_a_file_that_is_named_twice_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files(tmp_path, "in/a.jpg", "in/b.jpg"))
    sources = [Path("in"), Path("in/a.jpg"), tmp_path / "in" / "b.jpg"]
    assert [job.target.name for job in make_plan(sources, tmp_path / "out", "png").jobs] == ["a.png", "b.png"]


def test_names_that_a_file_system_may_treat_as_equal_stay_distinct(tmp_path: Path) -> None:
    names = ("Horse.jpg", "horse.png", "caf\u00e9.jpg", "cafe\u0301.png")
    taken = {target.casefold() for target in planned(files(tmp_path / "in", *names)).values()}
    assert len(taken) == 4
    assert taken >= {"horse.png", "horse.png.png"}


def test_a_folder_with_the_name_of_a_result_keeps_its_name(tmp_path: Path) -> None:
    root = files(tmp_path / "in", "x.jpg", "x.png/inner.jpg")
    assert planned(root) == {"x.jpg": "x.jpg.png", "x.png/inner.jpg": "x.png/inner.png"}


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_name_that_is_too_long_is_cut_and_stays_unique(tmp_path: Path, kind: str) -> None:
    names = ("n" * 251 + ".jpg", "n" * 251 + ".png", "画" * 83 + ".tif", "o" * 247 + ".jpg")
    targets = list(planned(files(tmp_path / "in", *names), kind=kind).values())
    assert len(set(targets)) == 4
    assert max(len(os.fsencode(target)) for target in targets) <= 255


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_not_valid_text_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xff.jpg")
    assert list(planned(files(tmp_path / "in", name)).values()) == [os.fsdecode(b"caf\xe9 \xff.png")]


def test_hidden_files_and_system_folders_are_left_out(tmp_path: Path) -> None:
    names = (
        ".hidden.jpg",
        "._a.jpg",
        "__MACOSX/a.jpg",
        "@eaDir/a.jpg",
        ".git/a.png",
        "Thumbs.db",
        "notes.txt",
        "a.jpg",
    )
    assert planned(files(tmp_path / "in", *names)) == {"a.jpg": "a.png"}


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["*.jpg"], ["a.jpg", "d/b.jpg", "d/e/b.jpg"]),
        (["b*"], ["b.png", "d/b.jpg", "d/e/b.jpg"]),
        (["d/*"], ["d/b.jpg", "d/e/b.jpg"]),
        (["d/e/*", "a.*"], ["a.jpg", "d/e/b.jpg"]),
        (["[ab].???"], ["a.jpg", "b.png", "d/b.jpg", "d/e/b.jpg"]),
    ],
)
def test_a_pattern_matches_names_or_with_a_slash_paths(tmp_path: Path, patterns: list[str], chosen: list[str]) -> None:
    root = files(tmp_path / "in", "a.jpg", "b.png", "d/b.jpg", "d/e/b.jpg")
    assert sorted(planned(root, patterns=patterns)) == chosen


def test_a_pattern_without_matches_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no images that match \*\.gif"):
        planned(files(tmp_path / "in", "a.jpg"), patterns=["*.gif"])


def test_links_are_followed_and_a_folder_is_converted_once(tmp_path: Path) -> None:
    files(tmp_path / "elsewhere", "c.jpg", "more/d.jpg")
    root = files(tmp_path / "in", "a.jpg", "sub/b.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "elsewhere" / "c.jpg")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "sub")
    (root / "self").symlink_to(root / "self")
    (root / "self.jpg").symlink_to(root / "self.jpg")
    plan = make_plan([root], tmp_path / "out", "png")
    assert {job.source.relative_to(root).as_posix() for job in plan.jobs} == {
        "a.jpg", "sub/b.jpg", "out.jpg", "folder/c.jpg", "folder/more/d.jpg", "self.jpg",
    }  # fmt: skip
    skipped = {path.name: reason for path, reason in plan.skipped}
    assert set(skipped) == {"loop", "up", "again", "self"}
    assert "contains it" in skipped["loop"]
    assert "contains it" in skipped["up"]
    assert "read already" in skipped["again"]
    assert "link to itself" in skipped["self"]


def test_a_link_given_as_source_is_followed(tmp_path: Path) -> None:
    files(tmp_path / "elsewhere", "photo.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "elsewhere" / "photo.jpg")
    assert [job.target.name for job in make_plan([tmp_path / "link.jpg"], tmp_path / "out", "png").jobs] == ["link.png"]


def test_overwriting_a_linked_source_is_rejected(tmp_path: Path) -> None:
    files(tmp_path / "photos", "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "photos" / "a.png")
    with pytest.raises(UsageError, match="which is a source"):
        make_plan([tmp_path / "link.png", tmp_path / "photos" / "a.png"], tmp_path / "photos", "png")


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scandir = files(tmp_path / "in", "a.jpg", "closed/b.jpg"), os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    plan = make_plan([root], tmp_path / "out", "png")
    assert [job.source.name for job in plan.jobs] == ["a.jpg"]
    assert plan.failed == [(root / "closed", "its files cannot be listed: Permission denied")]


def test_a_file_with_too_many_frames_fails_and_the_others_are_planned(tmp_path: Path) -> None:
    files(tmp_path / "in", "000.png", "001.png")
    plan = make_plan([tmp_path / "in"], tmp_path / "out", "png", count_frames=lambda paths: [10_001, 2])
    assert plan.failed == [
        (tmp_path / "in" / "000.png", "holds 10001 images; at most 10000 of one file are converted.")
    ]
    assert [job.target.name for job in plan.jobs] == ["001.001.png", "001.002.png"]


def test_every_frame_has_its_own_name(tmp_path: Path) -> None:
    root = files(tmp_path / "in", "a.gif", "b.png")

    def count(paths: Sequence[Path]) -> list[int]:
        return [3 if path.suffix == ".gif" else 1 for path in paths]

    plan = make_plan([root], tmp_path / "out", "png", count_frames=count)
    assert [(job.target.name, job.frame) for job in plan.jobs] == [
        ("a.001.png", 0), ("a.002.png", 1), ("a.003.png", 2), ("b.png", 0),
    ]  # fmt: skip


def test_files_that_are_no_images_are_named_with_what_they_are(tmp_path: Path) -> None:
    root = files(tmp_path / "in", "a.jpg", "d/empty", "Thumbs.db", "desktop.ini")
    contents = {
        "raw.CR2": b"II*\0", "logo.svg": b"<svg xmlns='x'/>", "d/favicon.ico": b"\0\0\1\0", "new.jxl": b"\xff\x0a",
        "print.eps": b"%!PS-Adobe", "layers.psd": b"8BPS", "notes.txt": b"hello", "blob": b"\0\1\2",
    }  # fmt: skip
    for name, content in contents.items():
        (root / name).write_bytes(content)
    plan = make_plan([root], tmp_path / "out", "png")
    assert [job.source.name for job in plan.jobs] == ["a.jpg"]
    reasons = {path.relative_to(root).as_posix(): reason for path, reason in plan.skipped}
    assert all(reason.startswith("is no image that i2i reads: ") for reason in reasons.values())
    assert {name: reason.partition(": ")[2].partition(";")[0] for name, reason in reasons.items()} == {
        "raw.CR2": "a raw camera image", "logo.svg": "an SVG drawing", "d/favicon.ico": "an icon image",
        "new.jxl": "a JPEG XL image", "print.eps": "a PostScript drawing", "layers.psd": "a Photoshop image",
        "notes.txt": "a text", "blob": "unknown content", "d/empty": "is empty (0 bytes)",
    }  # fmt: skip


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "BMP"])
def test_an_image_without_the_suffix_of_one_is_found_by_its_content(tmp_path: Path, format: str) -> None:
    (tmp_path / "in").mkdir()
    for name in ("photo", "photo.jpg_large", "photo.png~"):
        random_image(0).save(tmp_path / "in" / name, format=format)
    assert sorted(planned(tmp_path / "in")) == ["photo", "photo.jpg_large", "photo.png~"]


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    files(tmp_path / "in", "raw.NEF")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    with pytest.raises(UsageError, match=r"Name its videos one by one, such as .*a\.mp4; it holds 1\."):
        make_plan([tmp_path / "clips"], tmp_path / "out", "png")
    with pytest.raises(UsageError, match=r"holds no images\. It holds raw\.NEF \(a raw camera image\)\."):
        make_plan([tmp_path / "in"], tmp_path / "out", "png")


def test_a_raw_file_that_is_named_fails_instead_of_giving_its_small_preview(tmp_path: Path) -> None:
    random_image(0).save(tmp_path / "raw.CR2", format="TIFF")
    plan = make_plan([tmp_path / "raw.CR2"], tmp_path / "out", "png")
    assert plan.jobs == []
    assert plan.failed == [
        (tmp_path / "raw.CR2", "is no image that i2i reads: a raw camera image; develop it to TIFF, PNG or JPEG first")
    ]


def test_one_photo_can_be_given_the_name_of_its_result(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "b.jpg", "d/c.jpg")
    out = tmp_path / "results" / "zebra.png"
    (job,) = make_plan([tmp_path / "a.jpg"], out, "png").jobs
    assert (job.source, job.target) == (tmp_path / "a.jpg", out)
    for sources, found in ((["a.jpg", "b.jpg"], "found 2 sources"), (["d"], "found the folder")):
        with pytest.raises(UsageError, match=rf"takes one photo; {found}.*Use a folder"):
            make_plan([tmp_path / name for name in sources], out, "png")
    with pytest.raises(UsageError, match="found 3 frames"):
        make_plan([tmp_path / "a.jpg"], out, "png", count_frames=lambda paths: [3])
    with pytest.raises(UsageError, match="which is a source"):
        make_plan([tmp_path / "a.jpg"], tmp_path / "a.jpg", "jpg")
