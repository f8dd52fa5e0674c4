"""Ours against the textbook: seconds a training step, interleaved in one run, medians, varied batches.

python -m tests.benchmarks.steps cyclegan --size 128 --rounds 9
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from i2i.device import pick_device
from i2i.recipes import recipe
from i2i.recipes.benchmark import peak_memory
from i2i.training.cuda_graphs import WARM, CudaGraphs, ReplayStepper
from i2i.training.train_step import Stepper
from tests.benchmarks.textbook import CycleGANStep, Pix2PixStep

WARM_UP = WARM + 2  # rounds: compiled on the first, recorded after WARM
Step = Callable[[Tensor, Tensor], object]


def ours(objective: str, size: int, device: torch.device, dtype: torch.dtype, ngf: int, how: str) -> Step:
    """A step of ours. how: "plain", "recorded" (CUDA graph), or "compiled" (and, where there is CUDA, recorded)."""
    model = {"generator": {"ngf": ngf}, "discriminator": {"ndf": ngf}}
    plan = recipe(objective, "paper").merged({"data": {"size": size}, "model": model})
    networks = plan.build().to(device).to(memory_format=torch.channels_last)
    cuda = device.type == "cuda"
    plain = Stepper(networks, plan.training, device, dtype)
    stepper: Stepper | ReplayStepper = plain
    if how != "plain":
        recorder = CudaGraphs(device) if cuda else None
        stepper = ReplayStepper(plain, compiled=how == "compiled", recorder=recorder, tell=print)
    steps = iter(range(10**9))

    def step(a: Tensor, b: Tensor) -> object:
        batch = tuple(x.contiguous(memory_format=torch.channels_last) for x in (a, b))
        return stepper(batch, next(steps), plan.training.lr)

    return step


def textbook(objective: str, size: int, device: torch.device, ngf: int) -> Step:
    return CycleGANStep(device, ngf) if objective == "cyclegan" else Pix2PixStep(device, size, ngf)


def measure(steps: dict[str, Step], size: int, batch: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each step, the contestants taking turns on the same fresh batches."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + WARM_UP):
        a, b = (torch.rand(batch, 3, size, size, device=device) * 2 - 1 for _ in range(2))
        for name, step in steps.items():
            _wait(device)
            began = time.perf_counter()
            step(a, b)
            _wait(device)
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("objective", choices=["cyclegan", "pix2pix"])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", default="", help='one contestant, such as "textbook": prints its peak memory')
    parser.add_argument("--compile", action="store_true", help="on a CPU too")
    asked = parser.parse_args()
    device = pick_device(asked.device)
    ways = ["plain", "recorded", "compiled"] if device.type == "cuda" else ["plain", *["compiled"][: asked.compile]]
    contestants: dict[str, Callable[[], Step]] = {
        "textbook": partial(textbook, asked.objective, asked.size, device, asked.ngf)
    }
    for kind in (torch.float32, torch.bfloat16):
        for how in ways:
            name = f"{str(kind).removeprefix('torch.')} {how}"
            contestants[name] = partial(ours, asked.objective, asked.size, device, kind, asked.ngf, how)
    chosen = {name: make() for name, make in contestants.items() if asked.only in ("", name)}
    if asked.only:
        measure(chosen, asked.size, asked.batch, 1, device)
        print(json.dumps({**vars(asked), "peak_memory_mb": peak_memory(device) / 1e6}))
        return
    medians = measure(chosen, asked.size, asked.batch, asked.rounds, device)
    ratios = {name: medians["textbook"] / seconds for name, seconds in medians.items()}
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    about = {**vars(asked), "device": where, "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps({"about": about, "seconds": medians, "times_faster_than_textbook": ratios}, indent=2))


if __name__ == "__main__":
    main()
