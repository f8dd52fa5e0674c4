"""Distances between two sets of images in the feature space of a network: FID, KID, Inception Score.

Features are rows (N, D), one for each image. All sums are in float64.
"""

import numpy as np
from numpy.typing import NDArray

from i2i.errors import UsageError

Features = NDArray[np.floating]
Values = NDArray[np.float64]
SUBSET_SIZE = 1000  # images in a subset for the standard deviation of KID, if the sets are large enough
BLOCK = 512  # rows of a kernel matrix in memory at once


def fid(x: Features, y: Features) -> float:
    """Fréchet distance of Gaussians fitted to two sets (Heusel et al. 2017, eq. 6).

    ‖μ_x − μ_y‖² + tr(Σ_x) + tr(Σ_y) − 2 tr((Σ_x Σ_y)^½). The estimate is biased upwards, and the bias grows as the
    number of images falls. Compare FID only between sets of equal size.

    Args:
        x: (N, D), N at least 2.
        y: (M, D), M at least 2.

    >>> x = np.array([[0.0, 0.0], [2.0, 0.0]])
    >>> round(fid(x, x + [3, 0]), 3)  # equal covariances: ‖μ_x − μ_y‖²
    9.0
    """
    _check_sizes(x, y)
    (mean_x, root_x), (mean_y, root_y) = _gaussian(x), _gaussian(y)
    # With Σ = AᵀA the eigenvalues of Σ_x Σ_y are the squared singular values of A_x A_yᵀ, which avoids the root of a
    # singular matrix.
    trace_of_root = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    traces = np.square(root_x).sum() + np.square(root_y).sum()
    return float(np.square(mean_x - mean_y).sum() + traces - 2 * trace_of_root)


def fid_resampled(x: Features, y: Features, counts_x: Values, counts_y: Values) -> Values:
    """Return ``fid`` of R resamples.

    Args:
        x: (N, D).
        y: (M, D).
        counts_x: (R, N), how often each image of ``x`` is in each resample.
        counts_y: (R, M), the same for ``y``.

    Returns: (R,).
    """
    _check_sizes(x, y)
    x, y = x.astype(np.float64), y.astype(np.float64)
    products = x @ x.T, x @ y.T, y @ y.T  # all that FID needs; much smaller than Σ for few images
    return np.array([_fid_from_products(*products, *counts) for counts in zip(counts_x, counts_y, strict=True)])


def _fid_from_products(xx: Values, xy: Values, yy: Values, counts_x: Values, counts_y: Values) -> float:
    """Return FID from the scalar products of all features: xx (N, N), xy (N, M), yy (M, M)."""
    drawn_x, drawn_y = counts_x > 0, counts_y > 0
    t, u = counts_x[drawn_x], counts_y[drawn_y]
    n, m = t.sum(), u.sum()
    xx, xy, yy = xx[drawn_x][:, drawn_x], xy[drawn_x][:, drawn_y], yy[drawn_y][:, drawn_y]
    mean_xx, mean_xy, mean_yy = t @ xx @ t / n**2, t @ xy @ u / (n * m), u @ yy @ u / m**2
    centred = xy - (xy @ u / m)[:, None] - (t @ xy / n)[None] + mean_xy
    scaled = np.sqrt(t / (n - 1))[:, None] * centred * np.sqrt(u / (m - 1))
    traces = (t @ xx.diagonal() - n * mean_xx) / (n - 1) + (u @ yy.diagonal() - m * mean_yy) / (m - 1)
    return float(mean_xx + mean_yy - 2 * mean_xy + traces - 2 * np.linalg.svd(scaled, compute_uv=False).sum())


def _gaussian(features: Features) -> tuple[Values, Values]:
    """Return the mean (D,) and a root A of the covariance AᵀA with at most D rows."""
    mean = features.astype(np.float64).mean(0)
    root = (features - mean) / np.sqrt(len(features) - 1)
    return mean, np.asarray(np.linalg.qr(root, mode="r")) if len(root) > root.shape[1] else root


def kid(x: Features, y: Features) -> float:
    """Squared maximum mean discrepancy under k(a, b) = (a·b/D + 1)³ (Bińkowski et al. 2018, section 4).

    The unbiased estimate over all pairs of images. For two sets of one distribution it is around 0 and may be negative.

    Args:
        x: (N, D), N at least 2.
        y: (M, D), M at least 2.

    >>> x, y = np.random.default_rng(0).normal(0, 1, (2, 500, 4))  # two samples of one distribution
    >>> abs(kid(x, y)) < 0.1
    True
    >>> kid(x, y + 1) > 5
    True
    """
    _check_sizes(x, y)
    return float(kid_resampled(x, y, np.ones((1, len(x))), np.ones((1, len(y))))[0])


