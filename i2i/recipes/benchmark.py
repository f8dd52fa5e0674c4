"""Measure the cost of a training on this machine: run a few of its own steps on random images."""

import logging
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from i2i.device import autocast, is_out_of_memory, resolve_device, resolve_dtype
from i2i.errors import TrainingError
from i2i.networks.weight_gradient import Conv2d
from i2i.recipes import Recipe
from i2i.training.cuda_graphs import CAPTURE_WARMUP_STEPS, MIN_STEPS_TO_COMPILE, GraphedTrainStep, accelerate
from i2i.training.train_step import TrainStep

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """The cost of one training step, and of the whole training."""

    device: str
    precision: str
    threads: int  # of torch on the CPU
    batch_size: int  # images of each domain in a step
    size: int  # side of the images in pixels
    steps: int  # that were timed
    seconds_per_step: float  # median of the timed steps
    images_per_second: float  # of each domain
    peak_memory_mb: float  # on CUDA allocated by torch, else the peak resident size of the process
    tflop_per_step: float  # of convolutions and matrix products, forward and backward
    tflops: float
    conv_tflops: float  # of one large convolution on this device in the same precision, forward and backward
    conv_utilisation: float  # tflops / conv_tflops
    total_steps: int | None  # of the whole training; None if its length depends on a dataset that is not known
    total_hours: float | None

    def to_json(self) -> dict[str, Any]:
        keys = {"images_per_second": "pictures_per_second", "conv_utilisation": "share_of_conv"}
        return {keys.get(name, name): value for name, value in asdict(self).items()}


def benchmark_step(
    recipe: Recipe, epoch_length: int | None, steps: int = 10, time_limit_s: float = math.inf
) -> StepCost:
    """Time the training steps of a recipe, after warm-up, as the trainer runs them.

    Args:
        recipe: the training to measure.
        epoch_length: samples in an epoch; None if the dataset is not known.
        steps: how many steps to time. With several discriminator steps for each generator step, how many such cycles.
        time_limit_s: seconds after which no further step is timed. At least one is, after two that warm up.

    Raises:
        TrainingError: a step does not fit into memory.
    """
    try:
        return _benchmark_step(recipe, epoch_length, steps, time.monotonic() + time_limit_s)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        training = recipe.training
        raise TrainingError(
            f"A step with --batch-size {training.batch_size} and --size {recipe.data.size} does not fit into the "
            f"memory of {training.device}. Lower --batch-size and raise --accumulate by the same factor, add "
            "--checkpoint-activations, or lower --size or the channels of the networks."
        ) from error


def _benchmark_step(recipe: Recipe, epoch_length: int | None, steps: int, end: float) -> StepCost:
    training = recipe.training
    cycles = _Cycles(recipe)
    total_steps = training.steps or (epoch_length and training.total_steps(epoch_length))
    logger.info(
        "timing %s, recipe %s, %d px, batch %d, on %s: 2 steps to warm up, then up to %d",
        recipe.method, recipe.name, recipe.data.size, training.images_per_step, cycles.device, steps * cycles.length,
    )  # fmt: skip
    flop, warmup_seconds = cycles.warm_up()
    cycles.accelerate(total_steps or MIN_STEPS_TO_COMPILE)
    fitting = (end - time.monotonic()) / warmup_seconds
    steps = max(1, min(steps, int(min(fitting, steps))))
    logger.info("warmed up; timing %d, about %.3g seconds", steps * cycles.length, steps * warmup_seconds)
    seconds = _median_seconds(cycles.run, steps, cycles.device) / cycles.length
    if training.max_hours:
        total_steps = max(1, round(3600 * training.max_hours / seconds))
    return _step_cost(recipe, cycles, steps=steps, flop=flop, seconds=seconds, total_steps=total_steps or None)


