"""Confidence intervals by the bootstrap (Efron 1979).

Every resample draws as many images as there are, with replacement, from each set. The bias of the bootstrap is left
out: a resample has fewer distinct images, which raises FID. An interval is therefore the spread of the resamples
around their mean, centred on the value.

Fewer than MIN_INDEPENDENT images say nothing about the spread: two values give an interval of zero width. There is no
interval then.
"""

import math
from dataclasses import dataclass

import numpy as np

from i2i.metrics.distribution import Features, Values, fid, fid_resampled, kid, kid_resampled

CONFIDENCE = 0.95
MIN_INDEPENDENT = 5  # independent values below which there is no interval
RESAMPLES = 1000
FID_RESAMPLES = 200
FID_MAX_IMAGES = 1000  # images of the larger set up to which FID gets an interval: each resample decomposes a matrix


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval.

    Args:
        value: the value.
        low: lower end of the interval; NaN without one.
        high: upper end of the interval; NaN without one.
        reason: why there is no interval, in words; "" if there is one.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    reason: str = ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of the interval; None without one."""
        return (self.low, self.high) if math.isfinite(self.low) and math.isfinite(self.high) else None


def too_few(count: int, things: str = "images") -> str:
    """Return a sentence if ``count`` independent values are too few for an interval, else "".

    Args:
        count: number of independent values.
        things: what is counted.
    """
    if count >= MIN_INDEPENDENT:
        return ""
    return f"too few {things} for an interval: {count}, at least {MIN_INDEPENDENT} needed"


def bootstrap_counts(count: int, times: int, seed: int) -> Values:
    """Return how often each of ``count`` images is drawn in each of ``times`` resamples: (times, count)."""
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=times)
    # A resample of a single distinct image has no covariance. It takes every image once instead; this happens only
    # with very few images.
    counts[(counts > 0).sum(1) < 2] = 1
    return counts.astype(np.float64)


def bootstrap_interval(value: float, resampled: Values) -> Estimate:
    """Return the interval of ``value``.

    Args:
        value: the metric of all images.
        resampled: (R,), the metric of each resample.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled - resampled.mean(), [tail, 1 - tail])
    return Estimate(value, value + float(low), value + float(high))


def kid_interval(x: Features, y: Features, *, times: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Return ``kid`` with its interval, or without one for sets of fewer than MIN_INDEPENDENT images.

    Args:
        x: features (N, D) of N different images.
        y: features (M, D) of M different images.
        times: number of resamples.
        seed: seed of the resamples.
    """
    if reason := too_few(min(len(x), len(y))):
        return Estimate(kid(x, y), reason=reason)
    return bootstrap_interval(kid(x, y), kid_resampled(x, y, *_resample_pair(x, y, times, seed)))


def fid_interval(x: Features, y: Features, *, times: int = FID_RESAMPLES, seed: int = 0) -> Estimate | None:
    """Return ``fid`` with its interval, or without one for sets of fewer than MIN_INDEPENDENT images.

    Return None with more than FID_MAX_IMAGES images, for which it would take hours.

    Args:
        x: features (N, D) of N different images.
        y: features (M, D) of M different images.
        times: number of resamples.
        seed: seed of the resamples.
    """
    if max(len(x), len(y)) > FID_MAX_IMAGES:
        return None
    if reason := too_few(min(len(x), len(y))):
        return Estimate(fid(x, y), reason=reason)
    return bootstrap_interval(fid(x, y), fid_resampled(x, y, *_resample_pair(x, y, times, seed)))


def _resample_pair(x: Features, y: Features, times: int, seed: int) -> tuple[Values, Values]:
    return bootstrap_counts(len(x), times, seed), bootstrap_counts(len(y), times, seed + 1)
