"""Audit of a dataset: decode every image, report problems, and suggest a training."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from i2i.data.audit.advice import training_advice
from i2i.data.audit.appearance import check_appearance
from i2i.data.audit.channels import check_channels
from i2i.data.audit.duplicates import check_duplicates
from i2i.data.audit.files import check_files
from i2i.data.audit.inspect import inspect_headers, inspect_images
from i2i.data.audit.report import Finding, Report, Sizes, printable
from i2i.data.audit.snapshot import DatasetSnapshot
from i2i.data.audit.structure import check_structure
from i2i.data.audit.value_range import check_value_range
from i2i.data.layout import HINT, Kind, Layout, list_images
from i2i.data.resize import ResizeMode
from i2i.data.source import DataSource
from i2i.errors import DatasetError, I2IError
from i2i.images.value_range import ValueRange
from i2i.images.value_range import check_value_range as require_value_range

__all__ = ["Finding", "Report", "Sizes", "audit", "training_warnings"]

LEVELS = ("error", "warning", "note")
MAX_PIXELS_AT_START = 100_000_000  # of all images that are decoded when a training starts: a few seconds
Check = Callable[[DatasetSnapshot], Iterator[Finding]]


def audit(
    data: Path | DataSource,
    *,
    value_range: ValueRange | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Decode every image of a dataset once and report on the dataset.

    Args:
        data: the dataset's folder, or a source that is on this machine.
        value_range: values of black and white of the images that can hold them; None if they are not stated.
        progress: receives (images read, number of images).

    Raises:
        UsageError: ``value_range`` is not usable.
        DatasetError: there is no such folder. All problems inside the folder are findings of the report.
    """
    if value_range is not None:
        require_value_range(*value_range)
    source = data if isinstance(data, DataSource) else DataSource(data=str(data))
    root = source.folder
    if root is None:
        raise DatasetError(f"There is no folder {source.data}. {HINT}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damaged EXIF data and huge images
        layout, findings = _detect_layout(source)
        root = layout.root if layout else root
        paths = (
            sorted(set(DatasetSnapshot(root, layout).paths())) if layout else list_images(root, source.stack_pattern)
        )
        snapshot = DatasetSnapshot(root, layout, *inspect_images(paths, progress), value_range)
        return _report(snapshot, source, findings)


def training_warnings(layout: Layout, needed: Kind, *, resize: ResizeMode = "stretch") -> list[str]:
    """Return the warnings of the audit that concern a training, worst first, and without its notes.

    Images are decoded only if all of them have at most MAX_PIXELS_AT_START pixels together. Without decoding, copies
    and damaged images are not found. Narrow value ranges are left to ``dataset_ranges``, which logs them.

    Args:
        layout: the dataset.
        needed: the kind of data that the method needs.
        resize: how the training resizes its images.
    """
    snapshot = DatasetSnapshot(layout.root, layout, needed=needed, resize=resize)
    paths = sorted(set(snapshot.paths()))
    images = inspect_headers(paths)
    checks: list[Check] = [check_files, check_structure, check_appearance]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if sum(image.size[0] * image.size[1] for image in images.values()) <= MAX_PIXELS_AT_START:
            images, faults = inspect_images(paths, None)
            snapshot = replace(snapshot, faults=faults)
            checks.append(check_duplicates)
        snapshot = replace(snapshot, images=images)
        findings = [finding for check in checks for finding in check(snapshot) if finding.level != "note"]
    return [finding.text for finding in sorted(findings, key=lambda finding: LEVELS.index(finding.level))]


def _report(snapshot: DatasetSnapshot, source: DataSource, findings: list[Finding]) -> Report:
    layout = snapshot.layout
    for check in (
        check_files, check_structure, check_appearance, check_channels, check_value_range, check_duplicates
    ):  # fmt: skip
        findings += check(snapshot)
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    counts = {
        split: {name: len(items) for name, items in domains.items()}
        for split, domains in snapshot.items_by_domain().items()
    }
    return Report(
        root=snapshot.root,
        kind=layout.kind if layout else None,
        source=layout.source if layout else "",
        counts=counts,
        sizes=_sizes(snapshot),
        modes=Counter(image.mode for image in snapshot.images.values()),
        findings=findings,
        advice=training_advice(snapshot, source, has_errors=any(finding.level == "error" for finding in findings)),
    )


def _detect_layout(source: DataSource) -> tuple[Layout | None, list[Finding]]:
    """Return the layout, or None and a finding with the reason."""
    try:
        return source.load(download=False), []
    except Exception as error:  # it reads headers of images, and decoders raise exceptions of any type
        reason = str(error).removesuffix(HINT).strip()  # the hint names this very check
        if not isinstance(error, I2IError):
            reason = f"The layout of {source.names[0]} cannot be detected: {reason}."
        return None, [Finding(level="error", text=printable(reason))]


def _sizes(snapshot: DatasetSnapshot) -> dict[str, dict[str, Sizes]]:
    sizes: dict[str, dict[str, Sizes]] = {}
    for split, domains in snapshot.files_by_domain().items():
        sizes[split] = {}
        for name, paths in domains.items():
            readable = [snapshot.images[path].size for path in paths if path in snapshot.images]
            if readable:
                sizes[split][name] = Sizes.of(readable)
    return sizes
