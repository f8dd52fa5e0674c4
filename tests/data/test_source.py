from pathlib import Path
from typing import Any

import pytest

from i2i.data.saved_source import saved_source, shared_source
from i2i.data.source import DataSource
from i2i.errors import DatasetError, UsageError
from tests.data.layout.images import save_images


def test_two_folders_anywhere_are_what_the_method_needs(tmp_path: Path) -> None:
    save_images(tmp_path, "x/horses/1.png", "y/zebras/1.png", "y/zebras/2.png", "t/h/3.png", "t/z/4.png")
    source = DataSource(data_a="x/horses", data_b="y/zebras", test_a="t/h", test_b="t/z")
    layout = source.load("unpaired")
    assert (layout.kind, layout.count("train"), layout.count("test")) == ("unpaired", 2, 1)
    assert layout.data_name == source.title == "horses-zebras"
    paired = DataSource(data_a="x/horses", data_b="y/zebras").load("paired")
    assert (paired.kind, paired.count()) == ("paired", 1)


def test_two_folders_with_splits_keep_them_apart(tmp_path: Path) -> None:
    save_images(tmp_path, *(f"{folder}/{split}/{split}.png" for folder in ("in", "out") for split in ("train", "test")))
    layout = DataSource(pairs=("in", "out")).load()
    assert {split: layout.count(split) for split in layout.splits} == {"train": 1, "test": 1}


def test_folders_that_only_say_their_domain_are_named_after_the_folder_above(tmp_path: Path) -> None:
    save_images(tmp_path, "horse2zebra/trainA/1.png", "horse2zebra/trainB/1.png")
    assert DataSource(data_a="horse2zebra/trainA", data_b="horse2zebra/trainB").title == "horse2zebra"


def test_the_fingerprint_of_two_folders_does_not_depend_on_where_they_are(tmp_path: Path) -> None:
    save_images(tmp_path, "a/1.png", "b/1.png", "elsewhere/deep/a/1.png", "elsewhere/b/1.png")
    one = DataSource(pairs=("a", "b")).load().fingerprint()
    assert DataSource(pairs=("elsewhere/deep/a", "elsewhere/b")).load().fingerprint() == one
    assert DataSource(pairs=("b", "a")).load().fingerprint() == one  # equal names and sizes


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data_a": "x"}, "--data-a needs --data-b"),
        ({"data_b": "x"}, "--data-b needs --data-a"),
        ({"data_a": "x", "data_b": "y", "test_b": "z"}, "--test-b needs --test-a"),
        ({"data": "d", "test_a": "x", "test_b": "y"}, "belong to --data-a"),
        ({"data": "d", "pairs": ("x", "y")}, "--data and --pairs exclude each other"),
    ],
)
def test_places_that_exclude_each_other_or_are_missing_are_an_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DataSource(**fields)


def test_a_folder_of_a_run_that_was_moved_is_answered_by_the_flags_for_its_present_place(tmp_path: Path) -> None:
    save_images(tmp_path, "ds/x/1.png", "ds/y/1.png", "ds/t/1.png")
    pairs = DataSource(pairs=("ds/x", "ds/y")).with_absolute()
    domains = DataSource(data_a="ds/x", data_b="ds/y", test_a="ds/t", test_b="ds/t").with_absolute()
    (tmp_path / "ds").rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match=r"ds/x of this run is no longer at /.*/ds/x\..*: --pairs PATH PATH\."):
        pairs.load()
    with pytest.raises(DatasetError, match=r": --data-a PATH --data-b PATH --test-a PATH --test-b PATH\."):
        domains.load()


def test_one_folder_in_two_roles_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    save_images(tmp_path, "a/1.png")
    with pytest.raises(UsageError, match="names one folder twice"):
        DataSource(data_a="a", data_b="../" + tmp_path.name + "/a").load()
    with pytest.raises(DatasetError, match="There is no folder b"):
        DataSource(data_a="a", data_b="b").load()
    with pytest.raises(UsageError, match="--layout photos is for one folder"):
        DataSource(pairs=("a", "b"), layout="photos").load()


def test_an_archive_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "d.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"d\.zip is a file; .* Unpack"):
        DataSource(data="d.zip").load()


def test_a_saved_source_is_found_from_elsewhere_and_by_name_when_it_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_images(tmp_path, "work/ds/mine/1.png", "cwd/datasets/moved/mine/1.png")
    monkeypatch.chdir(tmp_path / "work")
    saved = DataSource(data="ds/mine").with_absolute().absolute
    config = {"data": {"data": "ds/mine"}, "data_paths": saved}
    monkeypatch.chdir(tmp_path / "cwd")
    source = saved_source(config, tmp_path / "run")
    assert source.folder == tmp_path / "work/ds/mine"
    (tmp_path / "work/ds/mine").rename(tmp_path / "cwd/datasets/mine")
    assert source.folder == Path("datasets/mine")
    (tmp_path / "cwd/datasets/mine").rename(tmp_path / "cwd/datasets/other")
    with pytest.raises(DatasetError, match=r"'ds/mine' of this run is no longer at .*/work/ds/mine.*--data PATH"):
        source.load()


def test_the_relative_path_of_an_earlier_version_is_tried_from_the_folder_above_the_runs(tmp_path: Path) -> None:
    save_images(tmp_path, "clone/ds/mine/1.png")
    source = saved_source({"data": {"data": "ds/mine"}}, tmp_path / "clone/checkpoints/run")
    assert source.folder == tmp_path / "clone/ds/mine"


def test_a_new_source_is_never_found_by_the_last_part_of_its_path(tmp_path: Path) -> None:
    save_images(tmp_path, "datasets/mine/1.png")
    assert DataSource(data="typo/mine").folder is None


def test_the_source_in_a_model_file_has_names_and_no_paths(tmp_path: Path) -> None:
    save_images(tmp_path, "x/horses/1.png", "y/zebras/1.png")
    source = DataSource(data_a=str(tmp_path / "x/horses"), data_b="y/zebras")
    assert source.shareable() == {"data_a": "horses", "data_b": "zebras"}
    shared = shared_source({"data_a": "horses", "data_b": "zebras", "data": ""}, "horses-zebras")
    assert (shared.data_a, shared.data_b, shared.data) == ("horses", "zebras", "")


@pytest.mark.parametrize("name", ["../../etc", "/etc", ".ssh", "~root", "a:b", "..", ""])
def test_a_path_in_a_model_file_is_never_followed(name: str) -> None:
    for settings in ({}, {"data_a": name, "data_b": "b"}, {"pairs": ["a", name]}, {"pairs": 3, "layout": 4}):
        source = shared_source(settings, name)
        assert (source.names, source.folder, source.layout) == ([], None, "auto")
