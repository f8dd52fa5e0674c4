"""An evaluation as text for a terminal."""

import textwrap
from collections.abc import Sequence

from i2i.directions import describe_direction
from i2i.evaluation.direction import DirectionResult
from i2i.evaluation.evaluate import Evaluation
from i2i.evaluation.metric_specs import METRICS, MetricSpec
from i2i.evaluation.table import Row
from i2i.metrics.bootstrap import Estimate

TITLE_WIDTH = 34  # characters


def format_report(evaluation: Evaluation) -> str:
    """Return the tables, comparisons, votes and notes."""
    parts = [_format_direction(result) for result in evaluation.directions]
    if evaluation.votes:
        parts.append("\n".join(["Blind test", *(f"  {tally.describe()}" for tally in evaluation.votes)]))
    parts += [f"note: {note}" for note in evaluation.notes]
    return "\n\n".join(parts)


def _format_direction(result: DirectionResult) -> str:
    specs = [spec for spec in METRICS.values() if any(spec.name in row.values for row in result.rows)]
    heads = [f"{spec.title} {spec.unit}".strip() for spec in specs]
    cells = [[format_cell(spec, row.values.get(spec.name)) for spec in specs] for row in result.rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    title = f"{describe_direction(result.direction)}: {result.protocol.describe()}"
    lines = [title, "", _format_line("", heads, widths)]
    for row, row_cells in zip(result.rows, cells, strict=True):
        lines += _format_row(row, row_cells, widths)
    if any(estimate.interval for row in result.rows for estimate in row.values.values()):
        lines += ["", "± is half of the 95 % interval from 1000 resamples of the images (FID: 200)"]
    if result.comparisons:
        lines += ["", *(comparison.describe() for comparison in result.comparisons)]
    return "\n".join(lines)


def _format_row(row: Row, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = textwrap.wrap(row.title, TITLE_WIDTH - 2)
    return [_format_line(f"  {first}", cells, widths), *(f"    {line}" for line in rest)]


def _format_line(title: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    columns = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{title:{TITLE_WIDTH}}  {'  '.join(columns)}"


def format_cell(spec: MetricSpec, estimate: Estimate | None) -> str:
    """Return a value with half of its interval as text: "21.20 ±1.30", or "21.20 ±–" with too few images for one."""
    if estimate is None:
        return "–"
    if estimate.interval is None:
        return spec.format(estimate.value) + (" ±–" if estimate.reason else "")
    return f"{spec.format(estimate.value)} ±{spec.format((estimate.high - estimate.low) / 2)}"
