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
from i2i.data.value_ranges import advise_range, describe_narrow, narrow_files, shared_ranges
from i2i.errors import ImageError
from i2i.images import LoadedImage
from i2i.images.reading import read_head
from i2i.images.sample_images import may_have_other_samples
from i2i.images.value_range import SampleSummary, ValueRange, ValueRanges, range_of_type, ranges_to_json

Notice = tuple[Path, str]  # a file, and a sentence on what of it is missing or changed in its result


@dataclass(frozen=True)
class PlanRanges:
    """Black and white of the images of a plan.

    Attributes:
        by_source: ranges of each source by sample type; the range of a type that is missing follows from the file.
        notices: folders whose values are narrow in the range that they share.
    """

    by_source: Mapping[Path, ValueRanges] = field(default_factory=dict)
    notices: Sequence[Notice] = ()

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
            notices.append((paths[0], _narrow_notice(summary, limits, paths)))
    return PlanRanges(by_source, notices)


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
    """A reader that scales each image by the ranges of its plan, and collects the files whose values are narrow."""

    def __init__(self, reader: ImageReader, ranges: PlanRanges) -> None:
        super().__init__(reader)
        self.by_source = ranges.by_source
        self.narrow: dict[Path, SampleSummary] = {}

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        image = self.reader.read(path, frame, blend=blend, ranges=self.by_source.get(path, ranges))
        if image.narrow is not None:
            self.narrow.setdefault(path, image.narrow)
        return image

    def notices(self) -> list[Notice]:
        """Return a notice for each sample type that has files with a narrow range of values."""
        by_type: dict[str, list[Path]] = defaultdict(list)
        for path, summary in sorted(self.narrow.items()):
            by_type[summary.type].append(path)
        notices = []
        for paths in by_type.values():
            widest = max((self.narrow[path] for path in paths), key=lambda summary: summary.high)
            limits = range_of_type(widest.type, widest.low, widest.high)
            notices.append((paths[0], _narrow_notice(widest, limits, paths)))
        return notices


def _narrow_notice(summary: SampleSummary, limits: ValueRange, paths: Sequence[Path]) -> str:
    return f"{describe_narrow(summary, limits, [path.name for path in paths])} {advise_range(summary)}"
