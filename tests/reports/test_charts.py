import re

import numpy as np
import pytest

from i2i.evaluation import METRICS
from i2i.evaluation.metric_suite import Measurements
from i2i.evaluation.table import Row, compute_row
from i2i.reports.charts import MAX_POINTS, Curve, format_tick, interval_chart, line_chart, nice_ticks


def test_non_finite_values_are_left_out() -> None:
    chart = line_chart("Loss", [Curve("a", [(1, 1.0), (2, float("nan")), (3, float("inf")), (4, 2.0)])])
    assert "nan" not in chart
    assert "inf" not in chart
    assert line_chart("Loss", [Curve("a", [(1, float("nan"))])]) == ""
    assert "<path" in line_chart("Loss", [Curve("a", [(1, 0.0)])])


def test_a_long_curve_is_averaged() -> None:
    chart = line_chart("Loss", [Curve("a", [(step, float(step % 2)) for step in range(10_000)])])
    (path,) = re.findall(r'd="M([^"]*)"', chart)
    assert path.count("L") < MAX_POINTS


def test_names_and_events_are_escaped() -> None:
    chart = line_chart("<b>", [Curve("<i>", [(0, 1.0), (9, 2.0)])], [(5, "<u>")], marked_step=3)
    assert not re.search(r"<[biu]>", chart)
    assert "Step 5: &lt;u&gt;" in chart
    assert 'class="at"' in chart


def test_intervals_of_all_rows_share_one_scale() -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((20, 3)).astype(np.float32)
    rows = [
        compute_row(Row(title, "model"), Measurements(real + shift), real, 0)
        for title, shift in (("near", 0.1), ("far", 9))
    ]
    chart = interval_chart(rows, METRICS["kid"])
    positions = [float(percent) for percent in re.findall(r'class="dot" style="left:([\d.]+)%', chart)]
    assert 0 <= positions[0] < positions[1] <= 100
    assert "lower is better" in chart


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 600, [0, 200, 400, 600]),
        (5, 5, [5, 6]),
        (-3, 7, [-4, -2, 0, 2, 4, 6, 8]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high)[0] <= low
    assert nice_ticks(low, high)[-1] >= high
    if len(ticks) > 2:
        assert nice_ticks(low, high) == pytest.approx(ticks)


def test_tick_labels_are_short() -> None:
    assert [format_tick(value) for value in (0.05, 1.0, 20_000, -3.0)] == ["0.05", "1", "20k", "−3"]
