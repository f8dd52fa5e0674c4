import numpy as np
import pytest

from i2i.errors import UsageError
from i2i.metrics.distribution import fid
from i2i.metrics.moments import FeatureMoments, fid_from_moments


def features(count: int, seed: int, offset: float = 0.0, columns: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixture = rng.normal(size=(columns, columns))
    return (rng.normal(size=(count, columns)) @ mixture + offset).astype(np.float32)


def moments(rows: np.ndarray, batch: int) -> FeatureMoments:
    result = FeatureMoments()
    for start in range(0, len(rows), batch):
        result.add(rows[start : start + batch])
    return result


@pytest.mark.parametrize(("count", "offset"), [(500, 0.0), (30, 0.0), (500, 1e4)], ids=["many", "few", "far"])
@pytest.mark.parametrize("batch", [1, 7, 500])
def test_fid_of_streamed_moments_equals_fid_of_all_features(count: int, offset: float, batch: int) -> None:
    x, y = features(count, 0, offset), features(count + 11, 1, offset)
    expected = fid(x, y)
    assert fid_from_moments(moments(x, batch), moments(y, 64)) == pytest.approx(expected, rel=1e-6)


def test_merged_moments_are_those_of_all_features() -> None:
    rows = features(100, 2)
    merged = moments(rows[:33], 10)
    merged.merge(moments(rows[33:], 20))
    assert merged.count == 100
    np.testing.assert_allclose(merged.mean, rows.astype(np.float64).mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(merged.covariance, np.cov(rows.astype(np.float64).T), rtol=1e-9, atol=1e-9)


def test_equal_sets_have_a_distance_of_zero() -> None:
    rows = features(200, 3)
    assert fid_from_moments(moments(rows, 9), moments(rows, 50)) == pytest.approx(0, abs=1e-6)


def test_a_single_image_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2 images in each set; there are 1 and 2"):
        fid_from_moments(moments(features(1, 0), 1), moments(features(2, 0), 1))
