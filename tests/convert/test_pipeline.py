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
from i2i.convert.interfaces import SingleImageAdapter, Size
from i2i.convert.pipeline import Pipeline, Progress, WorkItem
from i2i.errors import I2IError
from i2i.images import LoadedImage, Provenance, Writer, write_atomic
from i2i.inference.masks import MaskReader
from tests.conftest import random_image
from tests.images.in_process_reader import InProcessReader


class Inverter:
    """Returns negatives. Images share a batch if width and height, rounded up to tens, are equal."""

    provenance: Provenance | None = None
    scale = 1
    mask_reader: MaskReader | None = None

    def __init__(self, batch_size: int = 1) -> None:
        self.batch_size = batch_size
        self.groups: list[list[Size]] = []

    def padded_size(self, size: Size) -> Size:
        return -(-size[0] // 10) * 10, -(-size[1] // 10) * 10

    def preferred_batch_size(self, size: Size) -> int:
        return self.batch_size

    def submit(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
        self.groups.append([image.size for image in images])
        return [partial(Image.fromarray, 255 - np.asarray(image)) for image in images]


def write_items(folder: Path, *widths: int) -> list[WorkItem]:
    """Write images of these widths into ``folder``; a width of 0 writes a file that is not an image."""
    (folder / "in").mkdir()
    items = []
    for index, width in enumerate(widths):
        source = folder / "in" / f"{index:03}.png"
        if width:
            random_image(index, width).save(source)
        else:
            source.write_text("text")
        items.append(WorkItem(source))
    return items


def target(item: WorkItem) -> Path:
    return item.source.parents[1] / "out" / item.source.name


def write(item: WorkItem, image: Image.Image) -> None:
    target(item).parent.mkdir(exist_ok=True)
    write_atomic(target(item), Writer()(image, item.image))


def run(
    items: list[WorkItem],
    translate: Any,
    batch_size: int = 0,
    progress: Progress = lambda *_: None,
    reader: Any = None,
    write: Callable[[WorkItem, Image.Image], None] = write,
) -> None:
    Pipeline(translate, items, reader or InProcessReader(), write, batch_size, progress).run()


def is_negative(item: WorkItem) -> bool:
    with Image.open(item.source) as source, Image.open(target(item)) as result:
        return np.array_equal(255 - np.asarray(source), np.asarray(result))


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("i2i-convert")]


def test_images_of_one_padded_size_share_a_batch(tmp_path: Path) -> None:
    items, translate = write_items(tmp_path, 16, 31, 17, 32, 18, 33), Inverter(3)
    run(items, translate)
    assert sorted(sorted(group) for group in translate.groups) == [
        [(16, 16), (17, 16), (18, 16)],
        [(31, 16), (32, 16), (33, 16)],
    ]
    assert all(is_negative(item) for item in items)
    assert {item.state for item in items} == {"converted"}


def test_the_given_batch_size_is_used(tmp_path: Path) -> None:
    items, translate = write_items(tmp_path, 16, 16, 16, 16, 16), Inverter(100)
    run(items, translate, batch_size=2)
    assert [len(group) for group in translate.groups] == [2, 2, 1]


def test_incomplete_batches_wait_for_at_most_max_files_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MAX_FILES_AHEAD", 2)
    items, translate = write_items(tmp_path, 10, 20, 30, 40, 50), Inverter(2)
    run(items, translate)
    assert len(translate.groups) == 5
    assert all(is_negative(item) for item in items)


def test_bad_files_fail_with_a_reason_and_the_others_are_converted(tmp_path: Path) -> None:
    items = write_items(tmp_path, 16, 0, 16, 0, 16)
    run(items, Inverter(2))
    assert [item.state for item in items] == ["converted", "failed", "converted", "failed", "converted"]
    assert "not an image" in items[1].reason


def test_only_the_bad_image_of_a_batch_fails(tmp_path: Path) -> None:
    class FailsForOneWidth(Inverter):
        def submit(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            if (17, 16) in [image.size for image in images]:
                raise I2IError("too large")
            return super().submit(images)

    items = write_items(tmp_path, 16, 17, 18)
    run(items, FailsForOneWidth(3))
    assert [(item.state, item.reason) for item in items] == [
        ("converted", ""),
        ("failed", "too large"),
        ("converted", ""),
    ]


def test_progress_is_called_in_the_calling_thread_after_files_are_written(tmp_path: Path) -> None:
    items = write_items(tmp_path, 16, 16, 0, 16)
    calls = []

    def progress(done: int, failed: int, total: int) -> None:
        calls.append((done, failed, total))
        assert threading.current_thread() is threading.main_thread()
        assert len(list((tmp_path / "out").glob("[!.]*"))) >= done - failed

    run(items, Inverter(2), progress=progress)
    assert [done for done, *_ in calls] == [0, 1, 2, 3, 4]
    assert calls[-1] == (4, 1, 4)


def test_pixels_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = 0
    peak = 0
    lock = threading.Lock()

    def change(by: int) -> None:
        nonlocal in_memory, peak
        with lock:
            in_memory += by
            peak = max(peak, in_memory)

    class Counting(InProcessReader):
        def read(self, path: Path, frame: int = 0, *, blend: bool = True) -> LoadedImage:
            change(+1)
            return super().read(path, frame, blend=blend)

    monkeypatch.setattr(pipeline, "MAX_PIXELS_IN_FLIGHT", 3 * 16 * 16)
    items = write_items(tmp_path, *[16] * 30)
    run(items, SingleImageAdapter(lambda image: image), reader=Counting(), write=lambda item, image: change(-1))
    assert peak <= 3
    assert {item.state for item in items} == {"converted"}


def test_an_image_above_the_pixel_limit_is_processed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MAX_PIXELS_IN_FLIGHT", 100)
    items, translate = write_items(tmp_path, 16, 16, 16), Inverter(3)
    run(items, translate)
    assert [len(group) for group in translate.groups] == [1, 1, 1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_ends_the_threads_and_leaves_complete_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    class Interrupted(Inverter):
        def submit(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            if len(self.groups) == 5:
                raise error
            return super().submit(images)

    items, reader, closed = write_items(tmp_path, *[16] * 40), InProcessReader(), []
    monkeypatch.setattr(reader, "close", lambda: closed.append(True))
    with pytest.raises(error):
        run(items, Interrupted(), reader=reader)
    assert not workers()
    assert closed
    written = list((tmp_path / "out").glob("*"))
    assert len(written) <= 5
    assert all(is_negative(item) for item in items if target(item) in written)
    assert {path.suffix for path in written} <= {".png"}


@pytest.mark.parametrize("place", ["probe", "read", "submit", "wait", "write"])
@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), MemoryError()])
def test_an_unexpected_error_fails_one_image_and_does_not_stop_the_others(
    tmp_path: Path, place: str, error: Exception
) -> None:
    items, reader, translate = write_items(tmp_path, 16, 17, 18), InProcessReader(), Inverter(3)

    def broken_for_one(work: Callable[..., Any], is_affected: Callable[..., bool]) -> Callable[..., Any]:
        def broken(*args: Any) -> Any:
            if is_affected(*args):
                raise error
            return work(*args)

        return broken

    def second(path: Path, frame: int = 0) -> bool:
        return path == items[1].source

    def waiting(images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
        return [broken_for_one(done, lambda image=image: image.width == 17)
                for image, done in zip(images, Inverter().submit(images), strict=True)]  # fmt: skip

    works: dict[str, Callable[[], Any]] = {
        "probe": lambda: setattr(reader, "probe", broken_for_one(reader.probe, second)),
        "read": lambda: setattr(reader, "read", broken_for_one(reader.read, second)),
        "submit": lambda: setattr(translate, "submit", broken_for_one(
            translate.submit, lambda images: (17, 16) in [image.size for image in images])),
        "wait": lambda: setattr(translate, "submit", waiting),
        "write": lambda: None,
    }  # fmt: skip
    works[place]()
    writing = broken_for_one(write, lambda item, image: item is items[1]) if place == "write" else write
    run(items, translate, reader=reader, write=writing)
    assert [item.state for item in items] == ["converted", "failed", "converted"]
    assert re.search("001.png (could not be converted: ZeroDivisionError: oops|needs more memory)", items[1].reason)
    assert not workers()


def test_files_written_during_an_interruption_count_as_converted(tmp_path: Path) -> None:
    started, gate = threading.Event(), threading.Event()

    class Interrupted(Inverter):
        def submit(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            if self.groups and started.wait(10):
                raise KeyboardInterrupt
            return super().submit(images)

    def slow_write(item: WorkItem, image: Image.Image) -> None:
        started.set()
        gate.wait(10)
        write(item, image)

    items = write_items(tmp_path, *[16] * 8)

    reader = InProcessReader()
    reader.close = gate.set  # type: ignore[method-assign]  # no result is written before the batch is stopped
    with pytest.raises(KeyboardInterrupt):
        run(items, Interrupted(), reader=reader, write=slow_write)
    written = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert written
    assert {item.source.name for item in items if item.state == "converted"} == written
    assert {item.state for item in items} == {"converted", "open"}


def test_a_failed_write_does_not_stop_the_others(tmp_path: Path) -> None:
    def write_or_fail(item: WorkItem, image: Image.Image) -> None:
        if image.width == 17:
            raise I2IError("no room")
        write(item, image)

    items = write_items(tmp_path, 16, 17, 18)
    run(items, Inverter(), write=write_or_fail)
    assert [(item.state, item.reason) for item in items] == [
        ("converted", ""),
        ("failed", "no room"),
        ("converted", ""),
    ]


def test_an_empty_pipeline_finishes(tmp_path: Path) -> None:
    calls: list[tuple[int, int, int]] = []
    run([], Inverter(), progress=lambda *counts: calls.append(counts))
    assert calls == [(0, 0, 0)]
