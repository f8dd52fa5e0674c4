import threading
import time

import pytest

from i2i.demo.fair_lock import FairLock
from i2i.errors import UsageError


def test_waiters_get_the_lock_one_at_a_time_in_order_of_arrival() -> None:
    lock = FairLock()
    order, holders = list[int](), list[int]()

    def hold(number: int) -> None:
        with lock.hold():
            holders.append(number)
            assert len(holders) == 1
            order.append(number)
            holders.remove(number)

    threads = []
    with lock.hold():
        for number in range(5):
            threads.append(threading.Thread(target=hold, args=(number,)))
            threads[-1].start()
            while lock.queue_length() < number + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(5))
    assert lock.queue_length() == 0


def test_a_timeout_raises_and_leaves_the_lock_usable() -> None:
    lock = FairLock()
    with lock.hold(), pytest.raises(UsageError, match="busy with other jobs"), lock.hold(0.01):
        pass
    with lock.hold(0.01):
        pass
