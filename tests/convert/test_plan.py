import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from i2i.convert import plan
from i2i.convert.plan import Plan
from i2i.errors import UsageError


def files(root: Path, *names: str) -> Path:
    """Empty files of these names below ``root``: planning reads none."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def planned(root: Path, out: str = "out", kind: str = "png", **how: object) -> dict[str, str]:
    """Each source below ``root`` and its output."""
    found: Plan = plan([root], root.parent / out, kind, **how)  # type: ignore[arg-type]
    return {
        job.source.relative_to(root).as_posix(): job.target.relative_to(root.parent / out).as_posix()
        for job in found.jobs
    }


def test_names_that_meet_are_the_same_whatever_the_order_in_which_they_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = files(tmp_path / "in", "a.jpg", "a.png", "A.webp", "b.png", "d/a.jpg", "c.png.jpg", "c.jpg", "c.png")
    expected = planned(root)
    assert expected == {
        "a.jpg": "a.jpg.png", "a.png": "a.png.png", "A.webp": "A.webp.png", "b.png": "b.png", "d/a.jpg": "d/a.png",
        "c.jpg": "c.jpg.png", "c.png": "c.png.png", "c.png.jpg": "c.png.jpg.png",
    }  # fmt: skip
    walk = os.walk

    def backwards(*given: object, **named: object) -> object:
        return ((place, folders, names[::-1]) for place, folders, names in walk(*given, **named))  # type: ignore[call-overload]

    monkeypatch.setattr(os, "walk", backwards)
    assert planned(root) == expected


def test_names_that_a_disk_may_take_for_one_are_kept_apart(tmp_path: Path) -> None:
    names = ("Horse.jpg", "horse.png", "caf\u00e9.jpg", "cafe\u0301.png")
    taken = {target.casefold() for target in planned(files(tmp_path / "in", *names)).values()}
    assert len(taken) == 4
    assert "horse.jpg.png" in taken


def test_a_folder_named_as_a_result_would_be_keeps_its_name(tmp_path: Path) -> None:
    root = files(tmp_path / "in", "x.jpg", "x.png/inner.jpg")
    assert planned(root) == {"x.jpg": "x.jpg.png", "x.png/inner.jpg": "x.png/inner.png"}


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_name_that_grows_too_long_is_cut_short_and_stays_its_own(tmp_path: Path, kind: str) -> None:
    names = ("n" * 251 + ".jpg", "n" * 251 + ".png", "画" * 83 + ".tif", "o" * 247 + ".jpg")
    targets = list(planned(files(tmp_path / "in", *names), kind=kind).values())
    assert len(set(targets)) == 4
    assert max(len(os.fsencode(target)) for target in targets) <= 255


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xff.jpg")
    assert list(planned(files(tmp_path / "in", name)).values()) == [os.fsdecode(b"caf\xe9 \xff.png")]


def test_hidden_files_and_those_of_systems_are_left_out(tmp_path: Path) -> None:
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
def test_a_pattern_chooses_by_name_or_with_a_slash_by_path(
    tmp_path: Path, patterns: list[str], chosen: list[str]
) -> None:
    root = files(tmp_path / "in", "a.jpg", "b.png", "d/b.jpg", "d/e/b.jpg")
    assert sorted(planned(root, patterns=patterns)) == chosen


def test_a_pattern_that_nothing_fits_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no pictures that fit \*\.gif"):
        planned(files(tmp_path / "in", "a.jpg"), patterns=["*.gif"])


def test_links_that_lead_out_are_skipped_with_a_word_and_links_within_are_followed(tmp_path: Path) -> None:
    files(tmp_path / "elsewhere", "secret.jpg", "more/secret.jpg")
    root = files(tmp_path / "in", "a.jpg", "sub/b.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "elsewhere" / "secret.jpg")
    (root / "within.jpg").symlink_to(root / "sub" / "b.jpg")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "again").symlink_to(root / "sub")
    (root / "gone.jpg").symlink_to(root / "nothing.jpg")
    found = plan([root], tmp_path / "out", "png")
    assert {job.source.name for job in found.jobs} == {"a.jpg", "b.jpg", "within.jpg", "gone.jpg"}
    told = {path.name: reason for path, reason in found.skipped}
    assert set(told) == {"out.jpg", "folder", "loop", "again"}
    assert "leads out of" in told["out.jpg"]
    assert "leads out of" in told["folder"]
    assert "converted where it lies" in told["again"]


def test_a_link_that_is_named_on_the_command_line_is_followed(tmp_path: Path) -> None:
    files(tmp_path / "elsewhere", "photo.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "elsewhere" / "photo.jpg")
    assert [job.target.name for job in plan([tmp_path / "link.jpg"], tmp_path / "out", "png").jobs] == ["link.png"]


def test_results_that_would_lie_over_a_linked_source_are_refused(tmp_path: Path) -> None:
    files(tmp_path / "photos", "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "photos" / "a.png")
    with pytest.raises(UsageError, match="which is a source"):
        plan([tmp_path / "link.png", tmp_path / "photos" / "a.png"], tmp_path / "photos", "png")


def test_a_folder_that_may_not_be_listed_is_a_failure_and_no_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scandir = files(tmp_path / "in", "a.jpg", "closed/b.jpg"), os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = plan([root], tmp_path / "out", "png")
    assert [job.source.name for job in found.jobs] == ["a.jpg"]
    assert found.failed == [(root / "closed", "its files cannot be listed: Permission denied")]


def test_a_file_of_too_many_frames_fails_and_the_rest_is_planned(tmp_path: Path) -> None:
    files(tmp_path / "in", "000.png", "001.png")
    found = plan([tmp_path / "in"], tmp_path / "out", "png", count_frames=lambda paths: [10_001, 2])
    assert found.failed == [
        (tmp_path / "in" / "000.png", "holds 10001 pictures; at most 10000 are taken from one file.")
    ]
    assert [job.target.name for job in found.jobs] == ["001.001.png", "001.002.png"]


def test_every_frame_has_a_name_of_its_own(tmp_path: Path) -> None:
    root = files(tmp_path / "in", "a.gif", "b.png")

    def count(paths: Sequence[Path]) -> list[int]:
        return [3 if path.suffix == ".gif" else 1 for path in paths]

    found = plan([root], tmp_path / "out", "png", count_frames=count)
    assert [(job.target.name, job.frame) for job in found.jobs] == [
        ("a.001.png", 0), ("a.002.png", 1), ("a.003.png", 2), ("b.png", 0),
    ]  # fmt: skip
