"""A result keeps its name from run to run, whatever files arrive beside its source."""

import json
from pathlib import Path

import pytest

from i2i.convert import Result, convert_jobs, make_plan
from i2i.convert.naming import Frame, output_names
from i2i.convert.records import MANIFEST_NAME, Owner
from i2i.images import Writer
from tests.conftest import random_image
from tests.images.in_process_reader import InProcessReader


def convert(*sources: Path, out: Path, kind: str = "png") -> Result:
    plan = make_plan(sources, out, kind)
    writer = Writer(suffix=f".{kind}")
    return convert_jobs(lambda image: image, plan, out, writer=writer, reader=InProcessReader())


def save(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        random_image(len(name)).save(folder / name)
    return folder


def converted(result: Result) -> dict[str, str]:
    return {source.name: target.name for source, target in result.converted}


@pytest.mark.parametrize(("first", "second"), [("a.jpg", "a.png"), ("a.png", "a.jpg"), ("b.webp", "B.JPG")])
def test_a_neighbour_does_not_change_the_name_of_a_result(tmp_path: Path, first: str, second: str) -> None:
    root, out = save(tmp_path / "in", first), tmp_path / "out"
    plain = f"{Path(first).stem}.png"
    assert converted(convert(root, out=out)) == {first: plain}
    save(root, second)
    for _ in range(2):
        result = convert(root, out=out)
        assert {source.name: target.name for source, target, _ in result.skipped if target}[first] == plain
        assert converted(result) in ({second: f"{second}.png"}, {})
    (root / first).unlink()
    assert converted(convert(root, out=out)) == {}  # the result of the deleted photo stays
    assert {path.name for path in out.glob("*.png")} == {plain, f"{second}.png"}


def test_a_neighbour_later_in_the_alphabet_changes_nothing_in_a_new_folder_either(tmp_path: Path) -> None:
    root = save(tmp_path / "in", "a.jpg")
    alone = converted(convert(root, out=tmp_path / "out1"))
    assert converted(convert(save(root, "a.png"), out=tmp_path / "out2")) == {**alone, "a.png": "a.png.png"}


def test_results_with_the_names_of_an_earlier_version_are_recognised(tmp_path: Path) -> None:
    """Earlier versions called both results of a.jpg and a.png by their full names from the first run on."""
    root, out = save(tmp_path / "in", "a.jpg", "a.png", "c.jpg"), tmp_path / "out"
    convert(root, out=out)
    lines = [json.loads(line) for line in (out / MANIFEST_NAME).read_text().splitlines()]
    (out / "a.png").rename(out / "a.jpg.png")
    for line in lines:
        line["output"] = {"a.png": "a.jpg.png"}.get(line["output"], line["output"])
    (out / MANIFEST_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = convert(root, out=out)
    assert again.converted == []
    assert {target.name for _, target, _ in again.skipped if target} == {"a.jpg.png", "a.png.png", "c.png"}


def test_photos_of_two_folders_with_equal_names_do_not_replace_each_other(tmp_path: Path) -> None:
    first, second, out = save(tmp_path / "x", "a.png"), save(tmp_path / "y", "a.png"), tmp_path / "out"
    assert converted(convert(first, out=out)) == {"a.png": "a.png"}
    assert converted(convert(second, out=out)) == {"a.png": "a.png.png"}
    assert converted(convert(save(tmp_path / "z", "a.png"), out=out)) == {"a.png": "a.png-2.png"}
    for folder in "zyx":
        assert converted(convert(tmp_path / folder, out=out)) == {}


def test_frames_that_are_added_to_a_file_do_not_replace_the_result_of_another() -> None:
    owners = {Path(f"a.00{k + 1}.png"): Owner(Path("/in/a.gif"), k) for k in range(2)}
    owners[Path("a.003.png")] = Owner(Path("/gone/a.003.bmp"), 0)
    frames = [Frame(Path("/in/a.gif"), Path("a.gif"), index, 3) for index in range(3)]
    assert output_names(frames, "png", owners) == [Path(f"a.gif.00{k + 1}.png") for k in range(3)]


def test_results_of_photos_that_were_moved_are_replaced(tmp_path: Path) -> None:
    root, out = save(tmp_path / "in", "a.jpg"), tmp_path / "out"
    convert(root, out=out)
    root.rename(tmp_path / "moved")
    assert converted(convert(tmp_path / "moved", out=out)) == {"a.jpg": "a.png"}
    assert [path.name for path in out.glob("*.png")] == ["a.png"]


def test_a_deleted_result_gets_its_name_again(tmp_path: Path) -> None:
    root, out = save(tmp_path / "in", "a.jpg", "a.png"), tmp_path / "out"
    convert(root, out=out)
    (out / "a.png").unlink()
    assert converted(convert(root, out=out)) == {"a.jpg": "a.png"}


def test_another_format_does_not_touch_the_results_of_the_first(tmp_path: Path) -> None:
    root, out = save(tmp_path / "in", "a.jpg", "a.png"), tmp_path / "out"
    convert(root, out=out)
    assert converted(convert(root, out=out, kind="webp")) == {"a.jpg": "a.webp", "a.png": "a.png.webp"}
    assert convert(root, out=out).converted == []


def test_the_order_and_spelling_of_sources_do_not_change_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = save(Path("x"), "a.png") / "a.png", save(Path("b"), "a.png") / "a.png"
    names = {"b": "a.png", "x": "a.png.png"}

    def names_of(result: Result) -> dict[str, str]:
        return {source.parent.name: target.name for source, target in result.converted}

    orders = [(first, second), (second, first), (first, second.absolute()), (second.absolute(), first)]
    for number, sources in enumerate(orders):
        out = tmp_path / f"out{number}"
        assert names_of(convert(*sources, out=out)) == names
        for again in orders:
            assert convert(*again, out=out).converted == []
    assert len({(tmp_path / f"out{number}" / "a.png").read_bytes() for number in range(4)}) == 1


DAMAGED_LINES = [
    "[" * 100_000,
    '{"output":' * 100_000,
    "1",
    '["output"]',
    '{"output": ' + "9" * 5000 + "}",
    '{"output": "a.png", "from": "/x", "source": [1, 2, ' + "9" * 4200 + '], "result": 1}',
    '{"output": "a.png", "from": "\\ud800\\u0000", "source": [1, 2, 0], "result": [1, 2, "x"]}',
    '{"output": "\\ud800\\u0000/../a.png", "from": [], "source": {}, "result": {}}',
    '{"output": "a.png", "from": 1, "source": "text", "result": "text"}',
    '{"output": "a.png", "from": "/x", "source": [1, 2, true], "result": [[], {}, null]}',
    '{"output": ["a.png"], "from": "/x", "source": [1, 2, 1e999]}',
    '{"output": "a.png", "from": "/x", "source": [1, 2, 1e999], "result": [NaN, NaN, NaN]}',
    "\udcff",
    '{"output": "a.png", "from": "/' + "x" * 5000 + '/a.jpg", "source": [1, 2, 0]}',
    '{"output": "' + "x" * 5000 + '.png", "from": "/x/a.jpg", "source": [1, 2, 0]}',
]


@pytest.mark.parametrize("line", DAMAGED_LINES)
def test_a_damaged_line_of_the_manifest_changes_nothing(tmp_path: Path, line: str) -> None:
    root, out = save(tmp_path / "in", "a.jpg", "b.jpg"), tmp_path / "out"
    convert(root, out=out)
    with (out / MANIFEST_NAME).open("ab") as file:
        file.write(f"{line}\n".encode(errors="surrogateescape"))
    result = convert(root, out=out)
    assert result.failed == []
    assert {path.name for path in out.glob("*.png")} >= {"a.png", "b.png"}


def test_a_file_name_that_is_no_text_keeps_its_result(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    random_image(1).save(root / "a\udcff.png")
    assert len(convert(root, out=out).converted) == 1
    assert convert(root, out=out).converted == []
