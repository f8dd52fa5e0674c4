"""What the log of a run has to show: its losses, its evaluations, and what the doctor said."""

from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from i2i.checkpoints.log import read_log
from i2i.evaluation.metric_specs import COLUMNS
from i2i.reports.charts import Line, lines

PLAYERS = {"G": "Generator's losses", "D": "Discriminator's losses", "P": "Projector's losses"}
MEASURES = ("kid", "lpips", "psnr", "ssim")  # that a training takes on its way

Points = dict[str, list[tuple[float, float]]]


@dataclass
class Course:
    """A training as its log tells it: curves by name, alarms and setbacks in order."""

    losses: dict[str, Points] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    measures: dict[str, Points] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    alarms: list[tuple[int, str]] = field(default_factory=list)


def course(run: Path) -> Course:
    """The course of a run."""
    found = Course()
    for row in read_log(run):
        step = row.get("step", 0)
        if said := row.get("sentence") or row.get("setback"):
            found.alarms.append((step, str(said)))
            continue
        for name, value in row.items():
            first, _, rest = name.partition("/")
            if not rest or not isinstance(value, int | float):
                continue
            if "lr" in row:
                found.losses[first][rest].append((step, value))
            elif rest in MEASURES:
                found.measures[rest][first].append((step, value))
    return found


def training(name: str, run: Path, best: Any) -> str:
    """A run's plots and alarms. best: what its best checkpoint's header says of it."""
    found = course(run)
    shown = plots(found, best)
    if not shown and not found.alarms:
        return ""
    return f"<h3>{escape(name)}</h3>{alarms(found)}{shown}"


def plots(found: Course, best: Any, at: float | None = None) -> str:
    """A run's curves with its alarms marked on them; "" where it has none. best: as of ``training``. at: a step that is
    to be marked."""
    shown = [_measure(metric, curves, best, found, at) for metric, curves in found.measures.items()]
    shown += [
        lines(
            PLAYERS.get(player, f"{player}'s losses"),
            [Line(term, points) for term, points in terms.items()],
            found.alarms,
            at,
        )
        for player, terms in sorted(found.losses.items(), key=lambda item: item[0] != "G")
    ]
    return f'<div class="plots">{"".join(shown)}</div>' if any(shown) else ""


def _measure(metric: str, curves: Points, best: Any, found: Course, at: float | None) -> str:
    column = COLUMNS[metric]
    told = best if isinstance(best, dict) and best.get("metric") == metric else {}
    shown = [
        Line(name, [(x, y * column.scale) for x, y in points], marks=True, best=told.get("steps"))
        for name, points in curves.items()
    ]
    return lines(
        f"{column.title} {column.unit} on test pictures, at the training's size".replace("  ", " "),
        shown,
        found.alarms,
        at,
    )


def alarms(found: Course) -> str:
    """What the training doctor said."""
    if not found.alarms:
        return '<p class="calm">The training doctor had nothing to say.</p>'
    items = "".join(f"<li><b>Step {step}</b> {escape(sentence)}</li>" for step, sentence in found.alarms)
    return f'<div class="alarm"><b>The training doctor said:</b><ul>{items}</ul></div>'