class _Cycles:
    """Training steps of a recipe on random images, in cycles: the steps in which every player is trained.

    Attributes:
        device: device of the networks.
        dtype: data type of autocast.
        length: steps of a cycle.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.device = resolve_device(recipe.training.device)
        self.dtype = resolve_dtype(recipe.training.precision, self.device)
        method = recipe.build().to(self.device).to(memory_format=torch.channels_last)
        self._train_step: TrainStep | GraphedTrainStep = TrainStep(method, recipe.training, self.device, self.dtype)
        adversarial = getattr(recipe.model, "adversarial", None)
        self.length: int = adversarial.d_steps if adversarial else 1

    def run(self, number: int) -> None:
        """Run the cycle of a number, which decides who is trained in its steps."""
        for step in range(self.length * number, self.length * (number + 1)):
            self._train_step(self._draw_batch(), step, self._recipe.training.lr)

    def warm_up(self) -> tuple[float, float]:
        """Run two cycles. Returns the operations of a step and the seconds of a cycle, both of the second one.

        The first cycle also makes the state of the optimizers.
        """
        _timed(self.run, 0, self.device)
        with FlopCounterMode(display=False) as counter:
            seconds = _timed(self.run, 1, self.device)
        return counter.get_total_flops() / self.length, seconds

    def accelerate(self, total_steps: int) -> None:
        """Compile and capture the step as in a training of ``total_steps``, and warm up again."""
        eager = self._train_step
        assert isinstance(eager, TrainStep)
        self._train_step = accelerate(eager, total_steps)
        if self._train_step is not eager:
            logger.info("compiling and capturing the step, which may take minutes")
            for number in range(2, 4 + CAPTURE_WARMUP_STEPS):
                self.run(number)

    def _draw_batch(self) -> tuple[Tensor, ...]:
        count = self._recipe.training.images_per_step
        batch = (
            torch.rand(count, channels, side, side, device=self.device) * 2 - 1
            for channels, side in self._recipe.input_shapes()
        )
        return tuple(images.contiguous(memory_format=torch.channels_last) for images in batch)


def _step_cost(
    recipe: Recipe, cycles: _Cycles, *, steps: int, flop: float, seconds: float, total_steps: int | None
) -> StepCost:
    """Return the cost of a step of ``flop`` operations that took ``seconds``, the median of ``steps`` cycles."""
    device = cycles.device
    count = recipe.training.images_per_step
    tflops = flop / seconds / 1e12
    conv_tflops = _conv_tflops(device, cycles.dtype)
    return StepCost(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        precision=str(cycles.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        batch_size=count,
        size=recipe.data.size,
        steps=steps,
        seconds_per_step=seconds,
        images_per_second=count / seconds,
        peak_memory_mb=peak_memory_bytes(device) / 1e6,
        tflop_per_step=flop / 1e12,
        tflops=tflops,
        conv_tflops=conv_tflops,
        conv_utilisation=tflops / conv_tflops,
        total_steps=total_steps,
        total_hours=total_steps * seconds / 3600 if total_steps else None,
    )


def _median_seconds(run: Callable[[int], None], repeats: int, device: torch.device) -> float:
    return statistics.median(_timed(run, index + 2, device) for index in range(repeats))


def _timed(run: Callable[[int], None], number: int, device: torch.device) -> float:
    """Return the seconds that ``run(number)`` takes."""
    _synchronize(device)
    start = time.perf_counter()
    run(number)
    _synchronize(device)
    return time.perf_counter() - start


def _conv_tflops(device: torch.device, dtype: torch.dtype) -> float:
    """Return the TFLOP/s of a 3×3 convolution of 256 channels at 64², as in the generator's blocks at 256 px."""
    conv = Conv2d(256, 256, 3, padding=1, bias=False).to(device).to(memory_format=torch.channels_last)
    x = torch.randn(1, 256, 64, 64, device=device).contiguous(memory_format=torch.channels_last).requires_grad_()

    def run(_: int) -> None:
        with autocast(device, dtype):
            y = conv(x)
        y.backward(torch.ones_like(y))

    run(0)
    # 3: forward, and the gradients of input and weights. 2: multiply and add.
    return 3 * 2 * 256 * 256 * 9 * 64 * 64 / _median_seconds(run, 5, device) / 1e12


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_bytes(device: torch.device) -> float:
    """Return the peak memory: on CUDA allocated by torch, else the peak resident size of this process."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes on macOS and KiB elsewhere
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
