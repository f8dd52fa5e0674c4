"""The processes of a distributed training, which torchrun starts: one for each GPU, or several on a CPU.

Every process (rank) computes its own images of each batch. What belongs to the batch as a whole, such as gradients and
the statistics of batch norm, is added up over the ranks. Random numbers for the images of a batch are drawn for all of
them on every rank, by generators in equal states, and each rank uses those of its images. So N ranks compute what one
process computes with N times the batch.
"""

import os
import pickle
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from i2i.errors import RankError, UsageError

TIMEOUT = timedelta(hours=1)  # of an exchange: while rank 0 validates or saves, the others wait for it


class _State:
    """What this process knows of the others."""

    host_group: dist.ProcessGroup | None = None  # exchanges of the hosts, on the CPU
    gradient_group: dist.ProcessGroup | None = None  # gradients: their order is independent of all other exchanges
    alone = False  # whether the process computes for itself for now


_state = _State()


def launched_ranks() -> int:
    """Return the number of processes that torchrun started together with this one; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def is_restart() -> bool:
    """Return whether torchrun has started the processes again after one of them failed."""
    return launched_ranks() > 1 and int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0) > 0


def num_ranks() -> int:
    """Return the number of processes of the training; 1 outside of ``process_group``."""
    return 1 if _state.host_group is None or _state.alone else dist.get_world_size()


def rank() -> int:
    """Return the index of this process, from 0. Rank 0 writes the files of the run."""
    return 0 if _state.host_group is None else dist.get_rank()


def device_of_rank(name: str) -> str:
    """Return the name of the device of this process: "cuda" and "auto" become the GPU of its index on its machine.

    Raises: UsageError if the machine has fewer GPUs than processes, or all processes were given one GPU.
    """
    local, local_size = int(os.environ.get("LOCAL_RANK") or 0), int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
    if name.startswith("cuda:") and local_size > 1:
        raise UsageError(
            f"--device {name} is one GPU, and torchrun started {local_size} processes on this machine. Leave --device "
            "out: each process takes a GPU of its own."
        )
    if name not in ("auto", "cuda") or not torch.cuda.is_available():
        return name
    if local_size > torch.cuda.device_count():
        raise UsageError(
            f"torchrun started {local_size} processes on a machine with {torch.cuda.device_count()} GPUs. Start at "
            "most one process a GPU (--nproc-per-node), or train on the CPU (--device cpu)."
        )
    return f"cuda:{local}"


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the other processes of torchrun inside the context. Without torchrun this does nothing.

    Args:
        device: of this process. GPUs exchange their tensors by NCCL, CPUs by Gloo.

    Raises: RankError if they cannot be reached.
    """
    if launched_ranks() == 1:
        yield
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _lost_ranks():
        store, own_rank, size = next(iter(dist.rendezvous("env://", timeout=TIMEOUT)))
        store = dist.PrefixStore(_agree_on_prefix(store, own_rank, size), store)
        dist.init_process_group(backend, store=store, rank=own_rank, world_size=size, timeout=TIMEOUT)
        _state.host_group = _group_of_all("gloo")
        _state.gradient_group = _group_of_all(backend)
    try:
        yield
    finally:
        _state.host_group = _state.gradient_group = None
        dist.destroy_process_group()


def _agree_on_prefix(store: dist.Store, own_rank: int, size: int) -> str:
    """Return a new prefix for the keys of the store, the same on all ranks.

    torchrun keeps the store when it restarts its processes (torch 2.15), and Gloo would read the addresses of those
    that have ended. So each rank asks with a number of its own, and rank 0 answers until it has heard from all.

    Raises: RuntimeError if a rank does not answer within ``TIMEOUT``.
    """
    own = uuid.uuid4().hex
    end = time.monotonic() + TIMEOUT.total_seconds()
    if own_rank == 0:
        prefix, missing = f"i2i/{own}", set(range(1, size))
        while missing and time.monotonic() < end:
            for other in sorted(missing):
                if store.check([f"i2i/asks/{other}"]):
                    store.set(f"i2i/answer/{store.get(f'i2i/asks/{other}').decode()}", prefix)
                if store.check([f"{prefix}/here/{other}"]):
                    missing.discard(other)
            time.sleep(0.02)
        if missing:
            raise RuntimeError(f"no answer from rank {min(missing)}")
        return prefix
    store.set(f"i2i/asks/{own_rank}", own)
    prefix = store.get(f"i2i/answer/{own}").decode()  # waits
    store.set(f"{prefix}/here/{own_rank}", "")
    return prefix


