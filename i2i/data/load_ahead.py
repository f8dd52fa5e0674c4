"""Load items in threads, ahead of their use."""

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image


def load_in_order(load: Callable[[int], list[Image.Image]], count: int) -> Generator[list[Image.Image]]:
    """Yield ``load(index)`` for each item. Threads load ahead: Pillow releases the GIL to decode and resize."""
    threads = min(16, os.cpu_count() or 1)
    pending: deque[Future[list[Image.Image]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for index in range(count):
            pending.append(pool.submit(load, index))
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
