import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from i2i.convert import make_plan
from i2i.convert.plan import Plan
from i2i.errors import UsageError


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
        "a.jpg": "a.jpg.png", "a.png": "a.png.png", "A.webp": "A.webp.png", "b.png": "b.png", "d/a.jpg": "d/a.png",
        "c.jpg": "c.jpg.png", "c.png": "c.png.png", "c.png.jpg": "c.png.jpg.png",
    }  # fmt: skip
    walk = os.walk

    def backwards(*args: object, **options: object) -> object:
        return ((folder, folders, names[::-1]) for folder, folders, names in walk(*args, **options))  # type: ignore[call-overload]

    monkeypatch.setattr(os, "walk", backwards)
    assert planned(root) == expected


def test_names_that_a_file_system_may_treat_as_equal_stay_distinct(tmp_path: Path) -> None:
    names = ("Horse.jpg", "horse.png", "caf\u00e9.jpg", "cafe\u0301.png")
    taken = {target.casefold() for target in planned(files(tmp_path / "in", *names)).values()}
    assert len(taken) == 4
    assert "horse.jpg.png" in taken


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


def test_links_out_of_the_folder_are_skipped_with_a_reason_and_links_within_are_followed(tmp_path: Path) -> None:
    files(tmp_path / "elsewhere", "secret.jpg", "more/secret.jpg")
    root = files(tmp_path / "in", "a.jpg", "sub/b.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "elsewhere" / "secret.jpg")
    (root / "within.jpg").symlink_to(root / "sub" / "b.jpg")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "again").symlink_to(root / "sub")
    (root / "gone.jpg").symlink_to(root / "nothing.jpg")
    plan = make_plan([root], tmp_path / "out", "png")
    assert {job.source.name for job in plan.jobs} == {"a.jpg", "b.jpg", "within.jpg", "gone.jpg"}
    skipped = {path.name: reason for path, reason in plan.skipped}
    assert set(skipped) == {"out.jpg", "folder", "loop", "again"}
    assert "outside of" in skipped["out.jpg"]
    assert "leads out of" in skipped["folder"]
    assert "the folder itself is converted" in skipped["again"]


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
