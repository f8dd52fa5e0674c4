"""How far two heaps of pictures are apart, by what a network sees in them.

Features are rows: (N, D), one for each picture. All sums are in float64.
"""

import numpy as np
from numpy.typing import NDArray

from i2i.errors import UsageError

Rows = NDArray[np.floating]
Values = NDArray[np.float64]
SUBSET = 1000  # pictures in a subset for the spread of KID, where there are as many
BLOCK = 512  # rows of a kernel matrix in memory at once


def fid(x: Rows, y: Rows) -> float:
    """Fréchet distance of Gaussians fitted to two heaps (Heusel et al. 2017, eq. 6).

    ‖μ_x − μ_y‖² + tr(Σ_x) + tr(Σ_y) − 2 tr((Σ_x Σ_y)^½). Biased upwards the more, the fewer the pictures: only numbers
    on equally many can be compared.
    """
    _check(x, y)
    (mean_x, root_x), (mean_y, root_y) = _gaussian(x), _gaussian(y)
    # With Σ = AᵀA the eigenvalues of Σ_x Σ_y are the squared singular values of A_x A_yᵀ: no root of a singular matrix.
    shared = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    spread = np.square(root_x).sum() + np.square(root_y).sum()
    return float(np.square(mean_x - mean_y).sum() + spread - 2 * shared)


def fid_resampled(x: Rows, y: Rows, times_x: Values, times_y: Values) -> Values:
    """``fid`` with every picture as often as each row of ``times_x`` (R, N) and ``times_y`` (R, M) says: (R,)."""
    _check(x, y)
    x, y = x.astype(np.float64), y.astype(np.float64)
    products = x @ x.T, x @ y.T, y @ y.T  # all that it takes, and small where there are few pictures
    return np.array([_frechet(*products, *weights) for weights in zip(times_x, times_y, strict=True)])


def _frechet(xx: Values, xy: Values, yy: Values, times_x: Values, times_y: Values) -> float:
    """From the scalar products of all features."""
    kept_x, kept_y = times_x > 0, times_y > 0
    t, u = times_x[kept_x], times_y[kept_y]
    n, m = t.sum(), u.sum()
    xx, xy, yy = xx[kept_x][:, kept_x], xy[kept_x][:, kept_y], yy[kept_y][:, kept_y]
    mean_xx, mean_xy, mean_yy = t @ xx @ t / n**2, t @ xy @ u / (n * m), u @ yy @ u / m**2
    centred = xy - (xy @ u / m)[:, None] - (t @ xy / n)[None] + mean_xy
    scaled = np.sqrt(t / (n - 1))[:, None] * centred * np.sqrt(u / (m - 1))
    spread = (t @ xx.diagonal() - n * mean_xx) / (n - 1) + (u @ yy.diagonal() - m * mean_yy) / (m - 1)
    return float(mean_xx + mean_yy - 2 * mean_xy + spread - 2 * np.linalg.svd(scaled, compute_uv=False).sum())


def _gaussian(rows: Rows) -> tuple[Values, Values]:
    """The mean (D,) and a root A of the covariance AᵀA, of as few rows as hold it."""
    mean = rows.astype(np.float64).mean(0)
    root = (rows - mean) / np.sqrt(len(rows) - 1)
    return mean, np.asarray(np.linalg.qr(root, mode="r")) if len(root) > root.shape[1] else root


def kid(x: Rows, y: Rows) -> float:
    """Squared maximum mean discrepancy under k(a, b) = (a·b/D + 1)³ (Bińkowski et al. 2018, section 4).

    The unbiased estimate over all pairs of pictures: around 0, and at times below, where both heaps are of one kind.
    """
    _check(x, y)
    return float(kid_resampled(x, y, np.ones((1, len(x))), np.ones((1, len(y))))[0])


def kid_resampled(x: Rows, y: Rows, times_x: Values, times_y: Values) -> Values:
    """``kid`` with every picture as often as each row of ``times_x`` (R, N) and ``times_y`` (R, M) says: (R,).

    A picture is never paired with itself, not with another copy of itself either: that would bias the estimate.
    """
    _check(x, y)
    between = _sums(x, y, times_x, times_y) / (times_x.sum(1) * times_y.sum(1))
    return _within(x, times_x) + _within(y, times_y) - 2 * between


def _within(x: Rows, times: Values) -> Values:
    """Mean kernel of two different pictures of a heap: (R,)."""
    alone = np.square(times) @ _kernel_of_equals(x)
    return (_sums(x, x, times, times) - alone) / (np.square(times.sum(1)) - np.square(times).sum(1))


def _sums(x: Rows, y: Rows, times_x: Values, times_y: Values) -> Values:
    """Σ_ij t_i u_j k(x_i, y_j) for each row t, u of the weights: (R,)."""
    total, other = np.zeros(len(times_x)), y.astype(np.float64).T / x.shape[1]
    for start in range(0, len(x), BLOCK):
        kernel = (x[start : start + BLOCK].astype(np.float64) @ other + 1) ** 3
        total += np.einsum("ri,ri->r", times_x[:, start : start + BLOCK], times_y @ kernel.T)
    return total


def _kernel_of_equals(x: Rows) -> Values:
    return (np.square(x.astype(np.float64)).sum(1) / x.shape[1] + 1) ** 3


def kid_subsets(x: Rows, y: Rows, *, subsets: int = 100, size: int | None = None, seed: int = 0) -> Values:
    """``kid`` of ``subsets`` random subsets of ``size`` pictures each, drawn without repetition: (subsets,).

    Their mean and standard deviation are what papers report. size: by default 1000, or half of the smaller heap where
    that is less.
    """
    _check(x, y)
    least = min(len(x), len(y))
    size = size or max(2, min(SUBSET, least // 2))
    if not 2 <= size <= least:
        raise UsageError(f"A subset for KID has {size} pictures; it must have from 2 to {least}, of which there are.")
    rng = np.random.default_rng(seed)
    drawn = ((rng.permutation(len(x))[:size], rng.permutation(len(y))[:size]) for _ in range(subsets))
    return np.array([kid(x[some], y[others]) for some, others in drawn])


def inception_score(logits: Rows, *, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """exp E[KL(p(label | picture) ‖ p(label))] (Salimans et al. 2016, section 4): mean and deviation over the splits.

    logits: (N, labels), shuffled before they are split.
    """
    if len(logits) < splits:
        raise UsageError(f"The Inception Score needs at least {splits} pictures; there are {len(logits)}.")
    shuffled = logits.astype(np.float64)[np.random.default_rng(seed).permutation(len(logits))]
    log_p = shuffled - shuffled.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    scores = []
    for part in np.array_split(log_p, splits):
        p = np.exp(part)
        scores.append(np.exp((p * (part - np.log(p.mean(0)))).sum(1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def _check(x: Rows, y: Rows) -> None:
    for rows in (x, y):
        if len(rows) < 2:
            raise UsageError(f"FID and KID need at least 2 pictures on either side; there are {len(x)} and {len(y)}.")


def likeness(x: Rows, y: Rows, z: Rows) -> Values:
    """How much more each picture of x is like those of y than like those of z, by the kernel of ``kid``: (N,).

    The witness function of the maximum mean discrepancy of y and z (Gretton et al. 2012, section 2.3), at x.
    """
    found = []
    for others in (y, z):
        kernel = (x.astype(np.float64) @ others.astype(np.float64).T / x.shape[1] + 1) ** 3
        found.append(kernel.mean(1))
    return found[0] - found[1]
