"""Wall-clock budget of a training."""

import time

UNKNOWN_TOTAL_STEPS = 1_000_000  # estimate of the training's length before the first step


class TimeBudget:
    """Time spent on a training, over all its sessions, against a limit.

    Args:
        hours: the limit; None for no limit.
    """

    def __init__(self, hours: float | None) -> None:
        self.hours = hours
        self.elapsed = 0.0  # seconds
        self._last_tick = time.monotonic()

    def start(self) -> None:
        """Start counting now: the time since the last ``tick`` does not count."""
        self._last_tick = time.monotonic()

    def tick(self) -> None:
        """Add the time since the last ``tick`` or ``start``."""
        now = time.monotonic()
        self.elapsed += now - self._last_tick
        self._last_tick = now

    @property
    def fraction_used(self) -> float | None:
        """Fraction of the limit that is used, from 0 to 1; None without a limit."""
        return min(1.0, self.elapsed / (3600 * self.hours)) if self.hours else None

    def total_steps(self, step: int) -> int:
        """Estimate the steps of the whole training from the speed of the first ``step`` steps."""
        fraction = self.fraction_used or 0.0
        if fraction >= 1:
            return step
        return max(step + 1, round(step / fraction)) if step and fraction else UNKNOWN_TOTAL_STEPS
