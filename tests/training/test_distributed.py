"""Ranks that share a batch compute what one process computes with the whole batch."""

import os
import socket
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.forked_process import start
from tests.training.distributed_worker import CONFIGS, results_of

pytestmark = pytest.mark.slow

Results = dict[str, dict[str, Tensor]]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run_ranks(folder: Path, count: int) -> list[Results]:
    """Return the results of each rank of ``distributed_worker``."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(count)}
    processes = []
    for rank in range(count):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count)}
        command = ["-m", "tests.training.distributed_worker", str(folder)]
        processes.append(start(*command, env={**os.environ, **address, **own}))
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, outputs
    return [torch.load(folder / f"rank-{rank}.pt") for rank in range(count)]


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    return run_ranks(tmp_path_factory.mktemp("ranks"), 2)


def assert_equal(results: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert any(name.endswith(".grad") for name in expected)
    assert results.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = 1e-6 * float(value.double().abs().max() or 1)
        torch.testing.assert_close(results[name], value, rtol=1e-6, atol=tolerance, msg=name)


@pytest.mark.parametrize("name", CONFIGS)
def test_two_ranks_give_gradients_losses_and_states_of_one_process(two_ranks: list[Results], name: str) -> None:
    expected = results_of(name)
    for results in two_ranks:
        assert_equal(results[name], expected)


def test_gradients_are_clipped_by_the_norm_of_the_whole_batch(two_ranks: list[Results]) -> None:
    assert_equal(two_ranks[1]["clipped"], results_of("pix2pix lsgan", grad_clip=0.01))
    clipped, plain = (results_of("pix2pix lsgan", grad_clip=norm)["loss G/l1"] for norm in (0.01, 0.0))
    assert clipped != plain


def test_ranks_that_accumulate_give_the_gradients_of_the_whole_batch(two_ranks: list[Results]) -> None:
    for results in two_ranks:
        assert_equal(results["accumulated"], results_of("pix2pix hinge"))
