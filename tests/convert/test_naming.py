"""The name of a result follows from its source, and stays from run to run."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from i2i.convert import Result, convert_jobs, make_plan
from i2i.convert.naming import Frame, output_names
from i2i.convert.records import MANIFEST_NAME, Owner, RecordedResult
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


NAMES = {
    "png": {
        "a.jpg": "a.jpg.png", "a.png": "a.png", "A.PNG": "A.PNG", "a.webp": "a.webp.png", "a.b.tif": "a.b.tif.png",
        "scan": "scan.png", "a.jpg_large": "a.jpg_large.png", "a.apng": "a.apng", "a.heic": "a.heic.png",
    },
    "jpg": {"a.jpg": "a.jpg", "B.JPG": "B.JPG", "a.jpeg": "a.jpeg", "a.png": "a.png.jpg", "scan": "scan.jpg"},
    "tif": {"a.tiff": "a.tiff", "a.tif": "a.tif", "a.jpg": "a.jpg.tif"},
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_follows_from_the_source_alone(kind: str) -> None:
    for name, result in NAMES[kind].items():
        assert planned_names([name], kind) == [result]
    names = [name for name in NAMES[kind] if name != "A.PNG"]
    assert planned_names(names, kind) == [NAMES[kind][name] for name in names]


def planned_names(names: Sequence[str], kind: str = "png", count: int = 1) -> list[str]:
    """Return the names of the results of files in a folder, each with ``count`` frames."""
    frames = [Frame(Path("/in") / name, Path(name), index, count) for name in names for index in range(count)]
    return [str(path) for path in output_names(frames, kind, [])]


def test_the_frames_of_a_file_have_its_whole_name_and_a_number() -> None:
    assert planned_names(["a.gif"], count=2) == ["a.gif.001.png", "a.gif.002.png"]
    assert planned_names(["a.png"], count=2) == ["a.png.001.png", "a.png.002.png"]
    assert planned_names(["a.tif"], "tif", count=1001)[-1] == "a.tif.1001.tif"
    assert planned_names(["a.gif", "a.png", "a.webp"], count=2)[::2] == [
        "a.gif.001.png", "a.png.001.png", "a.webp.001.png",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "other"), [("a.jpg", "a.png"), ("a.png", "a.jpg"), ("b.webp", "B.JPG")])
def test_a_neighbour_does_not_change_the_name_of_a_result(tmp_path: Path, name: str, other: str) -> None:
    root, out = save(tmp_path / "in", name), tmp_path / "out"
    alone = converted(convert(root, out=out))
    save(root, other)
    both = converted(convert(root, out=tmp_path / "new"))
    assert alone.items() < both.items()
    assert converted(convert(root, out=out)) == {other: both[other]}
    assert converted(convert(root, out=out)) == {}
    (root / name).unlink()
    assert converted(convert(root, out=out)) == {}  # the result of the deleted photo stays
    assert {path.name for path in out.glob("*.png")} == {*both.values()}


def test_a_source_that_keeps_its_name_comes_first_and_a_given_name_stays(tmp_path: Path) -> None:
    root = save(tmp_path / "in", "a.jpg")
    assert converted(convert(root, out=tmp_path / "out")) == {"a.jpg": "a.jpg.png"}
    save(root, "a.jpg.png")
    assert converted(convert(root, out=tmp_path / "out")) == {"a.jpg.png": "a.jpg.png-2.png"}
    assert converted(convert(root, out=tmp_path / "new")) == {"a.jpg": "a.jpg-2.png", "a.jpg.png": "a.jpg.png"}
    for out in ("out", "new"):
        assert converted(convert(root, out=tmp_path / out)) == {}


def convert_by_the_earlier_rule(root: Path, out: Path) -> None:
    """Convert a.png, a.jpg, and b.jpg: "a.png" was the result of the first in the alphabet."""
    convert(save(root, "a.jpg", "a.png", "b.jpg"), out=out)
    (out / "a.png").rename(out / "a.png.png")
    lines = (out / MANIFEST_NAME).read_text().replace('"output": "a.png"', '"output": "a.png.png"')
    for name in "ab":
        (out / f"{name}.jpg.png").rename(out / f"{name}.png")
        lines = lines.replace(f'"output": "{name}.jpg.png"', f'"output": "{name}.png"')
    (out / MANIFEST_NAME).write_text(lines)


OLD_NAMES = {"a.jpg": "a.png", "a.png": "a.png.png", "b.jpg": "b.png"}


def test_results_with_the_names_of_an_earlier_version_are_continued(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    convert_by_the_earlier_rule(root, out)
    again = convert(root, out=out)
    assert again.converted == []
    assert {source.name: target.name for source, target, _ in again.skipped if target} == OLD_NAMES
    random_image(50).save(root / "a.jpg")
    (out / "b.png").unlink()
    save(root, "c.jpg")
    assert converted(convert(root, out=out)) == {"a.jpg": "a.png", "b.jpg": "b.png", "c.jpg": "c.jpg.png"}
    assert {path.name for path in out.glob("*.png")} == {*OLD_NAMES.values(), "c.jpg.png"}


def test_results_of_an_earlier_version_are_replaced_when_their_photos_were_moved(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    convert_by_the_earlier_rule(root, out)
    root.rename(tmp_path / "moved")
    assert converted(convert(tmp_path / "moved", out=out)) == OLD_NAMES
    assert {path.name for path in out.glob("*.png")} == {*OLD_NAMES.values()}


def test_an_earlier_name_in_another_spelling_is_found() -> None:
    photo = Frame(Path("/in/A.JPG"), Path("A.JPG"), 0, 1)
    for source, name in (("/in/A.JPG", "A.jpg"), ("/gone/A.JPG", "A.jpg"), ("/gone/A.jpeg", "A.JPG-2.jpg")):
        results = [RecordedResult(Path("A.jpg"), Owner(Path(source), 0), exists=True)]
        assert output_names([photo], "jpg", results) == [Path(name)]


def test_frames_that_are_added_to_a_file_do_not_replace_the_result_of_another() -> None:
    photo = Owner(Path("/gone/a.gif.003.png"), 0)
    results = [RecordedResult(Path(f"a.gif.00{k + 1}.png"), Owner(Path("/in/a.gif"), k), exists=True) for k in range(2)]
    results.append(RecordedResult(Path("a.gif.003.png"), photo, exists=True))
    frames = [Frame(Path("/in/a.gif"), Path("a.gif"), index, 3) for index in range(3)]
    assert output_names(frames, "png", results)[2] == Path("a.gif-2.003.png")


def test_a_number_once_given_stays_although_the_lower_ones_are_free(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for folder in "xyz":
        convert(save(tmp_path / folder, "a.png"), out=out)
    assert {path.name for path in out.glob("*.png")} == {"a.png", "a.png-2.png", "a.png-3.png"}
    (out / "a.png-2.png").unlink()
    lines = (out / MANIFEST_NAME).read_text().splitlines(keepends=True)
    (out / MANIFEST_NAME).write_text("".join(line for line in lines if "a.png-2.png" not in line))
    assert converted(convert(tmp_path / "z", out=out)) == {}


def test_photos_of_two_folders_with_equal_names_do_not_replace_each_other(tmp_path: Path) -> None:
    first, second, out = save(tmp_path / "x", "a.png"), save(tmp_path / "y", "a.png"), tmp_path / "out"
    assert converted(convert(first, out=out)) == {"a.png": "a.png"}
    assert converted(convert(second, out=out)) == {"a.png": "a.png-2.png"}
    assert converted(convert(save(tmp_path / "z", "a.png"), out=out)) == {"a.png": "a.png-3.png"}
    for folder in "zyx":
        assert converted(convert(tmp_path / folder, out=out)) == {}


def test_results_of_photos_that_were_moved_are_replaced(tmp_path: Path) -> None:
    root, out = save(tmp_path / "in", "a.jpg"), tmp_path / "out"
    convert(root, out=out)
    root.rename(tmp_path / "moved")
    assert converted(convert(tmp_path / "moved", out=out)) == {"a.jpg": "a.jpg.png"}
    assert [path.name for path in out.glob("*.png")] == ["a.jpg.png"]


def test_a_deleted_result_gets_its_name_again(tmp_path: Path) -> None:
    root, out = save(tmp_path / "in", "a.jpg", "a.png"), tmp_path / "out"
    convert(root, out=out)
    (out / "a.jpg.png").unlink()
    assert converted(convert(root, out=out)) == {"a.jpg": "a.jpg.png"}


def test_another_format_does_not_touch_the_results_of_the_first(tmp_path: Path) -> None:
    root, out = save(tmp_path / "in", "a.jpg", "a.png"), tmp_path / "out"
    convert(root, out=out)
    assert converted(convert(root, out=out, kind="webp")) == {"a.jpg": "a.jpg.webp", "a.png": "a.png.webp"}
    assert convert(root, out=out).converted == []


def test_a_jpeg_file_by_the_name_of_a_png_becomes_a_png(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    random_image(0).save(root / "a.png", format="JPEG")
    assert converted(convert(root, out=out)) == {"a.png": "a.png"}
    with Image.open(out / "a.png") as image:
        assert image.format == "PNG"


def test_the_order_and_spelling_of_sources_do_not_change_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = save(Path("x"), "a.png") / "a.png", save(Path("b"), "a.png") / "a.png"
    names = {"b": "a.png", "x": "a.png-2.png"}

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
    assert {path.name for path in out.glob("*.png")} >= {"a.jpg.png", "b.jpg.png"}


def test_a_file_name_that_is_no_text_keeps_its_result(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    random_image(1).save(root / "a\udcff.png")
    assert len(convert(root, out=out).converted) == 1
    assert convert(root, out=out).converted == []
