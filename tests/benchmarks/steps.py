"""Compare training steps of i2i with the textbook: median seconds per step, interleaved in one run, on fresh batches.

python -m tests.benchmarks.steps cyclegan --size 128 --rounds 9
"""

import argparse
import json
import logging
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from i2i.device import cpu_has_fast_bfloat16, resolve_device
from i2i.recipes import find_recipe
from i2i.recipes.benchmark import peak_memory_bytes
from i2i.training.cuda_graphs import CAPTURE_WARMUP_STEPS, CudaGraphBackend, GraphedTrainStep
from i2i.training.train_step import TrainStep
from tests.benchmarks.textbook import CycleGANStep, Pix2PixStep

WARMUP_ROUNDS = CAPTURE_WARMUP_STEPS + 2  # the first compiles; a CUDA graph is captured after CAPTURE_WARMUP_STEPS
Step = Callable[[Tensor, Tensor], object]


def i2i_step(method: str, size: int, device: torch.device, dtype: torch.dtype, ngf: int, mode: str) -> Step:
    """Return a training step of i2i.

    Args:
        method: "cyclegan" or "pix2pix".
        size: side of the images in pixels.
        device: the device to train on.
        dtype: the precision.
        ngf: channels of the first layers.
        mode: "plain", "recorded" (a CUDA graph), or "compiled" (on CUDA also a CUDA graph).
    """
    model = {"generator": {"ngf": ngf}, "discriminator": {"ndf": ngf}}
    recipe = find_recipe(method, "paper").with_overrides({"data": {"size": size}, "model": model})
    networks = recipe.build().to(device).to(memory_format=torch.channels_last)
    plain = TrainStep(networks, recipe.training, device, dtype)
    train_step: TrainStep | GraphedTrainStep = plain
    if mode != "plain":
        backend = CudaGraphBackend(device) if device.type == "cuda" else None
        train_step = GraphedTrainStep(plain, compiled=mode == "compiled", backend=backend)
    steps = iter(range(10**9))

    def step(a: Tensor, b: Tensor) -> object:
        batch = tuple(x.contiguous(memory_format=torch.channels_last) for x in (a, b))
        return train_step(batch, next(steps), recipe.training.lr)

    return step


def textbook_step(method: str, size: int, device: torch.device, ngf: int) -> Step:
    return CycleGANStep(device, ngf) if method == "cyclegan" else Pix2PixStep(device, size, ngf)


def measure(steps: dict[str, Step], size: int, batch: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Return the median seconds of each step. The contestants take turns on the same batches."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + WARMUP_ROUNDS):
        a, b = (torch.rand(batch, 3, size, size, device=device) * 2 - 1 for _ in range(2))
        for name, step in steps.items():
            _synchronize(device)
            start = time.perf_counter()
            step(a, b)
            _synchronize(device)
            if turn >= WARMUP_ROUNDS:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=["cyclegan", "pix2pix"])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--only", default="", help='run only this contestant, such as "textbook", and print its peak memory'
    )
    parser.add_argument("--compile", action="store_true", help="time compiled networks too")
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s")  # the messages of i2i, on standard error
    device = resolve_device(args.device)
    modes = ["plain"]
    if device.type == "cuda":
        modes.append("recorded")
    if args.compile:
        modes.append("compiled")
    contestants: dict[str, Callable[[], Step]] = {
        "textbook": partial(textbook_step, args.method, args.size, device, args.ngf)
    }
    dtypes = [torch.float32]
    if device.type != "cpu" or cpu_has_fast_bfloat16() or args.only:
        dtypes.append(torch.bfloat16)  # elsewhere its steps take minutes
    for dtype in dtypes:
        for mode in modes:
            name = f"{str(dtype).removeprefix('torch.')} {mode}"
            contestants[name] = partial(i2i_step, args.method, args.size, device, dtype, args.ngf, mode)
    steps = {name: make_step() for name, make_step in contestants.items() if args.only in ("", name)}
    if args.only:
        measure(steps, args.size, args.batch, 1, device)
        print(json.dumps({**vars(args), "peak_memory_mb": peak_memory_bytes(device) / 1e6}))
        return
    medians = measure(steps, args.size, args.batch, args.rounds, device)
    ratios = {name: medians["textbook"] / seconds for name, seconds in medians.items()}
    device_name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    )
    about = {**vars(args), "device": device_name, "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps({"about": about, "seconds": medians, "times_faster_than_textbook": ratios}, indent=2))


if __name__ == "__main__":
    main()
