"""Conversions by workers on Ray, one of which is killed."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from i2i.convert import convert_jobs, make_plan
from i2i.convert.conversion import with_format
from i2i.convert.distributed import run
from i2i.convert.distributed.catalogue import SourceFile
from i2i.convert.distributed.chunks import Chunk, Task
from i2i.convert.distributed.destination import open_destination
from i2i.convert.distributed.ledger import fingerprint_of
from i2i.convert.distributed.run import convert_distributed
from i2i.convert.distributed.worker import Worker
from i2i.convert.distributed.workers import split_chunk
from i2i.convert.interfaces import SingleImageAdapter
from i2i.convert.options import ConvertOptions
from i2i.errors import UsageError
from i2i.images import LoadedImage, Writer, load_image, probe
from tests.conftest import write_random_images
from tests.convert.distributed.test_run import contents, options
from tests.images.in_process_reader import InProcessReader


@pytest.mark.usefixtures("shared_decoders")
def test_a_second_attempt_keeps_what_the_lost_worker_has_written(tmp_path: Path) -> None:
    paths = write_random_images(tmp_path / "in", 4)
    sources = [SourceFile(str(path), path.name, 0) for path in paths]
    chunk = Chunk(
        "1-0", "1-0-", tuple(Task(source, source.relative, fingerprint_of(source, "x")) for source in sources)
    )
    worker = Worker(with_format(options())[0], str(tmp_path / "out"), takes_channels=False)
    assert len(worker.convert(chunk).rows) == 4
    (tmp_path / "out/002.png").unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    second = worker.convert(replace(chunk, attempts=1))
    assert sorted(index for index, _ in second.rows) == [0, 1, 2, 3]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "out/002.png").exists()


def test_a_file_that_ends_each_worker_is_given_up_alone() -> None:
    tasks = tuple(Task(SourceFile(str(i), str(i), 0), str(i)) for i in range(3))
    (again,) = split_chunk(Chunk("1-0", "1-0-", tasks))
    assert again.tasks == tasks
    singles = split_chunk(again)
    assert [piece.tasks for piece in singles] == [(task,) for task in tasks]
    attempts = [singles[0]]
    while pieces := split_chunk(attempts[-1]):
        attempts += pieces
    assert len(attempts) == 3


class PlainReader:
    """Reads images in the process of the worker."""

    max_pixels = 1_000_000

    def probe(self, path: Path) -> tuple[tuple[int, int], int]:
        return probe(path)

    def measure(self, path: Path) -> None:
        return None

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: Any = None) -> LoadedImage:
        return load_image(path, frame, blend=blend)

    def close(self) -> None:
        pass


class LightWorker(Worker):
    """A worker that copies images without torch and decoder processes, so that it starts in a moment."""

    def __init__(self, options: ConvertOptions, out: str, *, takes_channels: bool) -> None:
        self._options = options
        self._destination = open_destination(out)
        self._reader: Any = PlainReader()
        self._storages = {}
        translator = SingleImageAdapter(lambda image: image)
        self._conversion: Any = SimpleNamespace(translator=translator, writer=Writer(), settings_hash="copy")


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers do not import the tests
    monkeypatch.setattr(run, "Worker", LightWorker)
    monkeypatch.setattr(run, "CHUNK_FILES", 4)
    write_random_images(tmp_path / "in", 40)
    out, pools, written = tmp_path / "out", list[Any](), dict[Path, int]()

    def kill_once(done: int, failed: int, total: int) -> None:
        if done and not written:
            written.update({path: path.stat().st_mtime_ns for path in out.glob("[0-9]*.png")})
            os.kill(min(pools[0].process_ids), signal.SIGKILL)

    result = convert_distributed(options(), [str(tmp_path / "in")], str(out), ray="local", workers=2,
                                 progress=kill_once, on_start=pools.append)  # fmt: skip
    plan = make_plan([tmp_path / "in"], tmp_path / "plain", "png")
    convert_jobs(lambda image: image, plan, tmp_path / "plain", writer=Writer(), reader=InProcessReader())
    assert len(result.converted) == len({target for _, target in result.converted}) == 40
    assert result.failed == []
    assert contents(out) == contents(tmp_path / "plain")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert len((out / ".i2i.jsonl").read_text().splitlines()) == 40
    assert not (out / ".i2i.parts").exists()


def test_workers_without_ray_are_refused(tmp_path: Path) -> None:
    write_random_images(tmp_path / "in", 1)
    with pytest.raises(UsageError, match="--workers 2 needs --ray"):
        convert_distributed(options(), [str(tmp_path / "in")], str(tmp_path / "out"), workers=2)
