"""The history of a training from its log: losses, validation metrics, alarms and rollbacks, as charts."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_info import BestMetric
from i2i.evaluation.metric_specs import METRICS
from i2i.reports.charts import Curve, line_chart
from i2i.reports.rendering import render

PLAYER_TITLES = {"G": "Generator losses", "D": "Discriminator losses"}
VALIDATION_METRICS = ("kid", "lpips", "psnr", "ssim")

Points = dict[str, list[tuple[float, float]]]


@dataclass
class TrainingHistory:
    """The content of a run's log.

    Args:
        losses: player → loss → (step, value).
        metrics: metric → direction → (step, value).
        alarms: (step, message) of alarms and rollbacks, in order.
    """

    losses: dict[str, Points] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    metrics: dict[str, Points] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    alarms: list[tuple[int, str]] = field(default_factory=list)


def read_history(run: Path) -> TrainingHistory:
    """Return the history of a run's folder."""
    history = TrainingHistory()
    for row in read_log(run):
        step = row.get("step", 0)
        if message := row.get("message") or row.get("rollback"):
            history.alarms.append((step, str(message)))
            continue
        is_loss_row = "lr" in row
        for name, value in row.items():
            prefix, _, rest = name.partition("/")
            if not rest or not isinstance(value, int | float):
                continue
            if is_loss_row:
                history.losses[prefix][rest].append((step, value))
            elif rest in VALIDATION_METRICS:
                history.metrics[rest][prefix].append((step, value))
    return history


def run_html(name: str, run: Path, best: BestMetric | None) -> Markup:
    """Return the charts and alarms of a run under its name, or "" without a log.

    Args:
        name: of the run.
        run: its folder.
        best: result of the best model file, if there is one.
    """
    history = read_history(run)
    charts = loss_charts(history, best)
    if not charts and not history.alarms:
        return Markup()
    return render("training", name=name, alarms=alarms_html(history), charts=charts)


def loss_charts(history: TrainingHistory, best: BestMetric | None, marked_step: float | None = None) -> Markup:
    """Return the charts of metrics and losses with the alarms, or "" without any.

    Args:
        history: of the run.
        best: result of the best model file, if there is one; its step is highlighted.
        marked_step: a step to mark in every chart.
    """
    charts = [_metric_chart(metric, points, best, history, marked_step) for metric, points in history.metrics.items()]
    for player, losses in sorted(history.losses.items(), key=lambda item: item[0] != "G"):
        title = PLAYER_TITLES.get(player, f"{player} losses")
        curves = [Curve(term, points) for term, points in losses.items()]
        charts.append(line_chart(title, curves, history.alarms, marked_step))
    return render("charts", charts=charts) if any(charts) else Markup()


def _metric_chart(
    metric: str,
    points_by_direction: Points,
    best: BestMetric | None,
    history: TrainingHistory,
    marked_step: float | None,
) -> Markup:
    spec = METRICS[metric]
    best_step = best.step if best is not None and best.metric == metric else None
    curves = [
        Curve(direction, [(step, value * spec.scale) for step, value in points], marks=True, best=best_step)
        for direction, points in points_by_direction.items()
    ]
    name = f"{spec.title} {spec.unit}".strip()
    return line_chart(f"{name} on test images, at the training resolution", curves, history.alarms, marked_step)


def alarms_html(history: TrainingHistory) -> Markup:
    """Return the list of alarms and rollbacks, or a sentence that there are none."""
    return render("alarms", alarms=history.alarms)
