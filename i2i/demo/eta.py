"""Estimate how long an image will take from the run times of earlier images."""

import threading
from collections import defaultdict, deque
from collections.abc import Hashable

HISTORY_LENGTH = 16  # images per model


class RuntimeEstimator:
    """Run times of each model on this machine since the server started."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._history: dict[Hashable, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=HISTORY_LENGTH))

    def record(self, model: Hashable, pixels: int, seconds: float) -> None:
        """Record that an image of ``pixels`` pixels took ``seconds`` seconds."""
        with self._guard:
            self._history[model].append((pixels, seconds))

    def estimate(self, model: Hashable, pixels: int) -> float | None:
        """Return the expected seconds for an image of ``pixels`` pixels, or None without any history.

        The estimate scales the run time of the image nearest in size.
        """
        with self._guard:
            history = list(self._history[model])
        if not history:
            return None
        nearest_pixels, seconds = min(history, key=lambda entry: abs(entry[0] - pixels))
        return seconds * max(1.0, pixels / nearest_pixels)  # a smaller image need not be faster


def format_duration(seconds: float) -> str:
    """Return a duration such as "0.8 s", "12 s" or "3 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
