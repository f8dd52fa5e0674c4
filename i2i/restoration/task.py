"""Base of the restoration tasks: how a clean image is degraded, and how the network's output makes the result."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from i2i.config import Config

Range = tuple[float, float]  # lowest and highest value; values are drawn uniformly between them


class Task(Config):
    """A restoration task: a frozen config whose fields are the strengths of the degradation.

    Attributes:
        conditioning: input of the network. "image": the degraded image alone. "level": also the strength of the
            degradation. "mask": also the mask of the missing pixels. Both are a fourth channel in grey levels.
        prediction: how the network's output makes the result (``i2i.networks.output_heads``).
        train_on_crops: whether the network trains on crops of photos at their own scale, rotated by multiples of 90°.
            Otherwise it trains on photos that are resized to --size and --resize-scale, not rotated.
        takes_any_image: whether grey images and drawings are of use in the training, see ``i2i.data.clean_crops``.
        network_defaults: settings of the restorer that suit the task better than its own defaults.
        scale: size of the result relative to the input.
    """

    conditioning: ClassVar[str] = "image"
    prediction: ClassVar[str] = "residual"
    train_on_crops: ClassVar[bool] = True
    takes_any_image: ClassVar[bool] = True
    network_defaults: ClassVar[Mapping[str, Any]] = {}
    scale: int = 1

    def strength_range(self) -> Range | None:
        """Return the range of the main strength of the degradation; None if the task has no such strength."""
        return None

    def check_for(self, size: int) -> None:
        """Raise ConfigError or DatasetError if the task cannot degrade photos of ``size`` pixels a side."""

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        """Return the degraded image, which is the network's input.

        Args:
            clean: uint8 (H, W, 3); H and W are multiples of ``scale``.
            rng: for all random choices.
            strength: the main strength; None to draw it.

        Returns: (H / scale, W / scale, 3), or 4 channels with a level or mask: uint8, or float32 in grey levels that
            may lie outside 0 to 255.
        """
        raise NotImplementedError

    def conditioning_level(self, strength: float) -> float:
        """Return the value of the level channel for a strength, in grey levels."""
        limits = self.strength_range()
        return 255 * strength / max(limits[1], 1e-6) if limits else 0.0

    def mid_strength(self) -> float | None:
        """Return the middle of ``strength_range``, for samples and validation."""
        limits = self.strength_range()
        return None if limits is None else (limits[0] + limits[1]) / 2

    def sample_strength(self, rng: np.random.Generator, strength: float | None) -> float:
        """Return ``strength``, or a value drawn uniformly from ``strength_range`` if it is None."""
        limits = self.strength_range()
        assert limits is not None
        return float(rng.uniform(*limits)) if strength is None else strength


def append_channel(image: np.ndarray, channel: np.ndarray | float) -> np.ndarray:
    """Return an image (H, W, 3) with a fourth channel, (H, W) or a constant, as float32 (H, W, 4)."""
    result = np.empty((*image.shape[:2], 4), np.float32)
    result[..., :3] = image
    result[..., 3] = channel
    return result
