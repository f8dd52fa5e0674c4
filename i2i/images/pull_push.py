"""Filling of masked regions from their surroundings, as the starting point of an inpainting network."""

import numpy as np

BAND_ROWS = 256  # rows processed at a time at full resolution, an even number


def pull_push_fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill masked pixels by smooth interpolation of the known ones, which stay unchanged.

    Pull-push (Gortler et al. 1996, section 3.4): known values are averaged over squares of 2, 4, 8 … pixels a side
    until every square has some. Unknown values are interpolated bilinearly from the next larger squares.

    Args:
        image: uint8 (H, W, C).
        mask: bool (H, W), true where to fill.

    Returns: uint8 (H, W, C); all grey if every pixel is masked.
    """
    if mask.all():
        return np.full_like(image, 128)
    if not mask.any():
        return image
    result = image.copy()
    coarse = _pull_push(*_pull_first(image, mask))
    for top in range(0, mask.shape[0], BAND_ROWS):
        y, x = mask[top : top + BAND_ROWS].nonzero()
        result[y + top, x] = _sample_bilinear(coarse, y + top, x).round()
    return result


def _pull_first(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted sum of the known pixels of each 2×2 square (h, w, C) and its weight, at most 1 (h, w, 1)."""
    bands = []
    for top in range(0, mask.shape[0], BAND_ROWS):
        weight = (~mask[top : top + BAND_ROWS]).astype(np.float32)[..., None]
        weighted = image[top : top + BAND_ROWS] * weight
        bands.append(_normalise_weights(_sum_2x2(np.concatenate([weighted, weight], 2))))
    sums, weights = zip(*bands, strict=True)
    return np.concatenate(sums), np.concatenate(weights)


def _sum_2x2(values: np.ndarray) -> np.ndarray:
    """Return the sums over 2×2 squares; values beyond an odd edge count as 0."""
    padded = np.pad(values, ((0, values.shape[0] % 2), (0, values.shape[1] % 2), (0, 0)))
    return padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]


def _normalise_weights(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split weighted sums from their weight, the last channel, and scale both so that the weight is at most 1."""
    weight = sums[..., -1:]
    factor = np.minimum(weight, 1) / np.maximum(weight, 1e-6)
    return sums[..., :-1] * factor, weight * factor


def _pull_push(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return values (H, W, C) without gaps for weighted sums (H, W, C) and their weights (H, W, 1) in [0, 1]."""
    import cv2

    height, width = weight.shape[:2]
    values = weighted / np.maximum(weight, 1e-6)
    if weight.min() >= 1 or height == width == 1:
        return values
    coarse = _pull_push(*_normalise_weights(_sum_2x2(np.concatenate([weighted, weight], 2))))
    size = (2 * coarse.shape[1], 2 * coarse.shape[0])
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)
    return weight * values + (1 - weight) * fine[:height, :width]


def _sample_bilinear(coarse: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Interpolate ``coarse`` (h, w, C) at pixels of an image of twice the size: (n, C)."""
    rows, columns = coarse.shape[:2]
    row = np.clip(y / 2 - 0.25, 0, rows - 1)
    column = np.clip(x / 2 - 0.25, 0, columns - 1)
    top = row.astype(int)
    left = column.astype(int)
    down = row - top
    right = column - left
    values: np.ndarray = np.zeros((len(y), coarse.shape[2]), np.float32)
    for row_index, row_weight in ((top, 1 - down), (np.minimum(top + 1, rows - 1), down)):
        for column_index, column_weight in ((left, 1 - right), (np.minimum(left + 1, columns - 1), right)):
            values += coarse[row_index, column_index] * (row_weight * column_weight)[:, None].astype(np.float32)
    return values