def kid_resampled(x: Features, y: Features, counts_x: Values, counts_y: Values) -> Values:
    """Return ``kid`` of R resamples.

    An image is never paired with itself, nor with another copy of itself, because that would bias the estimate.

    Args:
        x: (N, D).
        y: (M, D).
        counts_x: (R, N), how often each image of ``x`` is in each resample.
        counts_y: (R, M), the same for ``y``.

    Returns: (R,).
    """
    _check_sizes(x, y)
    between = _weighted_kernel_sums(x, y, counts_x, counts_y) / (counts_x.sum(1) * counts_y.sum(1))
    return _mean_kernel_within(x, counts_x) + _mean_kernel_within(y, counts_y) - 2 * between


def _mean_kernel_within(x: Features, counts: Values) -> Values:
    """Return the mean kernel of two different images of one set: (R,)."""
    diagonal = np.square(counts) @ _kernel_diagonal(x)
    pairs = np.square(counts.sum(1)) - np.square(counts).sum(1)
    return (_weighted_kernel_sums(x, x, counts, counts) - diagonal) / pairs


def _weighted_kernel_sums(x: Features, y: Features, counts_x: Values, counts_y: Values) -> Values:
    """Return Σ_ij t_i u_j k(x_i, y_j) for each row t of ``counts_x`` and u of ``counts_y``: (R,)."""
    total = np.zeros(len(counts_x))
    scaled_y = y.astype(np.float64).T / x.shape[1]
    for start in range(0, len(x), BLOCK):
        kernel = (x[start : start + BLOCK].astype(np.float64) @ scaled_y + 1) ** 3
        total += np.einsum("ri,ri->r", counts_x[:, start : start + BLOCK], counts_y @ kernel.T)
    return total


def _kernel_diagonal(x: Features) -> Values:
    return (np.square(x.astype(np.float64)).sum(1) / x.shape[1] + 1) ** 3


def kid_subsets(x: Features, y: Features, *, subsets: int = 100, size: int | None = None, seed: int = 0) -> Values:
    """Return ``kid`` of random subsets, whose mean and standard deviation papers report.

    Args:
        x: (N, D).
        y: (M, D).
        subsets: number of subsets.
        size: images in each subset, drawn without replacement; by default the smaller of SUBSET_SIZE and half of the
            smaller set.
        seed: seed of the draws.

    Returns: (subsets,).

    Raises:
        UsageError: if ``size`` is below 2 or above the size of the smaller set.
    """
    _check_sizes(x, y)
    smaller = min(len(x), len(y))
    size = size or max(2, min(SUBSET_SIZE, smaller // 2))
    if not 2 <= size <= smaller:
        raise UsageError(f"A subset for KID has {size} images; it must have from 2 to {smaller}, the smaller set.")
    rng = np.random.default_rng(seed)
    indices = ((rng.permutation(len(x))[:size], rng.permutation(len(y))[:size]) for _ in range(subsets))
    return np.array([kid(x[rows_x], y[rows_y]) for rows_x, rows_y in indices])


def inception_score(logits: Features, *, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """exp E[KL(p(label | image) ‖ p(label))] (Salimans et al. 2016, section 4).

    Args:
        logits: (N, labels), shuffled before they are split.
        splits: number of parts.
        seed: seed of the shuffle.

    Returns: mean and standard deviation over the splits.

    Raises:
        UsageError: if there are fewer images than splits.

    >>> mean, std = inception_score(100 * np.eye(5), splits=1)  # five images, each of its own label for certain
    >>> round(mean, 3)
    5.0
    """
    if len(logits) < splits:
        raise UsageError(f"The Inception Score needs at least {splits} images; there are {len(logits)}.")
    shuffled = logits.astype(np.float64)[np.random.default_rng(seed).permutation(len(logits))]
    log_p = shuffled - shuffled.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    scores = []
    for part in np.array_split(log_p, splits):
        p = np.exp(part)
        scores.append(np.exp((p * (part - np.log(p.mean(0)))).sum(1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def mmd_witness(x: Features, y: Features, z: Features) -> Values:
    """Witness function at ``x`` of the maximum mean discrepancy of y and z (Gretton et al. 2012, section 2.3).

    It is positive where an image resembles the set ``y`` more than the set ``z``, by the kernel of ``kid``.

    Args:
        x: (N, D), the images to evaluate.
        y: (M, D).
        z: (K, D).

    Returns: (N,).

    >>> mmd_witness(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 0.0]]), np.array([[1.0, 1.0]]))
    array([ 0., -7.])
    """
    mean_kernels = []
    for reference in (y, z):
        kernel = (x.astype(np.float64) @ reference.astype(np.float64).T / x.shape[1] + 1) ** 3
        mean_kernels.append(kernel.mean(1))
    return mean_kernels[0] - mean_kernels[1]


def _check_sizes(x: Features, y: Features) -> None:
    if min(len(x), len(y)) < 2:
        raise UsageError(f"FID and KID need at least 2 images in each set; there are {len(x)} and {len(y)}.")
