"""Convert any number of images, at paths or addresses, with one worker or many, in memory that does not grow."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

from i2i.convert.api import Result
from i2i.convert.channels import stack_of
from i2i.convert.conversion import with_format
from i2i.convert.distributed.catalogue import ARRAY, IMAGE, OTHER, Catalogue
from i2i.convert.distributed.chunks import Chunk, Converted, Task
from i2i.convert.distributed.destination import Destination, open_destination
from i2i.convert.distributed.ledger import Ledger, fingerprint_of
from i2i.convert.distributed.listing import Listed, forbid_overwriting, list_sources
from i2i.convert.distributed.rows import RowsOnDisk
from i2i.convert.distributed.worker import Description, Worker
from i2i.convert.distributed.workers import LostWorkerError, Workers, open_workers, split_chunk
from i2i.convert.options import ConvertOptions
from i2i.convert.pipeline import Progress
from i2i.convert.plan import is_image_name
from i2i.convert.shared_ranges import PlanRanges, RangedReader, narrow_notice
from i2i.data.value_ranges import narrow_files, shared_ranges
from i2i.errors import UsageError
from i2i.images.value_range import SampleSummary, ValueRange, ValueRanges
from i2i.storage import is_address

T = TypeVar("T")
CHUNK_FILES = 64
_LEVELS_OF_8_BITS = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp")
_REASONS = {
    "current": "is up to date",
    "outdated": "exists already",
    "foreign": "exists already, and i2i did not make it from this source (--overwrite replaces it)",
}


def convert_distributed(
    options: ConvertOptions,
    sources: Sequence[str],
    out: str,
    *,
    ray: str | None = None,
    workers: int = 0,
    dry_run: bool = False,
    progress: Progress = lambda done, failed, total: None,
    on_start: Callable[[Any], None] = lambda workers: None,
) -> Result:
    """Convert images as ``convert_jobs`` does, with the same results.

    Args:
        options: of the conversion; its sources and its output do not count.
        sources: paths and addresses of files and folders.
        out: path or address of the folder for the results.
        ray: address of a cluster of Ray, "auto", or "local" to start one on this machine; None for one process.
        workers: number of workers on Ray; 0 for one for each GPU or CPU.
        dry_run: whether to write nothing.
        progress: called with the number of files done, failed and in total.
        on_start: called with the workers once they run.

    Raises: UsageError for what only a conversion of paths on one machine takes; I2IError if the workers cannot start.
    """
    start = time.monotonic()
    _check_options(options, out)
    converted, skipped, planned = (cast("Any", RowsOnDisk()) for _ in range(3))
    result = Result(converted=converted, skipped=skipped, planned=planned)
    local = [Path(source) for source in sources if not is_address(source)]
    options, takes_channels = with_format(replace(options, sources=local or [Path(os.devnull)], out=Path(out)))
    make = partial(Worker, options, out, takes_channels=takes_channels)
    destination = open_destination(out)
    with ExitStack() as stack:
        catalogue = stack.enter_context(Catalogue())
        listed = Listed(lambda path, reason: skipped.append((path, None, reason)))
        list_sources(sources, out, options.patterns, catalogue, listed)
        result.failed = cast("Any", listed.failed)
        ledger = Ledger(destination, catalogue)
        if not dry_run:
            stack.enter_context(ledger)  # before the workers, so that they have ended when it is closed
        pool: Workers = stack.enter_context(
            open_workers(make, ray, workers, uses_gpu=not options.device.startswith("cpu"))
        )
        description: Description = pool.describe()
        on_start(pool)
        conversion = _Run(options, sources, catalogue, destination, listed, pool, description, result, progress)
        result.stopped = not conversion.run(ledger, dry_run=dry_run)
    result.failed.sort(key=lambda row: str(row[0]))
    result.seconds = time.monotonic() - start
    return result


def is_distributed(sources: Sequence[str], out: str, ray: str | None) -> bool:
    """Return whether a conversion needs ``convert_distributed``."""
    return ray is not None or is_address(out) or any(map(is_address, sources))


def _check_options(options: ConvertOptions, out: str) -> None:
    """Raise UsageError for what is converted on one machine only."""
    advice = "Convert without --ray and addresses."
    if options.model == "auto":
        raise UsageError(f"auto chooses a model for each photo on one machine only. {advice}")
    if options.frames != "first":
        raise UsageError(f"--frames {options.frames} counts the frames of all files first. {advice}")
    if options.stabilize:
        raise UsageError(f"--stabilize is for videos. {advice}")
    if options.stack or stack_of(options, None) is not None:
        raise UsageError(f"Stacks of files are joined on one machine only. {advice}")
    if is_image_name(Path(out)):
        raise UsageError(f"--out {out} is the name of an image; name a folder. {advice}")


class _Run:
    def __init__(
        self,
        options: ConvertOptions,
        sources: Sequence[str],
        catalogue: Catalogue,
        destination: Destination,
        listed: Listed,
        pool: Workers,
        description: Description,
        result: Result,
        progress: Progress,
    ) -> None:
        self._options = options
        self._sources = sources
        self._catalogue = catalogue
        self._destination = destination
        self._listed = listed
        self._pool = pool
        self._description = description
        self._result = result
        self._progress = progress
        self._total = self._done = 0
        self._unusual: dict[Path, SampleSummary] = {}

    def run(self, ledger: Ledger, *, dry_run: bool) -> bool:
        """Convert, or plan. Returns whether it was finished; Ctrl-C interrupts it."""
        roots = range(len(self._sources))
        self._total = sum(self._catalogue.count_files(root, kind) for root in roots for kind in (IMAGE, ARRAY, OTHER))
        self._progress(0, 0, self._total)
        ranges = self._measure()
        ledger.load()
        self._catalogue.index()
        settings_hash = PlanRanges({Path(str(root)): found for root, found in ranges.items()}).settings_hash(
            self._description.settings_hash
        )
        tasks = self._pending_tasks(ledger, settings_hash)
        if dry_run:
            for task in tasks:
                self._result.planned.append(
                    (as_path(task.source.address), as_path(self._destination.describe(task.output)))
                )
            return True
        try:
            for chunk, converted in self._pool.map("convert", self._chunks(tasks, ranges), split_chunk):
                self._record(chunk, converted, ledger)
        except KeyboardInterrupt:
            return False
        finally:
            self._add_notices(ranges)
        return True

    def _measure(self) -> Mapping[int, ValueRanges]:
        """Return black and white by sample type for each source, as ``plan_ranges`` does."""
        known = self._description.known
        ranges: dict[int, dict[str, ValueRange]] = {}
        for root, source in enumerate(self._sources):
            ranges[root] = dict(known)
            if not is_address(source) and not Path(source).is_dir():
                continue  # an image that was named by itself has the range of its type
            files = (file for kind in (IMAGE, ARRAY, OTHER) for file in self._catalogue.files(root, kind)
                     if not file.relative.lower().endswith(_LEVELS_OF_8_BITS))  # fmt: skip
            summaries: dict[Path, SampleSummary] = {}
            for chunk, found in self._pool.map("measure", _in_chunks(files, CHUNK_FILES), lambda chunk: [chunk]):
                summaries |= {Path(chunk[index].address): summary for index, summary in found
                              if summary.type not in known}  # fmt: skip
            shared = shared_ranges(summaries)
            ranges[root] |= shared
            for summary, limits, paths in narrow_files(summaries, shared):
                self._result.notices.append((paths[0], narrow_notice(summary, limits, paths)))
        return ranges

    def _pending_tasks(self, ledger: Ledger, settings_hash: str) -> Iterator[Task]:
        """Yield what is to be done. The rest is added to the result."""
        existing = self._options.existing
        for source, output in self._catalogue.named_files(self._options.format or "png", ledger.exists):
            target = self._destination.describe(output)
            forbid_overwriting(target, source, self._listed.originals, self._catalogue)
            fingerprint = fingerprint_of(source, settings_hash)
            state = ledger.state(output, fingerprint)
            if state == "absent" or existing == "overwrite" or (state == "outdated" and existing == "continue"):
                yield Task(source, output, fingerprint)
            else:
                self._result.skipped.append((as_path(source.address), as_path(target), f"{target} {_REASONS[state]}"))
                self._total -= 1

    def _chunks(self, tasks: Iterator[Task], ranges: Mapping[int, ValueRanges]) -> Iterator[Chunk]:
        run = f"{time.time_ns():x}"
        for number, chunk in enumerate(_in_chunks(tasks, CHUNK_FILES)):
            name = f"{run}-{number:08}"
            yield Chunk(name, f"{name}-", chunk, ranges={task.source.root: ranges[task.source.root] for task in chunk})

    def _record(self, chunk: Chunk, converted: Converted | LostWorkerError, ledger: Ledger) -> None:
        if isinstance(converted, LostWorkerError):
            converted = Converted(failed=[(index, str(converted)) for index in range(len(chunk.tasks))])
        # the parts of a chunk that was split belong to all its pieces: they are removed at the end
        ledger.add([row for _, row in converted.rows], chunk.prefix if len(chunk.tasks) > 1 else None)
        for index, _ in sorted(converted.rows, key=lambda row: row[0]):
            task = chunk.tasks[index]
            self._result.converted.append(
                (as_path(task.source.address), as_path(self._destination.describe(task.output)))
            )
        self._result.failed += [
            (as_path(chunk.tasks[index].source.address), reason) for index, reason in converted.failed
        ]
        self._result.notices += [(as_path(path), text) for path, text in converted.notices]
        self._unusual |= {Path(path): summary for path, summary in converted.unusual}
        self._done += len(chunk.tasks)
        self._progress(self._done, len(self._result.failed), self._total)

    def _add_notices(self, ranges: Mapping[int, ValueRanges]) -> None:
        is_stated = self._options.value_range is not None
        reader: Any = None  # it only collects
        ranged = RangedReader(reader, PlanRanges(known=self._description.known), is_stated=is_stated)
        ranged.unusual = self._unusual
        self._result.notices += ranged.notices()


def as_path(text: str) -> Any:
    """Return a path; the text of an address, as a path would lose one of its slashes."""
    return text if is_address(text) else Path(text)


def _in_chunks(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    iterator = iter(items)
    while chunk := tuple(islice(iterator, size)):
        yield chunk
