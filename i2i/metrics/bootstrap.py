"""Confidence intervals by the bootstrap (Efron 1979).

Every resample draws as many images as there are, with replacement, from each set. The bias of the bootstrap is left
out: a resample has fewer distinct images, which raises FID. An interval is therefore the spread of the resamples
around their mean, centred on the value.
"""

from dataclasses import dataclass

import numpy as np

from i2i.metrics.distribution import Features, Values, fid, fid_resampled, kid, kid_resampled

CONFIDENCE = 0.95
RESAMPLES = 1000
FID_RESAMPLES = 200
FID_MAX_IMAGES = 1000  # images of the larger set up to which FID gets an interval: each resample decomposes a matrix


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


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
    """Return ``kid`` with its interval.

    Args:
        x: features (N, D).
        y: features (M, D).
        times: number of resamples.
        seed: seed of the resamples.
    """
    return bootstrap_interval(kid(x, y), kid_resampled(x, y, *_resample_pair(x, y, times, seed)))


def fid_interval(x: Features, y: Features, *, times: int = FID_RESAMPLES, seed: int = 0) -> Estimate | None:
    """Return ``fid`` with its interval; None with more than FID_MAX_IMAGES images, for which it would take hours.

    Args:
        x: features (N, D).
        y: features (M, D).
        times: number of resamples.
        seed: seed of the resamples.
    """
    if max(len(x), len(y)) > FID_MAX_IMAGES:
        return None
    return bootstrap_interval(fid(x, y), fid_resampled(x, y, *_resample_pair(x, y, times, seed)))


def _resample_pair(x: Features, y: Features, times: int, seed: int) -> tuple[Values, Values]:
    return bootstrap_counts(len(x), times, seed), bootstrap_counts(len(y), times, seed + 1)
