import json

import numpy as np
import pytest

from i2i.evaluation import table
from i2i.evaluation.metric_suite import Measurements
from i2i.evaluation.models import IDENTITY_BASELINE
from i2i.evaluation.table import Row, comparisons, compute_row, ranked
from i2i.metrics import fid, kid


def measure(seed: int, shift: float = 0.0, count: int = 40, **each: float) -> Measurements:
    rng = np.random.default_rng(seed)
    features = (rng.standard_normal((count, 4)) + shift).astype(np.float32)
    return Measurements(features, None, {name: value + rng.standard_normal(count) for name, value in each.items()})


REAL = measure(0).features


def row(title: str, measurements: Measurements, kind: table.RowKind = "model") -> Row:
    return compute_row(Row(title, kind, title), measurements, REAL, seed=0)


def test_a_row_has_its_metrics_with_intervals_in_the_order_of_the_specs() -> None:
    measurements = measure(1, psnr=20.0, cycle=3.0, lpips=0.5)
    computed = row("a", measurements)
    assert list(computed.values) == ["fid", "kid", "lpips", "psnr", "cycle"]
    assert computed.values["fid"].value == fid(measurements.features, REAL)
    assert computed.values["kid"].value == kid(measurements.features, REAL)
    assert computed.values["psnr"].value == pytest.approx(measurements.per_image["psnr"].mean())
    assert all(estimate.low < estimate.value < estimate.high for estimate in computed.values.values())
    assert computed.kid_subsets is not None
    assert computed.kid_subsets[2] == 20


def test_the_same_seed_gives_the_same_intervals() -> None:
    first, same_seed, other_seed = (compute_row(Row("a", "model"), measure(1), REAL, seed) for seed in (0, 0, 1))
    assert first.values == same_seed.values
    assert first.values["kid"].low != other_seed.values["kid"].low


def test_logits_give_an_inception_score_without_an_interval() -> None:
    measurements = measure(1)
    measurements.logits = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    computed = row("a", measurements)
    assert computed.values["is"].value > 1
    assert computed.to_json()["intervals"]["is"] is None
    assert "NaN" not in json.dumps(computed.to_json())


def test_fid_of_many_images_has_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FID_MAX_IMAGES", 39)
    rows = [row("a", measure(1)), row("b", measure(2, 1.0))]
    assert rows[0].values["fid"].value == fid(measure(1).features, REAL)
    (comparison,) = comparisons(rows, "fid")
    assert comparison.within_noise
    assert comparison.to_json()["interval"] is None
    assert "no verdict" in comparison.describe()
    assert comparison.describe().endswith("FID of more than 39 images has no interval)")


@pytest.mark.parametrize("count", [2, 3, 4])
def test_fewer_than_five_images_give_no_interval_and_no_verdict(count: int) -> None:
    real = measure(0, count=count).features
    rows = [
        compute_row(Row(title, "model"), measure(seed, shift, count, psnr=20.0 + 9 * shift), real, seed=0)
        for title, seed, shift in (("a", 1, 0.0), ("b", 2, 5.0))
    ]
    reason = f"too few images for an interval: {count}, at least 5 needed"
    assert set(rows[0].to_json()["intervals"].values()) == {None}
    assert rows[0].kid_subsets is None
    for metric in ("fid", "kid", "psnr"):
        assert rows[0].values[metric].reason == reason
        (comparison,) = comparisons(rows, metric)
        assert comparison.within_noise
        assert comparison.to_json()["interval"] is None
        assert reason in comparison.describe()
        assert "is better" not in comparison.describe()


def test_five_images_give_an_interval() -> None:
    computed = compute_row(Row("a", "model"), measure(1, count=5, psnr=20.0), measure(0, count=5).features, seed=0)
    assert all(estimate.interval for estimate in computed.values.values())


def test_few_real_images_leave_out_the_intervals_of_distances_only() -> None:
    computed = compute_row(Row("a", "model"), measure(1, psnr=20.0), measure(0, count=2).features, seed=0)
    assert {name for name, estimate in computed.values.items() if estimate.interval} == {"psnr"}


def test_copies_of_an_image_do_not_count_as_further_images() -> None:
    computed = compute_row(Row("a", "model"), measure(1, psnr=20.0), REAL, seed=0, distinct_outputs=4)
    assert not any(estimate.interval for estimate in computed.values.values())


def test_models_are_ranked_in_the_direction_of_the_metric() -> None:
    rows = [
        row("far", measure(1, 2.0, psnr=30.0)),
        row("near", measure(2, psnr=20.0)),
        row("all", measure(3, 9.0), "floor"),
    ]
    assert [ranked_row.title for ranked_row in ranked(rows, "kid")] == ["near", "far"]
    assert [ranked_row.title for ranked_row in ranked(rows, "psnr")] == ["far", "near"]


def test_differences_are_clear_or_within_noise() -> None:
    rows = [
        row("far", measure(1, 1.0)),
        row("near", measure(2)),
        row("too", measure(3)),
        row("alone", measure(4, 3.0), "floor"),
    ]
    first, second, third = comparisons(rows, "kid")
    assert {first.better, first.worse} == {"near", "too"}
    assert first.within_noise
    assert "within noise" in first.describe()
    assert (second.worse, second.within_noise) == ("far", False)
    assert second.difference.low > 0
    assert second.describe().startswith(f"{second.better} is better than far: KID lower by ")
    assert (third.worse, third.within_noise) == ("alone", False)


def test_a_model_worse_than_the_baseline_is_reported() -> None:
    (comparison,) = comparisons([row("bad", measure(1, 3.0)), row(IDENTITY_BASELINE, measure(2), "floor")], "kid")
    assert (comparison.better, comparison.worse, comparison.within_noise) == (IDENTITY_BASELINE, "bad", False)
    assert comparison.describe().startswith("The unchanged input is better than bad: KID lower by ")


def test_models_are_compared_on_the_same_images_so_that_a_small_constant_difference_is_clear() -> None:
    measurements = measure(1, psnr=20.0)
    better = Measurements(measurements.features, None, {"psnr": measurements.per_image["psnr"] + 0.01})
    (comparison,) = comparisons([row("a", measurements), row("b", better)], "psnr")
    assert (comparison.better, comparison.within_noise) == ("b", False)
    assert comparison.difference.value == pytest.approx(0.01)


def test_a_model_against_itself_is_within_noise() -> None:
    (comparison,) = comparisons([row("a", measure(1)), row("b", measure(1))], "kid")
    assert comparison.within_noise
    assert comparison.difference.value == 0


def test_the_json_of_a_row_can_include_the_metrics_of_each_image() -> None:
    json_row = row("a", measure(1, psnr=20.0, count=3)).to_json(["x", "y", "z"])
    assert [list(image) for image in json_row["pictures"]] == [["name", "psnr"]] * 3
    assert json_row["metrics"]["psnr"] == pytest.approx(np.mean([image["psnr"] for image in json_row["pictures"]]))
