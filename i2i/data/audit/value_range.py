"""Check of the value range: values that use little of the range of their type."""

from collections.abc import Iterator
from pathlib import Path

from i2i.data.audit.channels import holds_class_ids
from i2i.data.audit.inspect import ImageInfo
from i2i.data.audit.report import Finding
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.data.value_ranges import describe_narrow, narrow_files, shared_ranges
from i2i.images.value_range import SampleSummary, format_range, proposed_range, stated_ranges

MAX_CERTAIN_CLASSES = 16  # different values of an image; a dark photo has more


def check_value_range(snapshot: DatasetSnapshot) -> Iterator[Finding]:
    """Yield a finding for each domain and sample type whose images are nearly black, with the range to state."""
    domains = _summaries_by_domain(snapshot)
    everything = {path: summary for summaries in domains.values() for path, summary in summaries.items()}
    stated = stated_ranges(snapshot.value_range)
    if stated and everything and not any(summary.type in stated for summary in everything.values()):
        types = ", ".join(sorted({summary.type for summary in everything.values()}))
        yield Finding(
            level="error",
            text=f"--value-range {format_range(stated['float'])} fits no image: they hold {types}; state a range that "
            "the type can hold.",
        )
    shared = shared_ranges(everything)
    for domain, summaries in domains.items():
        undeclared = {
            path: summary
            for path, summary in summaries.items()
            if summary.type not in stated and not _are_only_class_ids(snapshot.images[path])
        }
        for summary, limits, paths in narrow_files(undeclared, shared):
            flag = "--value-range"
            others = (other for name, members in domains.items() if name != domain for other in members.values())
            if any(other.type == summary.type for other in others):
                flag += f"-{domain.lower()}"
            names = [snapshot.name(path) for path in paths]
            yield Finding(
                level="warning",
                text=f"{describe_narrow(summary, limits, names)} Train with "
                f"`{flag} {format_range(proposed_range(summary))}` if these are the values of black and white.",
            )


def _are_only_class_ids(image: ImageInfo) -> bool:
    """Return whether small integers are class ids, and so few that they are no dark photo."""
    return holds_class_ids(image) and (image.num_values or 0) <= MAX_CERTAIN_CLASSES


def _summaries_by_domain(snapshot: DatasetSnapshot) -> dict[str, dict[Path, SampleSummary]]:
    domains: dict[str, dict[Path, SampleSummary]] = {}
    for files in snapshot.files_by_domain().values():
        for domain, paths in files.items():
            for path in paths:
                image = snapshot.images.get(path)
                if image is not None and image.samples is not None:
                    domains.setdefault(domain, {})[path] = image.samples
    return domains
