"""How long a picture will take: as long as the last ones like it did."""

import threading
from collections import defaultdict, deque
from collections.abc import Hashable

REMEMBERED = 16  # pictures of a model


class Pace:
    """What pictures of each model took on this machine since the server was started."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seen: dict[Hashable, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def note(self, model: Hashable, pixels: int, seconds: float) -> None:
        """A picture of so many pixels took so long."""
        with self._guard:
            self._seen[model].append((pixels, seconds))

    def guess(self, model: Hashable, pixels: int) -> float | None:
        """Seconds for a picture of so many pixels, by that which was nearest to it in size; None before the first."""
        with self._guard:
            seen = list(self._seen[model])
        if not seen:
            return None
        near, took = min(seen, key=lambda one: abs(one[0] - pixels))
        return took * max(1.0, pixels / near)  # a smaller one is not sure to be quicker


def spoken(seconds: float) -> str:
    """Such as "0.8 s", "12 s" or "3 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
