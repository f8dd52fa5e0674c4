import re
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i.convert import pipeline
from i2i.convert.pipeline import OneByOne, Pipeline, Progress, Size, Task, WithHoles
from i2i.errors import I2IError
from i2i.images import Here, Photo, Provenance, Writer, write_atomic
from i2i.inference.masks import HoleReader
from tests.conftest import picture


class Inverter:
    """Negatives, of pictures that go through together where width and height are the same but for the tens."""

    provenance: Provenance | None = None
    scale, holes = 1, None

    def __init__(self, most: int = 1) -> None:
        self.most = most
        self.groups: list[list[Size]] = []

    def padded(self, size: Size) -> Size:
        return -(-size[0] // 10) * 10, -(-size[1] // 10) * 10

    def at_once(self, size: Size) -> int:
        return self.most

    def begin(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
        self.groups.append([image.size for image in images])
        return [partial(Image.fromarray, 255 - np.asarray(image)) for image in images]


def tasks(folder: Path, *widths: int) -> list[Task]:
    """Pictures of these widths in ``folder``; a width of 0 is a file that is no picture."""
    (folder / "in").mkdir()
    found = []
    for index, width in enumerate(widths):
        source = folder / "in" / f"{index:03}.png"
        if width:
            picture(index, width).save(source)
        else:
            source.write_text("text")
        found.append(Task(source))
    return found


def target(task: Task) -> Path:
    return task.source.parents[1] / "out" / task.source.name


def write(task: Task, picture: Image.Image) -> None:
    target(task).parent.mkdir(exist_ok=True)
    write_atomic(target(task), Writer()(picture, task.photo))


def run(
    given: list[Task],
    translate: Any,
    batch: int = 0,
    progress: Progress = lambda *_: None,
    reader: Any = None,
    write: Callable[[Task, Image.Image], None] = write,
) -> None:
    Pipeline(translate, given, reader or Here(), write, batch, progress).run()


def is_negative(task: Task) -> bool:
    with Image.open(task.source) as source, Image.open(target(task)) as result:
        return np.array_equal(255 - np.asarray(source), np.asarray(result))


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("i2i-convert")]


def test_pictures_of_one_padded_size_go_through_together_and_each_gets_its_own_result(tmp_path: Path) -> None:
    given, translate = tasks(tmp_path, 16, 31, 17, 32, 18, 33), Inverter(3)
    run(given, translate)
    assert sorted(sorted(group) for group in translate.groups) == [
        [(16, 16), (17, 16), (18, 16)],
        [(31, 16), (32, 16), (33, 16)],
    ]
    assert all(is_negative(task) for task in given)
    assert {task.state for task in given} == {"converted"}


def test_the_batch_asked_for_is_taken_and_the_rest_goes_at_the_end(tmp_path: Path) -> None:
    given, translate = tasks(tmp_path, 16, 16, 16, 16, 16), Inverter(100)
    run(given, translate, batch=2)
    assert [len(group) for group in translate.groups] == [2, 2, 1]


def test_pictures_that_find_no_company_are_not_waited_for_beyond_the_look_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "LOOK_AHEAD", 2)
    given, translate = tasks(tmp_path, 10, 20, 30, 40, 50), Inverter(2)
    run(given, translate)
    assert len(translate.groups) == 5
    assert all(is_negative(task) for task in given)


def test_bad_files_fail_with_their_reason_and_the_rest_is_converted(tmp_path: Path) -> None:
    given = tasks(tmp_path, 16, 0, 16, 0, 16)
    run(given, Inverter(2))
    assert [task.state for task in given] == ["converted", "failed", "converted", "failed", "converted"]
    assert "not a picture" in given[1].reason


