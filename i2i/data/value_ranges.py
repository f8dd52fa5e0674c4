"""The value ranges of a dataset: all of its files share one range for each sample type."""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from i2i.data.layout import Layout
from i2i.data.layout.shards import inspected_items
from i2i.errors import ImageError, UsageError
from i2i.images.opening import read_head
from i2i.images.reading import read_declaration, read_summary
from i2i.images.sample_images import may_have_other_samples
from i2i.images.value_range import (
    SampleSummary,
    SampleType,
    ValueRange,
    ValueRanges,
    common_ranges,
    format_range,
    is_narrow,
    join_summaries,
    proposed_range,
    stated_ranges,
)

logger = logging.getLogger(__name__)

DomainRanges = tuple[ValueRanges, ValueRanges]  # of the domains A and B; a single domain is A
NO_RANGES: DomainRanges = ({}, {})
MAX_SAMPLED = 64  # files of a type with a fixed range that are decoded to find narrow values
Measure = Callable[[Path], SampleSummary | None]
_FIXED: dict[str, ValueRange] = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}


def dataset_ranges(
    layout: Layout,
    stated: ValueRange | None = None,
    stated_a: ValueRange | None = None,
    stated_b: ValueRange | None = None,
    *,
    known: DomainRanges = NO_RANGES,
) -> DomainRanges:
    """Return the ranges of a dataset's two domains, by sample type; those that a type always has are left out.

    A warning is logged for files whose values are narrow in a range that nobody stated.

    Args:
        layout: the dataset.
        stated: range of both domains, as the user states it; None to derive it from all files.
        stated_a: range of domain A; None for ``stated``.
        stated_b: range of domain B; None for ``stated``.
        known: ranges of both domains by type, such as those of a model; they need no decoding of files.

    Raises: UsageError if a stated range is not usable, or no file of its domain can hold it.
    """
    files = files_of_domains(layout)
    types = [measure_types(paths) for paths in files]
    ranges = [
        {**limits, **stated_ranges(domain_stated, set(map_.values()))}
        for limits, domain_stated, map_ in zip(known, (stated_a or stated, stated_b or stated), types, strict=True)
    ]
    _check_applies(stated, {**types[0], **types[1]}, layout.root)
    _check_applies(stated_a, types[0], layout.root)
    _check_applies(stated_b, types[1], layout.root)
    pending = {
        path: type
        for map_, limits in zip(types, ranges, strict=True)
        for path, type in map_.items()
        if type not in limits and type != "uint8"
    }
    summaries = measure_samples(pending, read_summary)
    shared = shared_ranges(summaries)
    warn_about_narrow([{path: summaries[path] for path in paths if path in summaries} for paths in files], shared)
    return {**shared, **ranges[0]}, {**shared, **ranges[1]}


def files_of_domains(layout: Layout) -> tuple[list[Path], list[Path]]:
    """Return the files of the domains A and B, of all splits. A file with both images of a pair belongs to A."""
    files: tuple[set[Path], set[Path]] = (set(), set())
    for domains in layout.splits.values():
        for index, domain in enumerate(domains):
            for item in inspected_items(layout, domain):
                for side, path in enumerate(item):
                    files[max(index, side)].add(path)
    return sorted(files[0]), sorted(files[1])


def measure_types(paths: Iterable[Path]) -> dict[Path, SampleType]:
    """Return the sample type of each file, by its header. Files that are no levels or no images are left out."""
    types: dict[Path, SampleType] = {}
    for path in paths:
        if not may_have_other_samples(read_head(path)):
            types[path] = "uint8"
            continue
        try:
            type, _ = read_declaration(path)
        except ImageError:
            continue  # it is reported when it is read
        if type is not None:
            types[path] = type
    return types


def measure_samples(types: Mapping[Path, SampleType], measure: Measure) -> dict[Path, SampleSummary]:
    """Decode the files that decide the range of a dataset, in threads, and return what they hold.

    Types with a fixed range need it only to find narrow values, so of these at most MAX_SAMPLED files are decoded.

    Args:
        types: sample type of each file.
        measure: decodes a file; it may raise ImageError, which the reading of the file will report.
    """
    by_type: dict[str, list[Path]] = defaultdict(list)
    for path, type in types.items():
        by_type[type].append(path)
    paths = [path for type, members in by_type.items() for path in _needed(type, members)]

    def measure_or_skip(path: Path) -> SampleSummary | None:
        try:
            return measure(path)
        except ImageError:
            return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(measure_or_skip, paths)
        return {path: summary for path, summary in zip(paths, results, strict=True) if summary is not None}


