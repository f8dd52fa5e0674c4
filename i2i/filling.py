"""Holes filled with what surrounds them: where a network that paints into them begins."""

import numpy as np


def filled(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """float32 (H, W, C): the picture, with smoothly interpolated values where ``hole`` (H, W, bool) is. Grey if all is.

    Pull-push (Gortler et al. 1996, section 3.4): what is known is averaged over squares of 2, 4, 8 … pixels a side
    until each has some of it, and what is not is taken from the next larger squares, bilinearly. Known values stay.
    """
    whole = picture.astype(np.float32)
    if hole.all():
        return np.full_like(whole, 127.5)
    if hole.any():
        known = (~hole).astype(np.float32)[..., None]
        whole = np.where(hole[..., None], _pushed(whole * known, known), whole)
    return whole


def _pushed(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (H, W, C) for sums of weighted ones and their weights (H, W, 1), from 0 to 1."""
    import cv2

    height, width = weight.shape[:2]
    values = weighted / np.maximum(weight, 1e-6)
    if weight.min() >= 1 or height == width == 1:
        return values
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    both = np.pad(np.concatenate([weighted, weight], 2), odd)
    sums = both[::2, ::2] + both[1::2, ::2] + both[::2, 1::2] + both[1::2, 1::2]
    share = np.minimum(sums[..., -1:], 1) / np.maximum(sums[..., -1:], 1e-6)
    coarse = _pushed(sums[..., :-1] * share, sums[..., -1:] * share)
    size = (2 * coarse.shape[1], 2 * coarse.shape[0])
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)
    return weight * values + (1 - weight) * fine[:height, :width]
