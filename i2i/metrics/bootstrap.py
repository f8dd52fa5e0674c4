"""How sure a number is: intervals by the bootstrap (Efron 1979).

Every resample draws as many pictures as there are, with repetition, from each heap. The bootstrap's own bias (fewer
different pictures, which raises FID) is left out: an interval is the spread of the resamples around their mean, put
around the value.
"""

from dataclasses import dataclass

import numpy as np

from i2i.metrics.distribution import Rows, Values, fid, fid_resampled, kid, kid_resampled

LEVEL = 0.95
RESAMPLES = 1000
FID_RESAMPLES = 200
FID_MOST = 1000  # pictures of the larger heap up to which FID gets an interval: it takes a decomposition a resample


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def resamples(count: int, times: int, seed: int) -> Values:
    """How often each of ``count`` pictures is drawn, in each of ``times`` resamples: (times, count)."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=times)
    drawn[(drawn > 0).sum(1) < 2] = 1  # a picture alone makes no heap; happens only where there are a handful
    return drawn.astype(np.float64)


def around(value: float, resampled: Values) -> Estimate:
    """The interval of a value, from what it is in resamples."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled - resampled.mean(), [tail, 1 - tail])
    return Estimate(value, value + float(low), value + float(high))


def mean_interval(values: Values, *, times: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean of one number a picture."""
    return around(float(values.mean()), resamples(len(values), times, seed) @ values / len(values))


def kid_interval(x: Rows, y: Rows, *, times: int = RESAMPLES, seed: int = 0) -> Estimate:
    """``kid`` with its interval."""
    return around(kid(x, y), kid_resampled(x, y, *_both(x, y, times, seed)))


def fid_interval(x: Rows, y: Rows, *, times: int = FID_RESAMPLES, seed: int = 0) -> Estimate | None:
    """``fid`` with its interval; None where there are more than FID_MOST pictures, for it would take hours."""
    if max(len(x), len(y)) > FID_MOST:
        return None
    return around(fid(x, y), fid_resampled(x, y, *_both(x, y, times, seed)))


def _both(x: Rows, y: Rows, times: int, seed: int) -> tuple[Values, Values]:
    return resamples(len(x), times, seed), resamples(len(y), times, seed + 1)
