"""Folders of pictures through a translator."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from i2i.convert.manifest import Manifest, clear_unfinished
from i2i.convert.pipeline import Batched, OneByOne, Pipeline, Progress, Reader, Task, WithHoles, threads
from i2i.convert.plan import Job, Plan, plan
from i2i.errors import I2IError, PictureError
from i2i.images import Decoders, Writer

__all__ = ["Existing", "Format", "Job", "Plan", "Result", "convert", "convert_jobs", "count_frames", "plan"]

Format = Literal["png", "jpg", "webp", "avif", "tif"]
Existing = Literal["continue", "skip", "overwrite"]


@dataclass
class Result:
    """What became of every source of a batch, in the order of the jobs. stopped: the user did not wait for the rest."""

    converted: list[tuple[Path, Path]] = field(default_factory=list)
    skipped: list[tuple[Path, Path | None, str]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False

    def __add__(self, other: "Result") -> "Result":
        return Result(
            self.converted + other.converted,
            self.skipped + other.skipped,
            self.failed + other.failed,
            self.seconds + other.seconds,
            self.stopped or other.stopped,
        )


def convert(
    translate: Batched | Callable[[Image.Image], Image.Image],
    sources: Sequence[Path],
    out: Path,
    *,
    kind: Format = "png",
    overwrite: bool = False,
    batch: int = 0,
    reader: Reader | None = None,
    progress: Progress = lambda done, failed, total: None,
) -> Result:
    """Translate photos, and all photos below folders, into ``out``; the tree below each folder is kept.

    One bad file does not stop the rest. An output that exists is skipped unless ``overwrite``; a source is never
    written to. Raises UsageError where a source does not exist or holds no pictures. See ``convert_jobs``.
    """
    existing: Existing = "overwrite" if overwrite else "continue"
    able = translate if isinstance(translate, Batched) else OneByOne(translate)
    writer = Writer(suffix=f".{kind}", provenance=able.provenance)
    planned = plan(sources, out, kind)
    result = convert_jobs(
        able, planned, out, writer=writer, existing=existing, batch=batch, reader=reader, progress=progress
    )
    if result.stopped:
        raise KeyboardInterrupt
    return result


def convert_jobs(
    translate: Batched | Callable[[Image.Image], Image.Image],
    planned: Plan,
    out: Path,
    *,
    writer: Writer,
    made_by: str = "",
    existing: Existing = "continue",
    batch: int = 0,
    reader: Reader | None = None,
    progress: Progress = lambda done, failed, total: None,
) -> Result:
    """As ``convert``, of what ``plan`` gave.

    Files are read and written in threads while ``translate`` runs in the calling one, and decoded by ``reader``: by
    default in processes of their own. made_by: what tells this model and these settings from others, for a rerun; by
    default that is unknown, and every result that exists is as good as a new one. existing: what to do about results
    that are there: go on where the last run stopped, skip them all, or redo them all. batch: pictures of one size that
    go through a ``Batched`` together; 0 leaves it to ``at_once``. progress: is called in the calling thread, first
    with 0 done.
    """
    began, result = time.monotonic(), Result(failed=list(planned.failed))
    result.skipped = [(path, None, reason) for path, reason in planned.skipped]
    able = translate if isinstance(translate, Batched) else OneByOne(translate)
    with ExitStack() as stack:
        manifest = stack.enter_context(Manifest(out, made_by))
        clear_unfinished({job.target.parent for job in planned.jobs})
        to_do = left_to_do(planned.jobs, manifest, existing, result)
        tasks = [Task(job.source, job.frame) for job in to_do]
        targets = dict(zip(tasks, to_do, strict=True))
        makings = {job: manifest.about(job) for job in to_do}
        if reader is None:
            reader = stack.enter_context(Decoders(threads()))
        if able.holes is not None:
            reader = WithHoles(reader, able.holes)

        def write(task: Task, picture: Image.Image) -> None:
            job = targets[task]
            _write(job, writer(picture, None if able.holes else task.photo), makings[job], manifest)

        try:
            Pipeline(able, tasks, reader, write, batch, progress).run()
        except KeyboardInterrupt:
            result.stopped = True
    result.converted = [(task.source, targets[task].target) for task in tasks if task.state == "converted"]
    result.failed += [(task.source, task.reason) for task in tasks if task.state == "failed"]
    result.seconds = time.monotonic() - began
    return result


def left_to_do(jobs: Sequence[Job], manifest: Manifest, existing: Existing, result: Result) -> list[Job]:
    """The jobs to be done; the others are noted in ``result`` as skipped, each with its reason."""
    left = []
    for job in jobs:
        state = manifest.state(job)
        if state == "absent" or existing == "overwrite" or (state == "outdated" and existing == "continue"):
            left.append(job)
            continue
        reasons = {
            "current": "is up to date",
            "outdated": "is there already",
            "foreign": "is there already, and not as i2i made it of this source (--overwrite redoes it)",
        }
        result.skipped.append((job.source, job.target, f"{job.target} {reasons[state]}"))
    return left


def count_frames(paths: Sequence[Path], reader: Reader) -> list[int]:
    """How many pictures each file holds; 1 of a file that cannot be read, which will be told in its turn."""

    def count(path: Path) -> int:
        try:
            return reader.look(path)[1]
        except PictureError:
            return 1

    pool = ThreadPoolExecutor(threads(), "i2i-count")
    try:
        return list(pool.map(count, paths))
    except BaseException:
        reader.close()  # the pool ends only when its threads are done with what they look at
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _write(job: Job, data: bytes, about: dict[str, Any] | None, manifest: Manifest) -> None:
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        home, folder = manifest.out.resolve(), job.target.parent.resolve()
        if folder != home and home not in folder.parents:
            raise I2IError(f"{job.target} would lie outside of {manifest.out}: a folder on the way is a link.")
        manifest.write(job, data, about)
    except OSError as error:
        raise I2IError(f"{job.target} could not be written: {error.strerror or error}.") from error
