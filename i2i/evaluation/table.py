"""Measures with their intervals, models in their order, and which differences are more than noise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from i2i.evaluation.feature_cache import Features
from i2i.evaluation.metric_specs import COLUMNS
from i2i.evaluation.metric_suite import Measured, Values
from i2i.evaluation.models import LEFT_ALONE
from i2i.metrics import fid, inception_score, kid, kid_subsets
from i2i.metrics.bootstrap import FID_MOST, FID_RESAMPLES, RESAMPLES, Estimate, around, resamples
from i2i.metrics.distribution import fid_resampled, kid_resampled

Kind = Literal["floor", "model", "ceiling"]
LABELS = 10  # pictures at least for an Inception Score


@dataclass
class Row:
    """A line of the table: its measures, and what they are in resamples of the test pictures.

    Rows of one table are resampled alike, so that differences of two are differences on the same pictures.
    """

    title: str
    kind: Kind
    name: str = ""
    checkpoint: str = ""
    values: dict[str, Estimate] = field(default_factory=dict)
    resampled: dict[str, Values] = field(default_factory=dict)
    measured: Measured | None = None
    subsets: tuple[float, float, int] | None = None  # of KID, as papers give it: mean, deviation, pictures in each

    def to_json(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """names: of the pictures, where the numbers of each are wanted."""
        told: dict[str, Any] = {"title": self.title, "kind": self.kind, "name": self.name,
                                "checkpoint": self.checkpoint}  # fmt: skip
        told["metrics"] = {name: found.value for name, found in self.values.items()}
        told["intervals"] = {name: ends for name, found in self.values.items() if (ends := _ends(found))}
        if self.subsets:
            told["kid_subsets"] = dict(zip(("mean", "std", "size"), self.subsets, strict=True))
        if names is not None and self.measured is not None and self.measured.each:
            each = self.measured.each
            told["pictures"] = [
                {"name": name, **{metric: float(values[i]) for metric, values in each.items()}}
                for i, name in enumerate(names)
            ]
        return told


def fill(row: Row, found: Measured, real: Features, seed: int) -> Row:
    """The row with its measures. real: features that outputs are held against."""
    row.measured = found
    drawn, others = resamples(len(found.features), RESAMPLES, seed), resamples(len(real), RESAMPLES, seed + 1)
    if max(len(found.features), len(real)) <= FID_MOST:
        few = FID_RESAMPLES
        _put(row, "fid", fid(found.features, real), fid_resampled(found.features, real, drawn[:few], others[:few]))
    else:
        row.values["fid"] = _alone(fid(found.features, real))
    _put(row, "kid", kid(found.features, real), kid_resampled(found.features, real, drawn, others))
    subsets = kid_subsets(found.features, real, seed=seed)
    row.subsets = (
        float(subsets.mean()),
        float(subsets.std()),
        max(2, min(1000, len(found.features) // 2, len(real) // 2)),
    )
    if found.logits is not None and len(found.logits) >= LABELS:
        row.values["is"] = _alone(inception_score(found.logits, seed=seed)[0])
    for name, values in found.each.items():
        _put(row, name, float(values.mean()), drawn @ values / len(values))
    row.values = {name: row.values[name] for name in COLUMNS if name in row.values}
    return row


def _alone(value: float) -> Estimate:
    """Without an interval: where one would take too long, or is not to be had."""
    return Estimate(value, float("nan"), float("nan"))


def _ends(found: Estimate) -> list[float] | None:
    return [found.low, found.high] if np.isfinite([found.low, found.high]).all() else None


def _put(row: Row, name: str, value: float, resampled: Values) -> None:
    row.values[name], row.resampled[name] = around(value, resampled), resampled


@dataclass(frozen=True)
class Comparison:
    """Two models, the better first. difference: how much better, in the measure's own unit, above 0."""

    metric: str
    better: str
    worse: str
    difference: Estimate

    @property
    def noise(self) -> bool:
        """Whether the difference may be none."""
        return not self.difference.low > 0

    def text(self) -> str:
        column, gap = COLUMNS[self.metric], self.difference
        how = f"{column.title} {'higher' if column.better == 'more' else 'lower'} by {column.text(gap.value)}"
        width = f"[{column.text(gap.low)}, {column.text(gap.high)}]"
        unit = f" {column.unit}" if column.unit else ""
        if self.noise:
            return f"{self.better} and {self.worse}: within noise ({how} {width}{unit})"
        better = f"The {self.better}" if self.better == LEFT_ALONE else self.better
        worse = f"the {self.worse}" if self.worse == LEFT_ALONE else self.worse
        return f"{better} is better than {worse}: {how} {width}{unit}"

    def to_json(self) -> dict[str, Any]:
        gap = self.difference
        return {"metric": self.metric, "better": self.better, "worse": self.worse, "difference": gap.value,
                "interval": _ends(gap), "within_noise": self.noise}  # fmt: skip


def ranked(rows: Sequence[Row], metric: str) -> list[Row]:
    """The models, best first."""
    models = [row for row in rows if row.kind == "model" and metric in row.values]
    return sorted(models, key=lambda row: row.values[metric].value, reverse=COLUMNS[metric].better == "more")


def comparisons(rows: Sequence[Row], metric: str) -> list[Comparison]:
    """Each model with the next best, and the best one with the input left alone."""
    order = ranked(rows, metric)
    pairs = list(pairwise(order))
    pairs += [(order[0], row) for row in rows if order and row.kind == "floor" and metric in row.values]
    return [_compared(one, other, metric) for one, other in pairs]


def _compared(one: Row, other: Row, metric: str) -> Comparison:
    column = COLUMNS[metric]
    if column.beats(other.values[metric].value, one.values[metric].value):
        one, other = other, one
    sign = 1 if column.better == "more" else -1
    gap = sign * (one.values[metric].value - other.values[metric].value)
    if metric not in one.resampled:  # too many pictures for intervals of FID: nothing can be said
        return Comparison(metric, one.title, other.title, _alone(gap))
    return Comparison(
        metric, one.title, other.title, around(gap, sign * (one.resampled[metric] - other.resampled[metric]))
    )
