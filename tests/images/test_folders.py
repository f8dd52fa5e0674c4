from pathlib import Path

from i2i.images.folders import list_images, real_path, walk_folder


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_images(root)]


def test_hidden_files_and_folders_of_operating_systems_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "b.png", "a/1.JPG", "._b.png", ".trash/2.png", "@eaDir/thumb.jpg", "notes.txt")
    assert names(tmp_path) == ["a/1.JPG", "b.png"]


def test_linked_folders_are_read_under_the_name_of_the_link(tmp_path: Path) -> None:
    write(tmp_path, "in/1.png", "store/2.png", "store/deep/3.png", "more/4.png")
    (tmp_path / "in/linked").symlink_to("../store")
    (tmp_path / "store/further").symlink_to(tmp_path / "more")
    assert names(tmp_path / "in") == ["1.png", "linked/2.png", "linked/deep/3.png", "linked/further/4.png"]


def test_a_folder_is_read_once_and_loops_of_links_are_skipped_with_a_reason(tmp_path: Path) -> None:
    root = write(tmp_path / "in", "1.png", "sub/2.png")
    write(tmp_path, "store/3.png")
    (root / "again").symlink_to(root / "sub")
    (root / "first").symlink_to(tmp_path / "store")
    (root / "second").symlink_to(tmp_path / "store")
    (tmp_path / "store/back").symlink_to(root)
    (root / "sub/up").symlink_to(tmp_path)
    (root / "self").symlink_to(root / "self")
    (root / "gone").symlink_to(root / "nothing")
    listing = walk_folder(root)
    assert names(root) == ["1.png", "first/3.png", "sub/2.png"]
    assert {
        path.relative_to(root).as_posix(): reason.split(" is a link to ")[-1] for path, reason in listing.skipped
    } == {
        "again": "is a link to a folder that is read already",
        "second": "is a link to a folder that is read already",
        "first/back": "is a link to a folder that contains it",
        "sub/up": "is a link to a folder that contains it",
        "self": "is a link to itself",
        "gone": "is a link to a missing file or folder",
    }


def test_an_excluded_folder_is_left_out_also_behind_a_link(tmp_path: Path) -> None:
    write(tmp_path, "in/1.png", "in/out/2.png")
    (tmp_path / "in/link").symlink_to("out")
    listing = walk_folder(tmp_path / "in", excluded=tmp_path / "in/out")
    assert listing.files == [tmp_path / "in/1.png"]


def test_the_real_path_of_a_loop_raises_no_error(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    assert real_path(tmp_path / "self") == real_path(tmp_path) / "self"
