"""The table of an evaluation: metrics with confidence intervals, the ranking, and comparisons of models."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from i2i.evaluation.feature_cache import Features
from i2i.evaluation.metric_specs import METRICS
from i2i.evaluation.metric_suite import Measurements, Values
from i2i.evaluation.models import IDENTITY_BASELINE
from i2i.metrics import fid, inception_score, kid, kid_subsets
from i2i.metrics.bootstrap import (
    FID_MAX_IMAGES,
    FID_RESAMPLES,
    RESAMPLES,
    Estimate,
    bootstrap_counts,
    bootstrap_interval,
    too_few,
)
from i2i.metrics.distribution import fid_resampled, kid_resampled

RowKind = Literal["floor", "model", "ceiling"]
MIN_IMAGES_FOR_INCEPTION_SCORE = 10


@dataclass
class Row:
    """A row of the table.

    The rows of one table are resampled alike, so that the difference of two rows is one on the same images.

    Args:
        title: for display.
        kind: "floor" for the baseline that a model should beat, "ceiling" for real images.
        name: of the model.
        checkpoint: of the model.
        values: metric name → value and interval.
        resampled: metric name → values in the bootstrap resamples, (R,).
        measurements: what the values were computed from.
        kid_subsets: mean, standard deviation and images per subset of KID as papers report it; None with too few
            images for an interval.
    """

    title: str
    kind: RowKind
    name: str = ""
    checkpoint: str = ""
    values: dict[str, Estimate] = field(default_factory=dict)
    resampled: dict[str, Values] = field(default_factory=dict)
    measurements: Measurements | None = None
    kid_subsets: tuple[float, float, int] | None = None

    def to_json(self, image_names: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the row as plain values.

        Args:
            image_names: of the outputs, to include their own metrics; None to leave them out.
        """
        row: dict[str, Any] = {
            "title": self.title,
            "kind": self.kind,
            "name": self.name,
            "checkpoint": self.checkpoint,
            "metrics": {name: estimate.value for name, estimate in self.values.items()},
            "intervals": {name: _interval(estimate) for name, estimate in self.values.items()},
        }
        if self.kid_subsets:
            row["kid_subsets"] = dict(zip(("mean", "std", "size"), self.kid_subsets, strict=True))
        if image_names is not None and self.measurements is not None and self.measurements.per_image:
            per_image = self.measurements.per_image
            row["pictures"] = [
                {"name": name, **{metric: float(values[index]) for metric, values in per_image.items()}}
                for index, name in enumerate(image_names)
            ]
        return row


def compute_row(
    row: Row,
    measurements: Measurements,
    real: Features,
    seed: int,
    *,
    distinct_outputs: int | None = None,
    distinct_real: int | None = None,
) -> Row:
    """Compute the metrics of a row in place, and return it.

    Args:
        row: with its title.
        measurements: of the N outputs.
        real: features of the real images, (M, D).
        seed: of the resampling.
        distinct_outputs: number of different images that the outputs were made from; by default N.
        distinct_real: number of different real images; by default M.
    """
    row.measurements = measurements
    num_outputs = len(measurements.features) if distinct_outputs is None else distinct_outputs
    num_real = len(real) if distinct_real is None else distinct_real
    counts = bootstrap_counts(len(measurements.features), RESAMPLES, seed)
    _set_distances(row, measurements.features, real, counts, seed, too_few(min(num_outputs, num_real)))
    if measurements.logits is not None and len(measurements.logits) >= MIN_IMAGES_FOR_INCEPTION_SCORE:
        row.values["is"] = Estimate(inception_score(measurements.logits, seed=seed)[0])
    for name, values in measurements.per_image.items():
        _set(row, name, float(values.mean()), counts @ values / len(values), too_few(num_outputs))
    row.values = {name: row.values[name] for name in METRICS if name in row.values}
    return row


