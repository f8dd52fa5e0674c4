import json

import numpy as np
import pytest

from i2i.evaluation import table
from i2i.evaluation.metric_suite import Measured
from i2i.evaluation.models import LEFT_ALONE
from i2i.evaluation.table import Row, comparisons, fill, ranked
from i2i.metrics import fid, kid


def heap(seed: int, shift: float = 0.0, count: int = 40, **each: float) -> Measured:
    rng = np.random.default_rng(seed)
    features = (rng.standard_normal((count, 4)) + shift).astype(np.float32)
    return Measured(features, None, {name: value + rng.standard_normal(count) for name, value in each.items()})


REAL = heap(0).features


def row(title: str, found: Measured, kind: table.Kind = "model") -> Row:
    return fill(Row(title, kind, title), found, REAL, seed=0)


def test_a_row_has_every_measure_with_its_interval_in_the_order_of_the_columns() -> None:
    found = heap(1, psnr=20.0, cycle=3.0, lpips=0.5)
    told = row("a", found)
    assert list(told.values) == ["fid", "kid", "lpips", "psnr", "cycle"]
    assert told.values["fid"].value == fid(found.features, REAL)
    assert told.values["kid"].value == kid(found.features, REAL)
    assert told.values["psnr"].value == pytest.approx(found.each["psnr"].mean())
    assert all(estimate.low < estimate.value < estimate.high for estimate in told.values.values())
    assert told.subsets is not None
    assert told.subsets[2] == 20


def test_the_same_seed_gives_the_same_intervals() -> None:
    one, other, third = (fill(Row("a", "model"), heap(1), REAL, seed) for seed in (0, 0, 1))
    assert one.values == other.values
    assert one.values["kid"].low != third.values["kid"].low


def test_labels_give_an_inception_score_without_an_interval() -> None:
    found = heap(1)
    found.logits = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    told = row("a", found)
    assert told.values["is"].value > 1
    assert "is" not in told.to_json()["intervals"]
    assert "NaN" not in json.dumps(told.to_json())


def test_too_many_pictures_leave_fid_without_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FID_MOST", 39)
    rows = [row("a", heap(1)), row("b", heap(2, 1.0))]
    assert rows[0].values["fid"].value == fid(heap(1).features, REAL)
    (found,) = comparisons(rows, "fid")
    assert found.noise
    assert found.to_json()["interval"] is None


def test_models_are_ranked_the_way_the_measure_goes() -> None:
    rows = [row("far", heap(1, 2.0, psnr=30.0)), row("near", heap(2, psnr=20.0)), row("all", heap(3, 9.0), "floor")]
    assert [found.title for found in ranked(rows, "kid")] == ["near", "far"]
    assert [found.title for found in ranked(rows, "psnr")] == ["far", "near"]


def test_a_clear_difference_is_told_and_one_within_noise_is_said_to_be_so() -> None:
    rows = [row("far", heap(1, 1.0)), row("near", heap(2)), row("too", heap(3)), row("alone", heap(4, 3.0), "floor")]
    first, second, third = comparisons(rows, "kid")
    assert {first.better, first.worse} == {"near", "too"}
    assert first.noise
    assert "within noise" in first.text()
    assert (second.worse, second.noise) == ("far", False)
    assert second.difference.low > 0
    assert second.text().startswith(f"{second.better} is better than far: KID lower by ")
    assert (third.worse, third.noise) == ("alone", False)


def test_a_model_worse_than_the_input_left_alone_is_told_so() -> None:
    (found,) = comparisons([row("bad", heap(1, 3.0)), row(LEFT_ALONE, heap(2), "floor")], "kid")
    assert (found.better, found.worse, found.noise) == (LEFT_ALONE, "bad", False)
    assert found.text().startswith("The input left alone is better than bad: KID lower by ")


def test_models_are_compared_on_the_same_pictures_so_that_a_small_constant_gap_is_seen() -> None:
    found = heap(1, psnr=20.0)
    better = Measured(found.features, None, {"psnr": found.each["psnr"] + 0.01})
    (one,) = comparisons([row("a", found), row("b", better)], "psnr")
    assert (one.better, one.noise) == ("b", False)
    assert one.difference.value == pytest.approx(0.01)


def test_a_model_against_itself_is_within_noise() -> None:
    (found,) = comparisons([row("a", heap(1)), row("b", heap(1))], "kid")
    assert found.noise
    assert found.difference.value == 0


def test_the_numbers_of_each_picture_are_told_where_asked() -> None:
    told = row("a", heap(1, psnr=20.0, count=3)).to_json(["x", "y", "z"])
    assert [list(one) for one in told["pictures"]] == [["name", "psnr"]] * 3
    assert told["metrics"]["psnr"] == pytest.approx(np.mean([one["psnr"] for one in told["pictures"]]))