def _needed(type: str, paths: list[Path]) -> Iterator[Path]:
    """Yield the files of one type that have to be decoded."""
    if type not in _FIXED:
        yield from paths
        return
    step = max(1, len(paths) // MAX_SAMPLED)
    for index, path in enumerate(paths):
        if index % step == 0 or _declares_range(path):
            yield path


def _declares_range(path: Path) -> bool:
    try:
        return read_declaration(path)[1] is not None
    except ImageError:
        return False


def shared_ranges(summaries: Mapping[Path, SampleSummary]) -> dict[str, ValueRange]:
    """Return the range of each type that all files share; those that a type always has are left out."""
    return {type: limits for type, limits in common_ranges(summaries.values()).items() if limits != _FIXED.get(type)}


def narrow_files(
    summaries: Mapping[Path, SampleSummary], ranges: ValueRanges
) -> Iterator[tuple[SampleSummary, ValueRange, list[Path]]]:
    """Yield, for each type whose values are narrow in their range, all of its values, the range and the files.

    Args:
        summaries: what the files hold.
        ranges: their ranges by type; a type that is missing has its fixed range.
    """
    by_type: dict[str, list[Path]] = defaultdict(list)
    for path, summary in summaries.items():
        by_type[summary.type].append(path)
    for type, paths in by_type.items():
        members = [summaries[path] for path in paths]
        limits = ranges.get(type) or _FIXED[type]
        if any(summary.declared == limits for summary in members):
            continue
        together = join_summaries(members)
        if is_narrow(together, limits):
            yield together, limits, paths


def warn_about_narrow(domains: Sequence[Mapping[Path, SampleSummary]], ranges: ValueRanges) -> None:
    """Log a warning for values that are narrow in a range that nobody stated: of both domains, or of one of them.

    Args:
        domains: what the files of A and of B hold.
        ranges: their common ranges by type; a type that is missing has its fixed range.
    """
    everything = {path: summary for summaries in domains for path, summary in summaries.items()}
    found = [("", *narrow) for narrow in narrow_files(everything, ranges)]
    types = {summary.type for _, summary, _, _ in found}
    for name, summaries in zip("ab", domains, strict=True):
        others = {path: summary for path, summary in summaries.items() if summary.type not in types}
        found += [(f"-{name}", *narrow) for narrow in narrow_files(others, ranges)]
    for suffix, summary, limits, paths in found:
        description = describe_narrow(summary, limits, [str(path) for path in paths])
        logger.warning("%s %s", description, advise_range(summary, f"--value-range{suffix}"))


def describe_narrow(summary: SampleSummary, limits: ValueRange, names: Sequence[str]) -> str:
    """Return a sentence on files that use little of their range."""
    look = "nearly black" if limits[0] >= 0 else "nearly of one grey"
    return f"{_describe_values(summary, limits, names)}, so the images are {look}."


def describe_exceeding(summary: SampleSummary, limits: ValueRange, names: Sequence[str]) -> str:
    """Return a sentence on files that have values out of the range of the model's training."""
    return f"{_describe_values(summary, limits, names)} as in the training of the model, so values beyond are clipped."


def _describe_values(summary: SampleSummary, limits: ValueRange, names: Sequence[str]) -> str:
    files = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    values, black_to_white = (format_range(ends).replace(" ", " to ") for ends in ((summary.low, summary.high), limits))
    return (
        f"The values of {files} lie within {values}, and {black_to_white} are read as black to white ({summary.type})"
    )


def advise_range(summary: SampleSummary, flag: str = "--value-range") -> str:
    """Return a sentence with the range to state."""
    return f"If black and white are other values, state them: {flag} {format_range(proposed_range(summary))}."


def _check_applies(limits: ValueRange | None, types: Mapping[Path, SampleType], root: Path) -> None:
    """Raise UsageError if a stated range fits none of the files."""
    names = sorted(set(types.values()))
    if limits is not None and names and not stated_ranges(limits, names):
        raise UsageError(
            f"--value-range {format_range(limits)} fits no image of {root}: they hold {', '.join(names)}, "
            f"which cannot be {limits[1]:g}."
        )
