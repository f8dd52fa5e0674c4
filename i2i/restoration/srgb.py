"""Conversion between sRGB grey levels and linear light (IEC 61966-2-1)."""

import numpy as np

_VALUES = np.arange(256) / 255
_LINEAR = np.where(_VALUES <= 0.04045, _VALUES / 12.92, ((_VALUES + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """Return uint8 grey levels as linear light, float32 from 0 to 1."""
    return _LINEAR[image]


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Return linear light, clipped to 0 to 1, as grey levels, float32 from 0 to 255."""
    light = light.clip(0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return (255 * levels).astype(np.float32)
