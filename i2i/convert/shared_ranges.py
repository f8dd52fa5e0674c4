"""The value ranges of a conversion: the images of a folder share one range for each sample type."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from i2i.convert.interfaces import ImageReader, WrappingReader
from i2i.convert.pipeline import io_threads
from i2i.convert.plan import Plan
from i2i.data.value_ranges import advise_range, describe_exceeding, describe_narrow, narrow_files, shared_ranges
from i2i.errors import ImageError
from i2i.images import LoadedImage
from i2i.images.opening import read_head
from i2i.images.sample_images import may_have_other_samples
from i2i.images.value_range import (
    SampleSummary,
    ValueRange,
    ValueRanges,
    exceeds,
    join_summaries,
    range_of_type,
    ranges_to_json,
)

Notice = tuple[Path, str]  # a file, and a sentence on what of it is missing or changed in its result


@dataclass(frozen=True)
class PlanRanges:
    """Black and white of the images of a plan.

    Attributes:
        by_source: ranges of each source by sample type; the range of a type that is missing follows from the file.
        notices: folders whose values are narrow in the range that they share.
        known: ranges that the user or the model states, by sample type.
    """

    by_source: Mapping[Path, ValueRanges] = field(default_factory=dict)
    notices: Sequence[Notice] = ()
    known: ValueRanges = field(default_factory=dict)

    def settings_hash(self, settings_hash: str) -> str:
        """Return a hash of other settings and of these ranges; the hash of the other settings if there are none."""
        distinct = sorted({json.dumps(ranges_to_json(ranges)) for ranges in self.by_source.values() if ranges})
        if not distinct:
            return settings_hash
        return hashlib.sha256("\n".join([settings_hash, *distinct]).encode()).hexdigest()[:16]


def plan_ranges(plan: Plan, reader: ImageReader, known: ValueRanges) -> PlanRanges:
    """Return black and white of the images of a plan.

    The files of a folder whose type does not fix the range are decoded once to find the range that they share. An image
    that was named by itself has the range of its type.

    Args:
        plan: the images, and the folders that were named.
        reader: reads the images.
        known: ranges that the user or the model states, by sample type.
    """
    by_source = {job.source: dict(known) for job in plan.jobs}
    notices: list[Notice] = []
    files_by_folder: dict[Path, list[Path]] = defaultdict(list)
    for source in by_source:
        folder = next((folder for folder in plan.folders if folder in source.parents), None)
        if folder is not None and may_have_other_samples(read_head(source)):
            files_by_folder[folder].append(source)
    for folder, files in files_by_folder.items():
        summaries = {path: summary for path, summary in _measure(files, reader).items() if summary.type not in known}
        shared = shared_ranges(summaries)
        for path in by_source:
            if folder in path.parents:
                by_source[path] |= shared
        for summary, limits, paths in narrow_files(summaries, shared):
            notices.append((paths[0], narrow_notice(summary, limits, paths)))
    return PlanRanges(by_source, notices, known)


def _measure(paths: Sequence[Path], reader: ImageReader) -> dict[Path, SampleSummary]:
    def measure(path: Path) -> SampleSummary | None:
        try:
            return reader.measure(path)
        except ImageError:
            return None  # the conversion reports it

    pool = ThreadPoolExecutor(io_threads(), "i2i-measure")
    try:
        results = list(pool.map(measure, paths))
    except BaseException:
        reader.close()  # the pool waits for its threads, and they wait for the reader
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return {path: summary for path, summary in zip(paths, results, strict=True) if summary is not None}


class RangedReader(WrappingReader):
    """A reader that scales each image by the ranges of its plan, and collects the files that do not fit their range.

    Args:
        reader: reads the images.
        ranges: of the images.
        is_stated: whether the user states the known ranges. Then files may use any part of them.
    """

    def __init__(self, reader: ImageReader, ranges: PlanRanges, *, is_stated: bool = False) -> None:
        super().__init__(reader)
        self.ranges = ranges
        self.is_stated = is_stated
        self.unusual: dict[Path, SampleSummary] = {}

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        applied = self.ranges.by_source.get(path, ranges)
        image = self.reader.read(path, frame, blend=blend, ranges=applied)
        if image.unusual is not None and self._is_reported(image.unusual.type, applied or {}):
            self.unusual.setdefault(path, image.unusual)
        return image

    def _is_reported(self, type: str, applied: ValueRanges) -> bool:
        """Return whether nobody states the range of a type, or the model does; a folder's range fits its files."""
        return type not in applied or (type in self.ranges.known and not self.is_stated)

    def notices(self) -> list[Notice]:
        """Return a notice for each sample type that has files with narrow values, and with values out of range."""
        groups: dict[tuple[str, bool], list[Path]] = defaultdict(list)
        for path, summary in sorted(self.unusual.items()):
            known = self.ranges.known.get(summary.type)
            groups[summary.type, known is not None and exceeds(summary, known)].append(path)
        notices = []
        for (type, is_exceeded), paths in groups.items():
            widest = max((self.unusual[path] for path in paths), key=lambda summary: summary.high)
            limits = self.ranges.known.get(type) or range_of_type(widest.type, widest.low, widest.high)
            if is_exceeded:
                together = join_summaries([self.unusual[path] for path in paths])
                text = f"{describe_exceeding(together, limits, _names(paths))} {advise_range(together)}"
            else:
                text = narrow_notice(widest, limits, paths)
            notices.append((paths[0], text))
        return notices


def _names(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]


def narrow_notice(summary: SampleSummary, limits: ValueRange, paths: Sequence[Path]) -> str:
    """Return the notice about files that use little of their range."""
    return f"{describe_narrow(summary, limits, _names(paths))} {advise_range(summary)}"
