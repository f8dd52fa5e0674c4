"""What a restoration task is: how a clean picture is degraded, and how the network's answer becomes the result."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

Strengths = tuple[float, float]  # the weakest and the strongest that are drawn


class Task:
    """A row of the tasks: a frozen config whose fields are the strengths of the degradation, with their units.

    shows: what the network is given: the "picture" alone, or beside it the "level" of the degradation or the "mask"
    of what is missing, each as a fourth channel on the scale of grey levels. answers: how the network's answer becomes
    the result, as ``i2i.networks.output_heads`` has it. crops: it is learnt from crops of photos at their own scale, turned
    by quarter turns; else from photos made as small as --size says, and --jitter, as they stand. scale: how much larger
    the result is than the input. suits: settings of the restorer that go better with the task than its own defaults.
    """

    shows: ClassVar[str] = "picture"
    answers: ClassVar[str] = "residual"
    crops: ClassVar[bool] = True
    suits: ClassVar[Mapping[str, Any]] = {}
    scale: int = 1

    def strengths(self) -> Strengths | None:
        """The range of the one number that says how strong the degradation is, where there is one."""
        return None

    def degrade(self, clean: np.ndarray, rng: np.random.Generator, strength: float | None = None) -> np.ndarray:
        """What the network is to restore.

        clean: uint8 (H, W, 3), H and W multiples of ``scale``. strength: in place of one that ``rng`` draws. Returns
        uint8, or float32 in grey levels that may lie outside 0…255: (H / scale, W / scale, 3, or 4 with a level or
        mask).
        """
        raise NotImplementedError

    def level(self, strength: float) -> float:
        """What a network that is told a strength sees of it, as a grey level."""
        span = self.strengths()
        return 255 * strength / max(span[1], 1e-6) if span else 0.0

    def middle(self) -> float | None:
        """The middle of ``strengths``, to be looked at and measured."""
        span = self.strengths()
        return None if span is None else (span[0] + span[1]) / 2

    def drawn(self, rng: np.random.Generator, strength: float | None) -> float:
        """``strength``, or where that is None one drawn evenly from ``strengths``."""
        span = self.strengths()
        assert span is not None
        return float(rng.uniform(*span)) if strength is None else strength


def with_channel(picture: np.ndarray, channel: np.ndarray | float) -> np.ndarray:
    """(H, W, 3) and (H, W), or one number for all of it, as float32 (H, W, 4)."""
    full = np.empty((*picture.shape[:2], 4), np.float32)
    full[..., :3], full[..., 3] = picture, channel
    return full
