import asyncio
from threading import Event

import pytest
from starlette.requests import Request

from i2i.demo.http_errors import HttpError
from i2i.demo.http_queue import NUM_WORKERS, HttpQueue


def request() -> Request:
    async def receive() -> dict[str, str]:
        await asyncio.sleep(3600)  # the client stays
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


@pytest.mark.parametrize("max_waiting", [0, 3])
def test_of_jobs_that_arrive_at_once_those_beyond_the_queue_are_refused(max_waiting: int) -> None:
    async def run_all() -> tuple[list[int], int]:
        queue, go_on = HttpQueue(max_waiting, max_seconds=60), Event()

        def job() -> int:
            go_on.wait(60)
            return 200

        async def status() -> int:
            try:
                return await queue.run(job, request())
            except HttpError as refusal:
                return refusal.status

        answers = [asyncio.create_task(status()) for _ in range(10)]
        async with asyncio.timeout(60):
            while sum(answer.done() for answer in answers) < 10 - NUM_WORKERS - max_waiting:
                await asyncio.sleep(0)
        assert queue.waiting == max_waiting
        go_on.set()
        return await asyncio.gather(*answers), queue.admitted

    statuses, admitted = asyncio.run(run_all())
    accepted = NUM_WORKERS + max_waiting
    assert sorted(statuses) == [200] * accepted + [503] * (10 - accepted)
    assert admitted == 0


def test_a_job_that_waits_too_long_is_refused_and_frees_its_place() -> None:
    async def run_all() -> tuple[list[object], int]:
        queue, go_on = HttpQueue(1, max_seconds=0.05), Event()
        jobs = [asyncio.create_task(queue.run(lambda: go_on.wait(60), request())) for _ in range(NUM_WORKERS + 1)]
        late = (await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED))[0]
        go_on.set()
        await asyncio.gather(*jobs, return_exceptions=True)
        return [task.exception() for task in late], queue.admitted

    (refusal,), admitted = asyncio.run(run_all())
    assert isinstance(refusal, HttpError)
    assert refusal.status == 503
    assert "busy" in str(refusal)
    assert admitted == 0
