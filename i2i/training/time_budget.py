"""Wall-clock budget of a training, and time limit of one session of it."""

import re
import time

from i2i.errors import ConfigError

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


class TimeLimit:
    """Time limit of one session of a training: the part of it that one process runs.

    The session stops early enough for the last step: when less time is left than the longest step so far took, twice.

    Args:
        seconds: from now; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = time.monotonic() + seconds if seconds is not None else None
        self._last_check: float | None = None
        self._longest_step = 0.0

    def is_reached(self) -> bool:
        """Return whether the training should stop now. Call it between two steps."""
        if self._end is None:
            return False
        now = time.monotonic()
        if self._last_check is not None:
            self._longest_step = max(self._longest_step, now - self._last_check)
        self._last_check = now
        return now + 2 * self._longest_step >= self._end


def parse_duration(text: str) -> float:
    """Return the seconds of a duration.

    >>> parse_duration("1h30m"), parse_duration("45s"), parse_duration("1.5h"), parse_duration("2d")
    (5400.0, 45.0, 5400.0, 172800.0)

    Raises:
        ConfigError: the text is no duration above 0.
    """
    number = r"(\d{1,9}(?:\.\d{1,9})?)"
    match = re.fullmatch("".join(rf"(?:{number}{unit})?" for unit in "dhms"), text.strip().lower(), re.ASCII)
    counts = [float(count or 0) for count in match.groups()] if match else []
    seconds = sum(count * unit for count, unit in zip(counts, (86400, 3600, 60, 1), strict=False))
    if not seconds:
        raise ConfigError(f"{text!r} is no duration: give a number with a unit, such as 2h, 90m, 1h30m, 45s or 1d.")
    return seconds
