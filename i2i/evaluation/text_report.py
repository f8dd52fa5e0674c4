"""An evaluation as text for a terminal."""

import math
import textwrap
from collections.abc import Sequence

from i2i.evaluation.direction import Section
from i2i.evaluation.evaluate import Evaluation
from i2i.evaluation.metric_specs import COLUMNS, Column
from i2i.evaluation.table import Row
from i2i.metrics.bootstrap import Estimate

TITLES = 34  # letters before a title is broken
DIRECTIONS = {"AtoB": "A to B", "BtoA": "B to A", "sample": "Pictures from noise"}


def text(found: Evaluation) -> str:
    """Tables, what follows from them, and how the numbers came about."""
    parts = [_section(section) for section in found.sections]
    parts += ["\n".join(["People", *(f"  {tally.text()}" for tally in found.votes)])] if found.votes else []
    parts += [f"note: {note}" for note in found.notes]
    return "\n\n".join(parts)


def _section(section: Section) -> str:
    columns = [COLUMNS[name] for name in COLUMNS if any(name in row.values for row in section.rows)]
    head = [f"{column.title} {column.unit}".strip() for column in columns]
    lines = [[cell(column, row.values.get(column.name)) for column in columns] for row in section.rows]
    widths = [max(map(len, cells)) for cells in zip(head, *lines, strict=True)]
    shown = [f"{DIRECTIONS[section.direction]}: {section.protocol.text()}", "", _line("", head, widths)]
    for row, cells in zip(section.rows, lines, strict=True):
        shown += _row(row, cells, widths)
    shown += ["", "± is half of a 95 % interval, by 1000 resamples of the pictures (FID: 200)"]
    if section.comparisons:
        shown += ["", *(f"{comparison.text()}" for comparison in section.comparisons)]
    return "\n".join(shown)


def _row(row: Row, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = textwrap.wrap(row.title, TITLES - 2)
    return [_line(f"  {first}", cells, widths), *(f"    {other}" for other in others)]


def _line(title: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"{title:{TITLES}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def cell(column: Column, found: Estimate | None) -> str:
    """Such as "21.20 ±1.30"."""
    if found is None:
        return "–"
    half = (found.high - found.low) / 2
    return column.text(found.value) + (f" ±{column.text(half)}" if math.isfinite(half) else "")