def _set_distances(row: Row, features: Features, real: Features, counts: Values, seed: int, reason: str) -> None:
    """Set the distances of the outputs' features to those of the real images. ``reason``: why without intervals."""
    real_counts = bootstrap_counts(len(real), RESAMPLES, seed + 1)
    fid_value = fid(features, real)
    if reason:
        row.values["fid"] = Estimate(fid_value, reason=reason)
        row.values["kid"] = Estimate(kid(features, real), reason=reason)
        return
    if max(len(features), len(real)) <= FID_MAX_IMAGES:
        resampled = fid_resampled(features, real, counts[:FID_RESAMPLES], real_counts[:FID_RESAMPLES])
        _set(row, "fid", fid_value, resampled)
    else:
        row.values["fid"] = Estimate(fid_value, reason=f"FID of more than {FID_MAX_IMAGES} images has no interval")
    _set(row, "kid", kid(features, real), kid_resampled(features, real, counts, real_counts))
    subsets = kid_subsets(features, real, seed=seed)
    subset_size = max(2, min(1000, len(features) // 2, len(real) // 2))
    row.kid_subsets = (float(subsets.mean()), float(subsets.std()), subset_size)


def _set(row: Row, name: str, value: float, resampled: Values, reason: str = "") -> None:
    """Set a metric with its interval; with ``reason``, which says why there is none, without one."""
    if reason:
        row.values[name] = Estimate(value, reason=reason)
        return
    row.values[name] = bootstrap_interval(value, resampled)
    row.resampled[name] = resampled


def _interval(estimate: Estimate) -> list[float] | None:
    return list(estimate.interval) if estimate.interval else None


@dataclass(frozen=True)
class Comparison:
    """Two rows compared by one metric.

    Args:
        metric: its name.
        better: title of the better row.
        worse: title of the worse row.
        difference: by how much the better row is better, in the metric's own unit; its value is not negative.
    """

    metric: str
    better: str
    worse: str
    difference: Estimate

    @property
    def within_noise(self) -> bool:
        """Whether the difference is not known to be more than chance: its interval includes 0, or it has none."""
        return not self.difference.low > 0

    def describe(self) -> str:
        """Return the comparison in one sentence."""
        spec = METRICS[self.metric]
        direction = "higher" if spec.better == "higher" else "lower"
        difference = f"{spec.title} {direction} by {spec.format(self.difference.value)}"
        unit = f" {spec.unit}" if spec.unit else ""
        if self.difference.interval is None:
            reason = self.difference.reason or f"{spec.title} has no interval"
            return f"{self.better} and {self.worse}: no verdict ({difference}{unit}; {reason})"
        interval = f"[{spec.format(self.difference.low)}, {spec.format(self.difference.high)}]"
        if self.within_noise:
            return f"{self.better} and {self.worse}: within noise ({difference} {interval}{unit})"
        better = f"The {self.better}" if self.better == IDENTITY_BASELINE else self.better
        worse = f"the {self.worse}" if self.worse == IDENTITY_BASELINE else self.worse
        return f"{better} is better than {worse}: {difference} {interval}{unit}"

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "better": self.better,
            "worse": self.worse,
            "difference": self.difference.value,
            "interval": _interval(self.difference),
            "within_noise": self.within_noise,
        }


def ranked(rows: Sequence[Row], metric: str) -> list[Row]:
    """Return the rows of models, best first."""
    models = [row for row in rows if row.kind == "model" and metric in row.values]
    return sorted(models, key=lambda row: row.values[metric].value, reverse=METRICS[metric].better == "higher")


def comparisons(rows: Sequence[Row], metric: str) -> list[Comparison]:
    """Compare each model with the next best, and the best model with the baseline."""
    ranking = ranked(rows, metric)
    pairs = list(pairwise(ranking))
    pairs += [(ranking[0], row) for row in rows if ranking and row.kind == "floor" and metric in row.values]
    return [_compare(a, b, metric) for a, b in pairs]


def _compare(a: Row, b: Row, metric: str) -> Comparison:
    spec = METRICS[metric]
    better, worse = (b, a) if spec.is_better(b.values[metric].value, a.values[metric].value) else (a, b)
    sign = 1 if spec.better == "higher" else -1
    difference = sign * (better.values[metric].value - worse.values[metric].value)
    if metric not in better.resampled or metric not in worse.resampled:
        reason = better.values[metric].reason or worse.values[metric].reason
        return Comparison(metric, better.title, worse.title, Estimate(difference, reason=reason))
    resampled = sign * (better.resampled[metric] - worse.resampled[metric])
    return Comparison(metric, better.title, worse.title, bootstrap_interval(difference, resampled))