def test_only_the_picture_at_fault_fails_of_those_that_went_together(tmp_path: Path) -> None:
    class Choosy(Inverter):
        def begin(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            if (17, 16) in [image.size for image in images]:
                raise I2IError("too large")
            return super().begin(images)

    given = tasks(tmp_path, 16, 17, 18)
    run(given, Choosy(3))
    assert [(task.state, task.reason) for task in given] == [
        ("converted", ""),
        ("failed", "too large"),
        ("converted", ""),
    ]


def test_progress_is_told_in_the_calling_thread_of_files_that_are_written(tmp_path: Path) -> None:
    given = tasks(tmp_path, 16, 16, 0, 16)
    told = []

    def progress(done: int, failed: int, total: int) -> None:
        told.append((done, failed, total))
        assert threading.current_thread() is threading.main_thread()
        assert len(list((tmp_path / "out").glob("[!.]*"))) >= done - failed

    run(given, Inverter(2), progress=progress)
    assert [done for done, *_ in told] == [0, 1, 2, 3, 4]
    assert told[-1] == (4, 1, 4)


def test_no_more_pixels_are_in_memory_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = 0
    most = 0
    lock = threading.Lock()

    def change(by: int) -> None:
        nonlocal held, most
        with lock:
            held += by
            most = max(most, held)

    class Counting(Here):
        def read(self, path: Path, frame: int = 0) -> Photo:
            change(+1)
            return super().read(path, frame)

    monkeypatch.setattr(pipeline, "IN_FLIGHT", 3 * 16 * 16)
    given = tasks(tmp_path, *[16] * 30)
    run(given, OneByOne(lambda image: image), reader=Counting(), write=lambda task, picture: change(-1))
    assert most <= 3
    assert {task.state for task in given} == {"converted"}


def test_a_picture_larger_than_what_is_allowed_in_memory_goes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "IN_FLIGHT", 100)
    given, translate = tasks(tmp_path, 16, 16, 16), Inverter(3)
    run(given, translate)
    assert [len(group) for group in translate.groups] == [1, 1, 1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_ends_the_threads_and_leaves_whole_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    class Interrupted(Inverter):
        def begin(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            if len(self.groups) == 5:
                raise error
            return super().begin(images)

    given, reader, closed = tasks(tmp_path, *[16] * 40), Here(), []
    monkeypatch.setattr(reader, "close", lambda: closed.append(True))
    with pytest.raises(error):
        run(given, Interrupted(), reader=reader)
    assert not workers()
    assert closed
    written = list((tmp_path / "out").glob("*"))
    assert len(written) <= 5
    assert all(is_negative(task) for task in given if target(task) in written)
    assert {path.suffix for path in written} <= {".png"}


@pytest.mark.parametrize("place", ["look", "read", "begin", "wait", "write"])
@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), MemoryError()])
def test_an_error_that_nobody_foresaw_is_told_of_its_picture_and_the_rest_goes_on(
    tmp_path: Path, place: str, error: Exception
) -> None:
    given, reader, translate = tasks(tmp_path, 16, 17, 18), Here(), Inverter(3)

    def broken_for_one(work: Callable[..., Any], is_it: Callable[..., bool]) -> Callable[..., Any]:
        def broken(*asked: Any) -> Any:
            if is_it(*asked):
                raise error
            return work(*asked)

        return broken

    def second(path: Path, frame: int = 0) -> bool:
        return path == given[1].source

    def waiting(images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
        return [broken_for_one(done, lambda image=image: image.width == 17)
                for image, done in zip(images, Inverter().begin(images), strict=True)]  # fmt: skip

    works: dict[str, Callable[[], Any]] = {
        "look": lambda: setattr(reader, "look", broken_for_one(reader.look, second)),
        "read": lambda: setattr(reader, "read", broken_for_one(reader.read, second)),
        "begin": lambda: setattr(translate, "begin", broken_for_one(
            translate.begin, lambda images: (17, 16) in [image.size for image in images])),
        "wait": lambda: setattr(translate, "begin", waiting),
        "write": lambda: None,
    }  # fmt: skip
    works[place]()
    writing = broken_for_one(write, lambda task, picture: task is given[1]) if place == "write" else write
    run(given, translate, reader=reader, write=writing)
    assert [task.state for task in given] == ["converted", "failed", "converted"]
    assert re.search("001.png (could not be converted: ZeroDivisionError: oops|takes more memory)", given[1].reason)
    assert not workers()


def test_what_is_written_when_a_batch_is_stopped_counts_as_converted(tmp_path: Path) -> None:
    begun, gate = threading.Event(), threading.Event()

    class Interrupted(Inverter):
        def begin(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            if self.groups and begun.wait(10):
                raise KeyboardInterrupt
            return super().begin(images)

    def slow(task: Task, picture: Image.Image) -> None:
        begun.set()
        gate.wait(10)
        write(task, picture)

    given = tasks(tmp_path, *[16] * 8)

    reader = Here()
    reader.close = gate.set  # type: ignore[method-assign]  # no result is written before the batch is stopped
    with pytest.raises(KeyboardInterrupt):
        run(given, Interrupted(), reader=reader, write=slow)
    written = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert written
    assert {task.source.name for task in given if task.state == "converted"} == written
    assert {task.state for task in given} == {"converted", "open"}


def test_a_result_that_cannot_be_written_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    def choosy(task: Task, picture: Image.Image) -> None:
        if picture.width == 17:
            raise I2IError("no room")
        write(task, picture)

    given = tasks(tmp_path, 16, 17, 18)
    run(given, Inverter(), write=choosy)
    assert [(task.state, task.reason) for task in given] == [
        ("converted", ""),
        ("failed", "no room"),
        ("converted", ""),
    ]


def test_alpha_goes_around_the_translator_unless_it_looks_at_it(tmp_path: Path) -> None:
    seen, kept = [], []

    class Looking(Inverter):
        def begin(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            seen.append(images[0].mode)
            return super().begin([image.convert("RGB") for image in images])

    def noted(task: Task, picture: Image.Image) -> None:
        assert task.photo is not None
        kept.append(task.photo.alpha is not None)

    for sees_alpha in (False, True):
        (tmp_path / f"{sees_alpha}").mkdir()
        given = tasks(tmp_path / f"{sees_alpha}", 16)
        Image.new("RGBA", (16, 16), (1, 2, 3, 100)).save(given[0].source)
        translate = Looking()
        translate.holes = HoleReader(None) if sees_alpha else None
        run(given, translate, write=noted)
    assert (seen, kept) == (["RGB", "RGBA"], [True, True])


def test_masks_are_read_as_carefully_as_photos(tmp_path: Path) -> None:
    given, read = tasks(tmp_path, 16), list[Path]()
    Image.linear_gradient("L").resize((16, 16)).save(tmp_path / "mask.png")

    class Noting(Here):
        def read(self, path: Path, frame: int = 0) -> Photo:
            read.append(path)
            return super().read(path, frame)

    translate: Any = Inverter()
    translate.holes = HoleReader(tmp_path / "mask.png")
    run(given, translate, reader=WithHoles(Noting(), translate.holes))
    assert read == [given[0].source, tmp_path / "mask.png"]
    assert given[0].state == "converted"


def test_nothing_to_do_is_done(tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    run([], Inverter(), progress=lambda *counts: told.append(counts))
    assert told == [(0, 0, 0)]
