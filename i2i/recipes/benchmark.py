"""What a training will cost on this machine: measured in a few of its own steps, on made-up pictures."""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from i2i.device import autocast, pick_device, pick_precision
from i2i.recipes import Recipe
from i2i.training.cuda_graphs import LONG, WARM, ReplayStepper, fastest
from i2i.training.train_step import Stepper


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one training step: medians over ``steps`` timed ones."""

    device: str
    precision: str
    threads: int  # that torch computes with on the CPU
    batch_size: int
    size: int  # pixels a side
    steps: int
    seconds_per_step: float
    pictures_per_second: float  # of each domain
    peak_memory_mb: float  # on CUDA what torch allocated there, on a CPU the process at its largest
    tflop_per_step: float  # of convolutions and matrix products, forward and backward
    tflops: float
    conv_tflops: float  # what one large convolution reaches here, forward and backward, same precision
    share_of_conv: float
    total_steps: int | None  # of the whole training; None where its length depends on unknown data
    total_hours: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def bench(
    plan: Recipe, epoch_length: int | None, steps: int = 10, tell: Callable[[str], None] = lambda text: None
) -> Cost:
    """Time ``steps`` steps of a plan, as a training plays them, after some that warm up.

    epoch_length: samples of its data, where known. tell: is given the reason where a step cannot be made fast.
    """
    device = pick_device(plan.training.device)
    dtype = pick_precision(plan.training.precision, device)
    objective = plan.build().to(device).to(memory_format=torch.channels_last)
    plain = Stepper(objective, plan.training, device, dtype)
    known = plan.training.steps or (epoch_length and plan.training.total_steps(epoch_length))
    stepper: Stepper | ReplayStepper = plain
    count, size = plan.training.batch_size, plan.data.size

    def play(step: int) -> None:
        batch = tuple(torch.rand(count, c, side, side, device=device) * 2 - 1 for c, side in plan.shapes())
        stepper(tuple(x.contiguous(memory_format=torch.channels_last) for x in batch), step, plan.training.lr)

    adversarial = getattr(plan.model, "adversarial", None)
    cycle = adversarial.critic_steps if adversarial else 1  # steps after which every player has moved

    def play_cycle(number: int) -> None:
        for step in range(cycle * number, cycle * (number + 1)):
            play(step)

    play_cycle(0)
    with FlopCounterMode(display=False) as counter:
        play_cycle(1)
    stepper = fastest(plain, known or LONG, tell)
    if stepper is not plain:
        for number in range(2, 4 + WARM):
            play_cycle(number)
    seconds, flops = _median(play_cycle, steps, device) / cycle, counter.get_total_flops() / cycle
    if plan.training.hours:
        known = max(1, round(3600 * plan.training.hours / seconds))
    rate, conv = flops / seconds / 1e12, _conv_rate(device, dtype)
    return Cost(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        precision=str(dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        batch_size=count,
        size=size,
        steps=steps,
        seconds_per_step=seconds,
        pictures_per_second=count / seconds,
        peak_memory_mb=peak_memory(device) / 1e6,
        tflop_per_step=flops / 1e12,
        tflops=rate,
        conv_tflops=conv,
        share_of_conv=rate / conv,
        total_steps=known or None,
        total_hours=known * seconds / 3600 if known else None,
    )


def _median(play: Callable[[int], None], rounds: int, device: torch.device) -> float:
    times = []
    for index in range(rounds):
        _wait(device)
        began = time.perf_counter()
        play(index + 2)
        _wait(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _conv_rate(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of a 3×3 convolution of 256 channels at 64², that of the generator's blocks at 256 px."""
    conv = nn.Conv2d(256, 256, 3, padding=1, bias=False).to(device).to(memory_format=torch.channels_last)
    x = torch.randn(1, 256, 64, 64, device=device).contiguous(memory_format=torch.channels_last).requires_grad_()

    def play(_: int) -> None:
        with autocast(device, dtype):
            y = conv(x)
        y.backward(torch.ones_like(y))

    play(0)
    return 3 * 2 * 256 * 256 * 9 * 64 * 64 / _median(play, 5, device) / 1e12


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> float:
    """Bytes: on CUDA what torch has had allocated at most, elsewhere this process at its largest."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes there, KiB elsewhere
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
