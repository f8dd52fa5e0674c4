"""Load items in threads, ahead of their use."""

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def load_in_order(load: Callable[[int], T], count: int) -> Generator[T]:
    """Yield ``load(index)`` for each item. Threads load ahead: Pillow releases the GIL to decode and resize."""
    threads = min(16, os.cpu_count() or 1)
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for index in range(count):
            pending.append(pool.submit(load, index))
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
