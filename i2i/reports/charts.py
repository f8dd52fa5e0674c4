"""Plots as HTML and SVG whose colours come from the page, so that they follow light and dark."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from i2i.evaluation.metric_specs import Column

if TYPE_CHECKING:
    from i2i.evaluation.table import Row

POINTS = 240  # of a line; more are averaged
WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 26
COLOURS = 8  # that the page has for lines


@dataclass(frozen=True)
class Line:
    """A curve by step. marks: whether each point is shown. best: the step of the best point, if there is one."""

    name: str
    points: Sequence[tuple[float, float]]
    marks: bool = False
    best: float | None = None


def intervals(rows: "Sequence[Row]", column: Column) -> str:
    """A dot and a 95 % interval for each row, on one scale."""
    known = [row for row in rows if column.name in row.values]
    ends = [
        end * column.scale
        for row in known
        for end in (row.values[column.name].value, row.values[column.name].low, row.values[column.name].high)
        if math.isfinite(end)
    ]
    low, high = (min(0.0, *ends) if min(ends) < max(ends) / 2 else ticks_of(min(ends), max(ends))[0]), max(ends)
    ticks = [tick for tick in ticks_of(low, high) if low <= tick <= high]

    def place(value: float) -> str:
        return f"{100 * (value * column.scale - low) / (high - low or 1):.2f}%"

    lines = []
    for row in known:
        found = row.values[column.name]
        bar = ""
        if math.isfinite(found.low):
            width = (found.high - found.low) * column.scale / (high - low or 1) * 100
            bar = f'<i class="bar" style="left:{place(found.low)};width:{width:.2f}%"></i>'
        interval = f"[{column.text(found.low)}, {column.text(found.high)}]" if bar else ""
        lines.append(
            f'<div class="row {row.kind}"><span class="name">{escape(row.title)}</span><span class="track">{bar}'
            f'<i class="dot" style="left:{place(found.value)}"></i></span><span class="value"><b>'
            f"{column.text(found.value)}</b> <small>{interval}</small></span></div>"
        )
    scale = "".join(
        f'<i style="left:{100 * (tick - low) / (high - low or 1):.2f}%">{number(tick)}</i>' for tick in ticks
    )
    side = {"less": "less is better", "more": "more is better", "neither": ""}[column.better]
    title = " · ".join(filter(None, (f"{column.title} {column.unit}".strip(), side)))
    return (
        f'<figure class="intervals"><figcaption>{escape(title)}</figcaption>{"".join(lines)}<div class="row axis">'
        f'<span></span><span class="track">{scale}</span><span></span></div></figure>'
    )


def lines(title: str, curves: Sequence[Line], events: Sequence[tuple[float, str]] = (), at: float | None = None) -> str:
    """Curves over steps, with their names above.

    events: what happened after a step, each marked by an upright line that says so. at: a step to be marked.
    """
    shown = [Line(c.name, _finite(c.points), c.marks, c.best) for c in curves]
    shown = [curve for curve in shown if curve.points]
    if not shown:
        return ""
    xs = [x for curve in shown for x, _ in curve.points]
    ys = [y for curve in shown for _, y in (_averaged(curve.points) if not curve.marks else curve.points)]
    x_ticks = ticks_of(0, max(xs))
    y_ticks = ticks_of(0 if 0 <= min(ys) < max(ys) * 0.7 else min(ys), max(ys), 4)
    frame = _Frame(x_ticks[0], max(xs) or 1, y_ticks[0], y_ticks[-1])
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{frame.y(y):.1f}" y2="{frame.y(y):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{frame.y(y) + 4:.1f}" text-anchor="end">{number(y)}</text>'
        for y in y_ticks
    ]
    parts += [
        f'<text x="{frame.x(x):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{number(x)}</text>'
        for x in x_ticks
        if x <= frame.right
    ]
    upright = f'y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
    for step, says in events:
        if frame.left <= step <= frame.right:
            place = f'x1="{frame.x(step):.1f}" x2="{frame.x(step):.1f}" {upright}'
            parts.append(f'<line class="event" {place}><title>Step {step:g}: {escape(says)}</title></line>')
    if at is not None:
        x = frame.x(min(max(at, frame.left), frame.right))
        parts.append(f'<line class="at" x1="{x:.1f}" x2="{x:.1f}" {upright}/>')
    for index, curve in enumerate(shown):
        parts += _curve(curve, index % COLOURS + 1, frame)
    keys = "".join(f'<span class="key c{k % COLOURS + 1}">{escape(c.name)}</span>' for k, c in enumerate(shown))
    return (
        f'<figure class="lines"><figcaption>{escape(title)}</figcaption><div class="keys">{keys}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)} by step">{"".join(parts)}</svg>'
        "</figure>"
    )


@dataclass(frozen=True)
class _Frame:
    """Where values are on a plot."""

    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - self.left) / (self.right - self.left or 1)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.bottom) / (self.top - self.bottom or 1)


def _curve(curve: Line, colour: int, frame: _Frame) -> Iterator[str]:
    points = curve.points if curve.marks else _averaged(curve.points)
    path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in points)
    yield f'<path class="c{colour}" d="M{path}"/>'
    for x, y in points if curve.marks else ():
        best = x == curve.best
        says = f"{curve.name}, step {x:g}: {y:.4g}{' (the best)' if best else ''}"
        yield (
            f'<circle class="c{colour}{" best" if best else ""}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" '
            f'r="{5 if best else 3}"><title>{escape(says)}</title></circle>'
        )


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for point in points if math.isfinite(point[1])]


def _averaged(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS points, each the mean of its neighbours."""
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def ticks_of(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers, some ``about``, from at most ``low`` to at least ``high``."""
    span = (high - low) or abs(high) or 1.0
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, max(last, first + 1) + 1)]


def number(value: float) -> str:
    """Short: 20k, 0.05, −3."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{round(value, 10):g}".replace("-", "−")
