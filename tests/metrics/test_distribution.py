from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import linalg

from i2i.errors import UsageError
from i2i.metrics import distribution
from i2i.metrics.bootstrap import around, fid_interval, kid_interval, mean_interval, resamples
from i2i.metrics.distribution import fid, fid_resampled, inception_score, kid, kid_resampled, kid_subsets


def rows(count: int, seed: int = 0, *, width: int = 6, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((count, width)) + shift).astype(np.float32)


@pytest.mark.parametrize(("count", "others"), [(5, 4), (40, 30), (4, 40)], ids=["few", "many", "few and many"])
def test_fid_is_the_textbook_formula(count: int, others: int) -> None:
    x, y = rows(count).astype(np.float64), rows(others, 1, shift=0.3).astype(np.float64)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(a @ b + 1e-12 * np.eye(6)).real
    by_hand = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root)
    assert fid(x, y) == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_fid_and_kid_are_those_of_torch_fidelity() -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = rows(40), rows(40, 1, shift=0.3)
    statistics = [fid_features_to_statistics(torch.from_numpy(z)) for z in (x, y)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid(x, y) == pytest.approx(theirs, rel=1e-6)
    # With subsets of all pictures the library's draws only change their order.
    theirs = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=40,
                                    verbose=False)["kernel_inception_distance_mean"]  # fmt: skip
    assert kid(x, y) == pytest.approx(theirs, rel=1e-5)


def test_fid_of_a_heap_with_itself_is_0() -> None:
    assert fid(rows(20), rows(20)) == pytest.approx(0, abs=1e-9)


def test_kid_is_the_mean_over_all_pairs_of_different_pictures() -> None:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a.astype(np.float64) @ b) / len(a) + 1) ** 3

    x, y = rows(5), rows(3, 1)
    within = [np.mean([kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]) for z in (x, y)]
    between = np.mean([kernel(a, b) for a in x for b in y])
    assert kid(x, y) == pytest.approx(sum(within) - 2 * between)


def test_kid_is_unbiased_at_any_number_of_pictures_and_fid_is_not() -> None:
    pairs = [(rows(8, 2 * k), rows(8, 2 * k + 1)) for k in range(400)]
    kids = [kid(*pair) for pair in pairs]
    assert abs(np.mean(kids)) < 3 * np.std(kids) / 20
    assert min(fid(*pair) for pair in pairs[:20]) > 1


def test_kid_does_not_depend_on_the_block_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kid(rows(9), rows(7, 1))
    monkeypatch.setattr(distribution, "BLOCK", 2)
    assert kid(rows(9), rows(7, 1)) == pytest.approx(whole)


@pytest.mark.parametrize(("measure", "resampled"), [(fid, fid_resampled), (kid, kid_resampled)])
def test_each_picture_once_is_the_value_itself_and_a_picture_left_out_is_left_out(
    measure: Callable[..., float], resampled: Callable[..., np.ndarray]
) -> None:
    x, y = rows(6), rows(5, 1)
    once, without = np.ones((2, 6)), np.ones((2, 5))
    without[1, 2] = 0
    found = resampled(x, y, once, without)
    assert found == pytest.approx([measure(x, y), measure(x, np.delete(y, 2, axis=0))])


def test_a_resample_never_pairs_a_picture_with_its_copy() -> None:
    x, y = rows(30), rows(30, 1)
    drawn = kid_resampled(x, y, resamples(30, 2000, 0), resamples(30, 2000, 1))
    assert abs(drawn.mean() - kid(x, y)) < 4 * drawn.std() / np.sqrt(2000)


def test_subsets_are_drawn_by_the_seed_and_scatter_around_kid() -> None:
    x, y = rows(40), rows(50, 1, shift=1)
    drawn = kid_subsets(x, y, subsets=300)
    assert np.array_equal(drawn, kid_subsets(x, y, subsets=300))
    assert not np.array_equal(drawn, kid_subsets(x, y, subsets=300, seed=1))
    assert drawn.mean() == pytest.approx(kid(x, y), abs=4 * drawn.std() / np.sqrt(300))
    assert kid_subsets(x, x, subsets=1, size=40)[0] != 0  # two draws of the same heap
    with pytest.raises(UsageError, match="has 41 pictures; it must have from 2 to 40"):
        kid_subsets(x, y, size=41)


@pytest.mark.parametrize("measure", [fid, kid, kid_subsets])
def test_a_single_picture_is_no_heap(measure: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match="at least 2 pictures on either side; there are 1 and 5"):
        measure(rows(1), rows(5))


@pytest.mark.filterwarnings("ignore")
def test_the_inception_score_is_that_of_torch_fidelity() -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = rows(40, width=10) * 3
    mean, deviation = inception_score(logits, splits=1)
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=1)
    assert mean == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert deviation == 0
    assert 1 < inception_score(logits)[0] < mean
    with pytest.raises(UsageError, match="at least 10 pictures; there are 9"):
        inception_score(logits[:9])


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for k in range(200):
        estimate = mean_interval(np.random.default_rng(k).standard_normal(30), times=200)
        covered += estimate.low <= 0 <= estimate.high
    assert 0.88 < covered / 200 < 0.99


def test_an_interval_of_kid_covers_the_distance_of_the_two_kinds() -> None:
    truth = kid(rows(1500, 98), rows(1500, 99, shift=0.5))
    covered = 0
    for k in range(30):
        estimate = kid_interval(rows(40, 2 * k), rows(40, 2 * k + 1, shift=0.5), times=200)
        covered += estimate.low <= truth <= estimate.high
    assert covered >= 25


def test_an_interval_of_fid_lies_around_its_value_and_a_large_heap_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = fid_interval(rows(30), rows(30, 1), times=50)
    assert found is not None
    assert found.low < found.value < found.high
    monkeypatch.setattr("i2i.metrics.bootstrap.FID_MOST", 29)
    assert fid_interval(rows(30), rows(30, 1)) is None


def test_the_bias_of_the_resamples_is_left_out() -> None:
    found = around(1.0, np.linspace(4.9, 5.1, 101))
    assert (found.low, found.high) == pytest.approx((0.905, 1.095))


def test_of_a_handful_of_pictures_no_resample_is_of_one_alone() -> None:
    drawn = resamples(2, 200, 0)
    assert (drawn > 0).all()
    assert np.isfinite(kid_resampled(rows(2), rows(2, 1), drawn, drawn)).all()