def _group_of_all(backend: str) -> dist.ProcessGroup:
    group = dist.new_group(backend=backend, timeout=TIMEOUT)
    assert isinstance(group, dist.ProcessGroup)  # a number on processes that do not belong to the group
    return group


@contextmanager
def alone() -> Iterator[None]:
    """Compute without the other ranks inside the context, as for the sample images that rank 0 makes."""
    before, _state.alone = _state.alone, True
    try:
        yield
    finally:
        _state.alone = before


def own_rows(draw: Callable[[int], Tensor], count: int, groups: int = 1) -> Tensor:
    """Draw random numbers for the images of all ranks, and return those of this one's.

    Args:
        draw: returns a tensor with the number of rows that it is called with.
        count: rows that are needed here.
        groups: batches that these rows belong to, one after the other, such as images of A and then of B.

    Returns: ``count`` rows.
    """
    size = num_ranks()
    if size == 1:
        return draw(count)
    rows = draw(size * count).unflatten(0, (groups, size, count // groups))
    return rows[:, rank()].flatten(0, 1)


def all_rows(x: Tensor) -> Tensor:
    """Return the rows of all ranks, (ranks · N, …), those of rank 0 first. No gradient flows through it."""
    size = num_ranks()
    if size == 1:
        return x
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(size)]
    with _lost_ranks():
        dist.all_gather(parts, x.detach().contiguous())
    return torch.cat(parts)


def sum_over_ranks(x: Tensor) -> Tensor:
    """Return the sum of the tensors of all ranks; its gradient is the sum of their gradients."""
    return x if num_ranks() == 1 else _SumOverRanks.apply(x)


def mean_over_ranks(x: Tensor) -> Tensor:
    """Return the mean of the tensors of all ranks, with its gradient."""
    return sum_over_ranks(x) / num_ranks()


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        with _lost_ranks():
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _SumOverRanks.apply(grads[0])


def start_gradient_sum(buffer: Tensor) -> dist.Work:
    """Start to add up a buffer over the ranks, in place. ``finish`` waits for it."""
    with _lost_ranks():
        work = dist.all_reduce(buffer, group=_state.gradient_group, async_op=True)
    assert work is not None
    return work


def finish(work: dist.Work) -> None:
    """Wait until an exchange is done; on a GPU until the device has queued it. Raises RankError if a rank has ended."""
    with _lost_ranks():
        work.wait()


def largest_over_ranks(values: list[float]) -> list[float]:
    """Return the largest of each of the values of all ranks. Exchanged by the hosts, without the devices.

    Raises: RankError if a rank has ended.
    """
    exchanged = torch.tensor(values, dtype=torch.float64)
    with _lost_ranks():
        dist.all_reduce(exchanged, dist.ReduceOp.MAX, group=_state.host_group)
    return exchanged.tolist()


def gather_objects(value: Any) -> list[Any]:
    """Return the values of all ranks, that of rank 0 first. Exchanged by the hosts.

    Raises: RankError if a rank has ended.
    """
    values: list[Any] = [None] * num_ranks()
    with _lost_ranks():
        dist.all_gather_object(values, value, group=_state.host_group)
    return values


def from_rank_0(make: Callable[[], Any]) -> Any:
    """Return what ``make`` returns on rank 0; it is called there alone. The others get a copy, with tensors on the CPU.

    Raises: RankError if rank 0 has ended. If ``make`` raises an exception on rank 0, it is raised there, and the
        others end with SystemExit.
    """
    if num_ranks() == 1:
        return make()
    box: list[Any] = [None]
    failure: BaseException | None = None
    if rank() == 0:
        try:
            box = [(True, make())]
        except BaseException as error:
            failure, box = error, [(False, None)]
    with _lost_ranks():
        dist.broadcast_object_list(box, src=0, group=_state.host_group)
    if failure is not None:
        raise failure
    succeeded, value = box[0]
    if not succeeded:
        raise SystemExit(1)
    return value


@contextmanager
def _lost_ranks() -> Iterator[None]:
    """Turn what torch raises when another process has ended, or cannot be reached, into a RankError."""
    try:
        yield
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RankError(f"Another process of this training has ended or cannot be reached ({reason}).") from error
