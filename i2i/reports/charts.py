"""Charts as HTML and SVG. The page's style sheet gives their colours, for light and dark mode."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from i2i.evaluation.metric_specs import MetricSpec
from i2i.reports.rendering import render

if TYPE_CHECKING:
    from i2i.evaluation.table import Row
    from i2i.metrics.bootstrap import Estimate

MAX_POINTS = 240  # of a curve; more points are averaged
WIDTH = 460  # of a line chart in SVG units
HEIGHT = 230
MARGIN_LEFT = 46
MARGIN_RIGHT = 12
MARGIN_TOP = 10
MARGIN_BOTTOM = 26
NUM_COLOURS = 8  # curve colours in the style sheet

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """Values by step.

    Args:
        name: for the legend.
        points: (step, value).
        marks: whether to draw every point; else a long curve is averaged.
        best: the step to highlight, if any.
    """

    name: str
    points: Sequence[Point]
    marks: bool = False
    best: float | None = None


@dataclass(frozen=True)
class _Axes:
    """The data range of a line chart, and its mapping to SVG coordinates."""

    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        width = WIDTH - MARGIN_LEFT - MARGIN_RIGHT
        return MARGIN_LEFT + width * (value - self.left) / (self.right - self.left or 1)

    def y(self, value: float) -> float:
        height = HEIGHT - MARGIN_TOP - MARGIN_BOTTOM
        return HEIGHT - MARGIN_BOTTOM - height * (value - self.bottom) / (self.top - self.bottom or 1)


def interval_chart(rows: "Sequence[Row]", spec: MetricSpec) -> Markup:
    """Return a chart with the value of each row as a dot and its 95 % interval as a bar, on one scale.

    Args:
        rows: those without the metric are left out.
        spec: the metric.
    """
    rows = [row for row in rows if spec.name in row.values]
    estimates = [row.values[spec.name] for row in rows]
    numbers = [
        number * spec.scale
        for estimate in estimates
        for number in (estimate.value, estimate.low, estimate.high)
        if math.isfinite(number)
    ]
    smallest, largest = min(numbers), max(numbers)
    # Start at 0 unless the values lie close together.
    low = min(0.0, smallest) if smallest < largest / 2 else nice_ticks(smallest, largest)[0]
    span = largest - low or 1

    def percent(value: float) -> float:
        return 100 * (value * spec.scale - low) / span

    bars = []
    for row, estimate in zip(rows, estimates, strict=True):
        bars.append(
            {
                "title": row.title,
                "kind": row.kind,
                "dot": percent(estimate.value),
                "left": percent(estimate.low),
                "width": (estimate.high - estimate.low) * spec.scale / span * 100,
                "has_interval": estimate.interval is not None,
                "value": spec.format(estimate.value),
                "interval": format_interval(spec, estimate),
            }
        )
    ticks = [
        (100 * (tick - low) / span, format_tick(tick)) for tick in nice_ticks(low, largest) if low <= tick <= largest
    ]
    title = f"{spec.title} {spec.unit}".strip()
    if spec.better != "neither":
        title += f" · {spec.better} is better"
    return render("interval_chart", title=title, bars=bars, ticks=ticks)


def format_interval(spec: MetricSpec, estimate: "Estimate") -> str:
    """Return an interval as text: "[1.2, 3.4]", "–" if a reason prevents one, or "" for a metric without intervals."""
    if estimate.interval is None:
        return "–" if estimate.reason else ""
    return f"[{spec.format(estimate.low)}, {spec.format(estimate.high)}]"


def line_chart(
    title: str,
    curves: Sequence[Curve],
    events: Sequence[tuple[float, str]] = (),
    marked_step: float | None = None,
) -> Markup:
    """Return an SVG chart of curves over steps, or "" if no curve has a finite point.

    Args:
        title: of the chart.
        curves: points that are not finite are left out.
        events: (step, description), drawn as dashed vertical lines.
        marked_step: drawn as a vertical line.
    """
    curves = [Curve(curve.name, _finite(curve.points), curve.marks, curve.best) for curve in curves]
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return Markup()
    drawn_points = [curve.points if curve.marks else _averaged(curve.points) for curve in curves]
    steps = [step for curve in curves for step, _ in curve.points]
    values = [value for points in drawn_points for _, value in points]
    x_ticks = nice_ticks(0, max(steps))
    # Start at 0 unless the values lie close together.
    y_ticks = nice_ticks(0 if 0 <= min(values) < max(values) * 0.7 else min(values), max(values), 4)
    axes = _Axes(x_ticks[0], max(steps) or 1, y_ticks[0], y_ticks[-1])
    marked_x = None
    if marked_step is not None:
        marked_x = axes.x(min(max(marked_step, axes.left), axes.right))
    return render(
        "line_chart",
        title=title,
        width=WIDTH,
        height=HEIGHT,
        left=MARGIN_LEFT,
        right=WIDTH - MARGIN_RIGHT,
        top=MARGIN_TOP,
        bottom=HEIGHT - MARGIN_BOTTOM,
        x_ticks=[(axes.x(tick), format_tick(tick)) for tick in x_ticks if tick <= axes.right],
        y_ticks=[(axes.y(tick), format_tick(tick)) for tick in y_ticks],
        events=[(axes.x(step), step, text) for step, text in events if axes.left <= step <= axes.right],
        marked_x=marked_x,
        curves=[
            _drawn_curve(curve, points, index % NUM_COLOURS + 1, axes)
            for index, (curve, points) in enumerate(zip(curves, drawn_points, strict=True))
        ],
    )


def _drawn_curve(curve: Curve, points: Sequence[Point], colour: int, axes: _Axes) -> dict[str, object]:
    """Return a curve in SVG coordinates.

    Args:
        curve: name and marks.
        points: (step, value), to be drawn.
        colour: from 1 to NUM_COLOURS.
        axes: of the chart.
    """
    marks = [
        {"x": axes.x(step), "y": axes.y(value), "step": step, "value": value, "is_best": step == curve.best}
        for step, value in (points if curve.marks else ())
    ]
    path = "L".join(f"{axes.x(step):.1f} {axes.y(value):.1f}" for step, value in points)
    return {"name": curve.name, "colour": colour, "path": f"M{path}", "marks": marks}


def _finite(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point[1])]


def _averaged(points: Sequence[Point]) -> list[Point]:
    """Return at most MAX_POINTS points, each the mean of successive points."""
    size = -(-len(points) // MAX_POINTS)  # rounded up
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers, the first at most ``low`` and the last at least ``high``."""
    span = (high - low) or abs(high) or 1.0
    min_step = span / count
    power = 10.0 ** math.floor(math.log10(min_step))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= min_step * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def format_tick(value: float) -> str:
    """Return a short number, such as 20k, 0.05 or −3."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{round(value, 10):g}".replace("-", "−")
