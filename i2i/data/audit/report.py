"""What an audit found, as objects, as text and as JSON."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from i2i.data.layout import Kind

Size = tuple[int, int]  # width, height


def plain(text: str) -> str:
    """Without what a terminal or JSON would choke on: file names may hold control characters and broken UTF-8."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def shown(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def some(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def listed(names: Iterable[str]) -> str:
    """At most three of the names, and how many more there are."""
    every = list(names)
    return plain(", ".join(every[:3])) + (f" and {len(every) - 3} more" if len(every) > 3 else "")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """level: "error" stops or spoils a training, "warning" makes it worse, "note" is good to know."""

    level: Literal["error", "warning", "note"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Widths and heights of pictures, in pixels; the middle one is the median by area."""

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
            return f"{shown(self.median)} pixels"
        return (
            f"{shown(self.smallest)} to {shown(self.largest)} pixels, "
            f"median {shown(self.median)}, {self.distinct} sizes"
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """counts[split]: pictures by domain ("A" and "B", or "photos"), or pairs; sizes[split]: of readable pictures.

    modes: how many pictures there are of each PIL mode, as stored. kind is None where no layout was recognised.
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
        """Whether a training can start, and make sense."""
        return all(finding.level != "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "root": plain(str(self.root)), "modes": dict(self.modes), "ok": self.ok}

    def text(self) -> str:
        """The report for a terminal: what is there, what was found, what to do next."""
        what = f"{self.kind} data: {self.source}" if self.kind else "no layout that i2i knows"
        lines = [f"{plain(str(self.root))}: {what}", ""]
        for split, counts in self.counts.items():
            sizes = self.sizes.get(split, {})
            lines += [
                f"  {split:5}  {count:6} {name:6}  {sizes.get(name, '')}".rstrip() for name, count in counts.items()
            ]
            lines += [f"  {split:5}  {'':6} {name:6}  {size}" for name, size in sizes.items() if name not in counts]
        lines += ["", *(f"{finding.level}: {finding.text}" for finding in self.findings)]
        lines += [] if self.findings else ["Nothing wrong was found."]
        return "\n".join([*lines, "", self.advice])
