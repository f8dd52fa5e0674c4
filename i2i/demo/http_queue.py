"""The queue of translations that the plain HTTP API asks for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from i2i.demo.http_errors import HttpError

T = TypeVar("T")
NUM_WORKERS = 2  # one photo is read or written while another is translated
CLOSED_REQUEST = 499  # nobody reads this answer


class HttpQueue:
    """Runs jobs in threads of its own, in order of arrival, and refuses jobs beyond a number of waiting ones.

    Args:
        max_waiting: jobs that may wait.
        max_seconds: longest wait.
    """

    def __init__(self, max_waiting: int, max_seconds: float) -> None:
        self.max_waiting = max_waiting
        self.max_seconds = max_seconds
        self.admitted = 0  # jobs that wait or run
        self._slots = asyncio.Semaphore(NUM_WORKERS)
        self._executor = ThreadPoolExecutor(NUM_WORKERS, "i2i-http")

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return max(0, self.admitted - NUM_WORKERS)

    async def run(self, job: Callable[[], T], request: Request) -> T:
        """Return the result of a job, which is not started if the client has left before its turn.

        Raises:
            HttpError: the queue is full, or the job waited too long.
        """
        # Of jobs that arrive at once, none has a slot yet when the next is admitted: slots in use do not tell how many.
        if self.admitted >= NUM_WORKERS + self.max_waiting:
            raise HttpError(503, f"{self.waiting} photos are waiting already. Try again later.", retry_after=5)
        self.admitted += 1
        try:
            return await self._run_in_turn(job, request)
        finally:
            self.admitted -= 1

    async def _run_in_turn(self, job: Callable[[], T], request: Request) -> T:
        try:
            await asyncio.wait_for(self._slots.acquire(), self.max_seconds)
        except TimeoutError as error:
            raise HttpError(503, "The server was busy with other photos. Try again later.", retry_after=30) from error
        try:
            if await request.is_disconnected():
                raise HttpError(CLOSED_REQUEST, "The client has left.")
            return await asyncio.get_running_loop().run_in_executor(self._executor, job)
        finally:
            self._slots.release()
