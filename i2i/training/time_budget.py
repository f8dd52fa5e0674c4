"""The time that a training has taken, and how much of what it may take that is."""

import time

FIRST_GUESS = 1_000_000  # steps of a training of which none is done


class Clock:
    """Time spent over all parts of a training that may take so many ``hours``; None: as many as it likes."""

    def __init__(self, hours: float | None) -> None:
        self.hours, self.spent = hours, 0.0  # seconds
        self._last = time.monotonic()

    def start(self) -> None:
        """What passed since the last ``tick`` was not spent on the training."""
        self._last = time.monotonic()

    def tick(self) -> None:
        """What passed since the last one, or since ``start``, was."""
        now = time.monotonic()
        self.spent += now - self._last
        self._last = now

    @property
    def share(self) -> float | None:
        """Of the hours, what is spent: 0 to 1. None where there is no such limit."""
        return min(1.0, self.spent / (3600 * self.hours)) if self.hours else None

    def total_steps(self, step: int) -> int:
        """Steps that the whole training will have, ``step`` of them done, if it goes on at this speed."""
        share = self.share or 0.0
        if share >= 1:
            return step
        return max(step + 1, round(step / share)) if step and share else FIRST_GUESS
