from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg

from i2i.errors import UsageError
from i2i.metrics import distribution
from i2i.metrics.bootstrap import bootstrap_counts, bootstrap_interval, fid_interval, kid_interval
from i2i.metrics.distribution import fid, fid_resampled, inception_score, kid, kid_resampled, kid_subsets


def features(count: int, seed: int = 0, *, width: int = 6, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((count, width)) + shift).astype(np.float32)


@pytest.mark.parametrize(("count", "count_y"), [(5, 4), (40, 30), (4, 40)], ids=["few", "many", "few and many"])
def test_fid_is_the_textbook_formula(count: int, count_y: int) -> None:
    x, y = features(count).astype(np.float64), features(count_y, 1, shift=0.3).astype(np.float64)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(a @ b + 1e-12 * np.eye(6)).real
    by_hand = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root)
    assert fid(x, y) == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_fid_and_kid_equal_those_of_torch_fidelity() -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = features(40), features(40, 1, shift=0.3)
    statistics = [fid_features_to_statistics(torch.from_numpy(z)) for z in (x, y)]
    reference = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid(x, y) == pytest.approx(reference, rel=1e-6)
    # A subset of all images: the random draws of the library change only their order.
    reference = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=40,
                                    verbose=False)["kernel_inception_distance_mean"]  # fmt: skip
    assert kid(x, y) == pytest.approx(reference, rel=1e-5)


def test_fid_of_a_set_with_itself_is_0() -> None:
    assert fid(features(20), features(20)) == pytest.approx(0, abs=1e-9)


def test_kid_is_the_mean_over_all_pairs_of_different_images() -> None:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a.astype(np.float64) @ b) / len(a) + 1) ** 3

    x, y = features(5), features(3, 1)
    within = [np.mean([kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]) for z in (x, y)]
    between = np.mean([kernel(a, b) for a in x for b in y])
    assert kid(x, y) == pytest.approx(sum(within) - 2 * between)


def test_kid_is_unbiased_for_few_images_and_fid_is_not() -> None:
    pairs = [(features(8, 2 * k), features(8, 2 * k + 1)) for k in range(400)]
    kids = [kid(*pair) for pair in pairs]
    assert abs(np.mean(kids)) < 3 * np.std(kids) / 20
    assert min(fid(*pair) for pair in pairs[:20]) > 1


def test_kid_does_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = kid(features(9), features(7, 1))
    monkeypatch.setattr(distribution, "BLOCK", 2)
    assert kid(features(9), features(7, 1)) == pytest.approx(expected)


@pytest.mark.parametrize(("metric", "resampled_metric"), [(fid, fid_resampled), (kid, kid_resampled)])
def test_counts_of_1_give_the_metric_and_a_count_of_0_drops_the_image(
    metric: Callable[..., float], resampled_metric: Callable[..., np.ndarray]
) -> None:
    x, y = features(6), features(5, 1)
    once, without = np.ones((2, 6)), np.ones((2, 5))
    without[1, 2] = 0
    values = resampled_metric(x, y, once, without)
    assert values == pytest.approx([metric(x, y), metric(x, np.delete(y, 2, axis=0))])


def test_a_resample_never_pairs_an_image_with_its_copy() -> None:
    x, y = features(30), features(30, 1)
    resampled = kid_resampled(x, y, bootstrap_counts(30, 2000, 0), bootstrap_counts(30, 2000, 1))
    assert abs(resampled.mean() - kid(x, y)) < 4 * resampled.std() / np.sqrt(2000)


def test_subsets_depend_on_the_seed_and_scatter_around_kid() -> None:
    x, y = features(40), features(50, 1, shift=1)
    values = kid_subsets(x, y, subsets=300)
    assert np.array_equal(values, kid_subsets(x, y, subsets=300))
    assert not np.array_equal(values, kid_subsets(x, y, subsets=300, seed=1))
    assert values.mean() == pytest.approx(kid(x, y), abs=4 * values.std() / np.sqrt(300))
    assert kid_subsets(x, x, subsets=1, size=40)[0] != 0  # two draws of the same set
    with pytest.raises(UsageError, match="has 41 images; it must have from 2 to 40"):
        kid_subsets(x, y, size=41)


@pytest.mark.parametrize("metric", [fid, kid, kid_subsets])
def test_a_set_of_one_image_is_refused(metric: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match="at least 2 images in each set; there are 1 and 5"):
        metric(features(1), features(5))


@pytest.mark.filterwarnings("ignore")
def test_the_inception_score_equals_that_of_torch_fidelity() -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = features(40, width=10) * 3
    mean, deviation = inception_score(logits, splits=1)
    reference = isc_features_to_metric(torch.from_numpy(logits), splits=1)
    assert mean == pytest.approx(reference["inception_score_mean"], rel=1e-6)
    assert deviation == 0
    assert 1 < inception_score(logits)[0] < mean
    with pytest.raises(UsageError, match="at least 10 images; there are 9"):
        inception_score(logits[:9])


def test_a_95_percent_interval_covers_the_true_mean_about_as_often() -> None:
    covered = 0
    for k in range(200):
        values = np.random.default_rng(k).standard_normal(30)
        estimate = bootstrap_interval(float(values.mean()), bootstrap_counts(30, 200, seed=0) @ values / 30)
        covered += estimate.low <= 0 <= estimate.high
    assert 0.88 < covered / 200 < 0.99


def test_the_interval_of_kid_covers_the_distance_of_the_distributions() -> None:
    true_kid = kid(features(1500, 98), features(1500, 99, shift=0.5))
    covered = 0
    for k in range(30):
        estimate = kid_interval(features(40, 2 * k), features(40, 2 * k + 1, shift=0.5), times=200)
        covered += estimate.low <= true_kid <= estimate.high
    assert covered >= 25


def test_the_interval_of_fid_contains_its_value_and_is_none_for_large_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    estimate = fid_interval(features(30), features(30, 1), times=50)
    assert estimate is not None
    assert estimate.low < estimate.value < estimate.high
    monkeypatch.setattr("i2i.metrics.bootstrap.FID_MAX_IMAGES", 29)
    assert fid_interval(features(30), features(30, 1)) is None


@pytest.mark.parametrize("interval", [fid_interval, kid_interval])
@pytest.mark.parametrize(("num_x", "num_y"), [(2, 2), (4, 30), (30, 4)])
def test_fewer_than_five_images_give_a_value_without_an_interval(interval: Any, num_x: int, num_y: int) -> None:
    estimate = interval(features(num_x), features(num_y, 1))
    assert np.isfinite(estimate.value)
    assert estimate.interval is None
    assert estimate.reason == f"too few images for an interval: {min(num_x, num_y)}, at least 5 needed"
    assert interval(features(5), features(5, 1)).interval is not None


def test_the_interval_leaves_out_the_bias_of_the_resamples() -> None:
    estimate = bootstrap_interval(1.0, np.linspace(4.9, 5.1, 101))
    assert (estimate.low, estimate.high) == pytest.approx((0.905, 1.095))


def test_no_resample_of_few_images_has_a_single_distinct_image() -> None:
    counts = bootstrap_counts(2, 200, 0)
    assert (counts > 0).all()
    assert np.isfinite(kid_resampled(features(2), features(2, 1), counts, counts)).all()
