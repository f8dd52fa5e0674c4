"""The result of an audit, as objects, as text and as JSON."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from i2i.data.layout import Kind

Size = tuple[int, int]  # width, height


def printable(text: str) -> str:
    """Replace unprintable characters by "?": file names may hold control characters and invalid UTF-8."""
    return "".join(character if character.isprintable() else "?" for character in text)


def format_size(size: Size) -> str:
    """Return the size as WIDTHxHEIGHT."""
    return f"{size[0]}x{size[1]}"


def plural(count: int, singular: str, plural_form: str) -> str:
    """Return the count with the singular or the plural form of a phrase."""
    return f"{count} {singular if count == 1 else plural_form}"


def join_some(names: Iterable[str]) -> str:
    """Join the first three names, and state how many more there are."""
    names = list(names)
    return printable(", ".join(names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of a check.

    Attributes:
        level: "error": training fails or makes no sense; "warning": training gets worse; "note": worth knowing.
        text: what was found and what to do about it.
    """

    level: Literal["error", "warning", "note"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Widths and heights of images in pixels, ordered by area."""

    smallest: Size
    median: Size
    largest: Size
    distinct: int

    @classmethod
    def of(cls, sizes: Iterable[Size]) -> "Sizes":
        ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
        return cls(
            smallest=ordered[0],
            median=ordered[len(ordered) // 2],
            largest=ordered[-1],
            distinct=len(set(ordered)),
        )

    def __str__(self) -> str:
        if self.distinct == 1:
            return f"{format_size(self.median)} pixels"
        return (
            f"{format_size(self.smallest)} to {format_size(self.largest)} pixels, "
            f"median {format_size(self.median)}, {self.distinct} sizes"
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of an audit.

    Attributes:
        root: the dataset's folder.
        kind: kind of the dataset, or None if the layout is unknown.
        source: the detected folder convention, in words.
        counts: number of images by split and domain ("A" and "B", or "photos"), or of "pairs".
        sizes: sizes of the readable images by split and domain.
        modes: number of images by PIL mode, as stored.
        findings: results of the checks, errors first.
        advice: the training that suits the dataset.
    """

    root: Path
    kind: Kind | None
    source: str
    counts: dict[str, dict[str, int]]
    sizes: dict[str, dict[str, Sizes]]
    modes: Counter[str]
    findings: list[Finding]
    advice: str

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.level != "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {**asdict(self), "root": printable(str(self.root)), "modes": dict(self.modes), "ok": self.ok}

    def text(self) -> str:
        """Return the report for a terminal: counts and sizes, findings, advice."""
        kind = f"{self.kind} data: {self.source}" if self.kind else "unknown layout"
        lines = [f"{printable(str(self.root))}: {kind}", ""]
        for split, counts in self.counts.items():
            sizes = self.sizes.get(split, {})
            for name, count in counts.items():
                lines.append(f"  {split:5}  {count:6} {name:6}  {sizes.get(name, '')}".rstrip())
            for name, size in sizes.items():
                if name not in counts:
                    lines.append(f"  {split:5}  {'':6} {name:6}  {size}")
        lines.append("")
        lines += [f"{finding.level}: {finding.text}" for finding in self.findings] or ["No problems were found."]
        return "\n".join([*lines, "", self.advice])
