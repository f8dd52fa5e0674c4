"""FID of any number of images: means and covariances are updated batch by batch, and no feature is kept."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from i2i.errors import UsageError
from i2i.metrics.distribution import Features

Values = NDArray[np.float64]


@dataclass
class FeatureMoments:
    """Mean and covariance of features that arrive in batches, in float64.

    Batches are merged around their means (Chan et al. 1983, eq. 2.1), so that no large sums cancel.

    Attributes:
        count: number of features.
        mean: (D,).
        scatter: (D, D), the sum of (x − mean)(x − mean)ᵀ.

    >>> moments = FeatureMoments()
    >>> moments.add(np.array([[0.0, 0.0], [2.0, 0.0]]))
    >>> moments.add(np.array([[4.0, 3.0]]))
    >>> moments.count, moments.mean.tolist()
    (3, [2.0, 1.0])
    """

    count: int = 0
    mean: Values = field(default_factory=lambda: np.zeros(0))
    scatter: Values = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, features: Features) -> None:
        """Add features (N, D)."""
        if not len(features):
            return
        rows = features.astype(np.float64)
        mean = rows.mean(0)
        centred = rows - mean
        self.merge(FeatureMoments(len(rows), mean, centred.T @ centred))

    def merge(self, other: "FeatureMoments") -> None:
        """Add the features of another set."""
        if not other.count:
            return
        if not self.count:
            self.count, self.mean, self.scatter = other.count, other.mean.copy(), other.scatter.copy()
            return
        count = self.count + other.count
        difference = other.mean - self.mean
        self.scatter += other.scatter + np.outer(difference, difference) * (self.count * other.count / count)
        self.mean = self.mean + difference * (other.count / count)
        self.count = count

    @property
    def covariance(self) -> Values:
        """The unbiased covariance (D, D)."""
        return self.scatter / (self.count - 1)


def fid_from_moments(x: FeatureMoments, y: FeatureMoments) -> float:
    """Fréchet distance of two Gaussians, as ``fid`` of the features themselves (Heusel et al. 2017, eq. 6).

    Args:
        x: of at least 2 features.
        y: of at least 2 features.

    Raises: UsageError for fewer.
    """
    if min(x.count, y.count) < 2:
        raise UsageError(f"FID needs at least 2 images in each set; there are {x.count} and {y.count}.")
    trace_of_root = np.linalg.svd(_root(x.covariance) @ _root(y.covariance).T, compute_uv=False).sum()
    traces = np.trace(x.covariance) + np.trace(y.covariance)
    return float(np.square(x.mean - y.mean).sum() + traces - 2 * trace_of_root)


def _root(covariance: Values) -> Values:
    """Return A with AᵀA equal to the covariance."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return np.sqrt(eigenvalues.clip(0))[:, None] * vectors.T
