"""Holes filled with what surrounds them: where a network that paints into them begins."""

import numpy as np

BAND = 256  # rows, an even number, that are worked on at once where the picture is largest


def filled(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """uint8 (H, W, C): the picture, with smoothly interpolated values where ``hole`` (H, W, bool) is. Grey if all is.

    Pull-push (Gortler et al. 1996, section 3.4): what is known is averaged over squares of 2, 4, 8 … pixels a side
    until each has some of it, and what is not is taken from the next larger squares, bilinearly. Known values stay.
    """
    if hole.all():
        return np.full_like(picture, 128)
    if not hole.any():
        return picture
    found, coarse = picture.copy(), _pushed(*_halved(picture, hole))
    for top in range(0, hole.shape[0], BAND):
        y, x = hole[top : top + BAND].nonzero()
        found[y + top, x] = _between(coarse, y + top, x).round()
    return found


def _halved(picture: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each square of 2 x 2 pixels the sum of what is known (h, w, C) and how much that is, at most 1 (h, w, 1)."""
    bands = []
    for top in range(0, hole.shape[0], BAND):
        weight = (~hole[top : top + BAND]).astype(np.float32)[..., None]
        bands.append(_shared(_squares(np.concatenate([picture[top : top + BAND] * weight, weight], 2))))
    values, weights = zip(*bands, strict=True)
    return np.concatenate(values), np.concatenate(weights)


def _squares(values: np.ndarray) -> np.ndarray:
    """Sums over squares of 2 x 2 pixels; beyond an odd edge there is nothing."""
    whole = np.pad(values, ((0, values.shape[0] % 2), (0, values.shape[1] % 2), (0, 0)))
    return whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]


def _shared(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums and, as the last channel, their weights: the same for weights of at most 1."""
    weight = sums[..., -1:]
    share = np.minimum(weight, 1) / np.maximum(weight, 1e-6)
    return sums[..., :-1] * share, weight * share


def _pushed(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (H, W, C) for sums of weighted ones and their weights (H, W, 1), from 0 to 1."""
    import cv2

    height, width = weight.shape[:2]
    values = weighted / np.maximum(weight, 1e-6)
    if weight.min() >= 1 or height == width == 1:
        return values
    coarse = _pushed(*_shared(_squares(np.concatenate([weighted, weight], 2))))
    size = (2 * coarse.shape[1], 2 * coarse.shape[0])
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)
    return weight * values + (1 - weight) * fine[:height, :width]


def _between(coarse: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values (n, C) at pixels of a picture of twice the size, bilinear."""
    found: np.ndarray = np.zeros((len(y), coarse.shape[2]), np.float32)
    places = [np.clip(at / 2 - 0.25, 0, length - 1) for at, length in ((y, coarse.shape[0]), (x, coarse.shape[1]))]
    (above, left), (down, right) = ([at.astype(int) for at in places], [at - at.astype(int) for at in places])
    for row, height in ((above, 1 - down), (np.minimum(above + 1, coarse.shape[0] - 1), down)):
        for column, width in ((left, 1 - right), (np.minimum(left + 1, coarse.shape[1] - 1), right)):
            found += coarse[row, column] * (height * width)[:, None].astype(np.float32)
    return found
