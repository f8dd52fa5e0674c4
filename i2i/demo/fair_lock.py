"""A lock that serves its waiters in the order of arrival."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from i2i.errors import UsageError


class BusyError(UsageError):
    """The lock was not free in time."""


class FairLock:
    """A first-come, first-served lock."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue = deque[threading.Event]()  # the holder first, then the waiters

    def queue_length(self) -> int:
        """Return the number of jobs that a new caller would wait for: the holder and all waiters."""
        with self._guard:
            return len(self._queue)

    @contextmanager
    def hold(self, timeout: float | None = None) -> Iterator[None]:
        """Hold the lock for the duration of a ``with`` block.

        Args:
            timeout: the longest wait in seconds; None waits without limit.

        Raises:
            BusyError: the lock was not free within ``timeout``.
        """
        turn = threading.Event()
        with self._guard:
            self._queue.append(turn)
            if self._queue[0] is turn:
                turn.set()
        start = time.monotonic()
        try:
            if not turn.wait(timeout):
                waited = time.monotonic() - start
                raise BusyError(f"The model was busy with other jobs for {waited:.0f} seconds. Try again later.")
            yield
        finally:
            with self._guard:
                self._queue.remove(turn)
                if self._queue:
                    self._queue[0].set()
