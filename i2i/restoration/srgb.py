"""Grey levels of sRGB, and the light they stand for (IEC 61966-2-1)."""

import numpy as np

_VALUES = np.arange(256) / 255
_LINEAR = np.where(_VALUES <= 0.04045, _VALUES / 12.92, ((_VALUES + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear(picture: np.ndarray) -> np.ndarray:
    """The light of uint8 grey levels, float32 from 0 to 1."""
    return _LINEAR[picture]


def encoded(light: np.ndarray) -> np.ndarray:
    """The grey levels of light, float32 from 0 to 255; of what lies outside 0 to 1 those of its ends."""
    light = light.clip(0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return (255 * levels).astype(np.float32)
