"""Check a training step on a device: eager, compiled and captured as a CUDA graph. Part of ``cuda_checks``."""

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from i2i.device import resolve_device, resolve_dtype
from i2i.methods.base import Batch, Method
from i2i.recipes import Recipe, find_recipe
from i2i.training.cuda_graphs import CAPTURE_WARMUP_STEPS, CudaGraphBackend, GraphedTrainStep
from i2i.training.seeding import seed_everything
from i2i.training.train_step import TrainStep

STEPS = 2 * CAPTURE_WARMUP_STEPS  # steps whose losses are compared: three before the capture, three replays
TOLERANCES = {"graph": 1e-6, "compiled": 1e-6}  # largest relative difference of a loss to the eager step, in float64
AUGMENTED = {"adversarial": {"augment": "ada"}, "discriminator": {"network": "projected"}}
RECIPES: dict[str, tuple[str, str, dict[str, Any]]] = {  # method, recipe, overrides
    "cyclegan": ("cyclegan", "paper", {}),
    "cut": ("cut", "paper", {}),
    "pix2pix": ("pix2pix", "paper", {}),
    "regression": ("regression", "fast", {"data": {"task": {"task": "denoise"}}}),
    "gan": ("gan", "tiny", {}),
    "cut fast": ("cut", "fast", {}),
    "cut projected ada": ("cut", "fast", {"model": AUGMENTED}),
    "cyclegan diffaugment r1": ("cyclegan", "fast", {"model": {"adversarial": {"augment": "diffaugment", "r1": 1.0}}}),
    "gan wgan rmsprop": ("gan", "wgan", {}),
    "regression colorize": ("regression", "fast", {"data": {"task": {"task": "colorize"}}}),
}
Step = Callable[[Batch, int, float], dict[str, Tensor]]


def report(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def check_steps(args: argparse.Namespace, modes: dict[str, tuple[bool, bool]]) -> None:
    """Compare the first losses with those of eager steps, in float64, and time the steps in the training's precision.

    Float64 because Adam's first step is about lr·sign(gradient): a rounding error that changes the sign of a small
    gradient changes the weights by 2 lr. ``repeat_float32`` is the difference of two eager runs in float32.

    Args:
        args: device and size.
        modes: name → whether it compiles, and whether it captures. Each is compared with eager steps.
    """
    device = resolve_device(args.device)
    fast = resolve_dtype("auto", device)
    names = list(RECIPES)[:5] if "compiled" in modes or args.rehearse else list(RECIPES)
    if args.rehearse and "compiled" in modes:
        names = ["regression"]  # compiling on a CPU takes minutes
    for name in names:
        try:
            recipe = _recipe(name, args)
            expected, _ = run_steps(recipe, device, torch.float64, False, False, 0)
            first, repeated = (run_steps(recipe, device, torch.float32, False, False, 0)[0] for _ in range(2))
            _, eager_seconds = run_steps(recipe, device, fast, False, False, args.timed)
            report(name=name, mode="eager", precision=str(fast), seconds_per_step=eager_seconds, losses=expected[0],
                   repeat_float32=_largest_difference(repeated, first),
                   float32_from_float64=_largest_difference(first, expected))  # fmt: skip
            for mode, (compiled, captured) in modes.items():
                losses, _ = run_steps(recipe, device, torch.float64, compiled, captured, 0)
                _, seconds = run_steps(recipe, device, fast, compiled, captured, args.timed)
                per_step = [_relative_difference(*pair) for pair in zip(losses, expected, strict=True)]
                tolerance = TOLERANCES["compiled" if compiled else "graph"]
                report(name=name, mode=mode, relative_differences=per_step, tolerance=tolerance,
                       equal=max(per_step) <= tolerance, seconds_per_step=seconds)  # fmt: skip
        except Exception as error:  # one method that fails must not hide the others
            logging.exception("%s failed", name)
            report(name=name, error=f"{type(error).__name__}: {error}"[:500])


def _recipe(name: str, args: argparse.Namespace) -> Recipe:
    method, recipe_name, overrides = RECIPES[name]
    if args.rehearse:
        recipe_name = "tiny"
    recipe = find_recipe(method, recipe_name)
    size = min(args.size, 64) if method == "gan" else args.size
    training = {"batch_size": 2} if args.rehearse else {}
    return recipe.with_overrides({"data": {"size": size}, "training": training}).with_overrides(overrides)


def run_steps(
    recipe: Recipe, device: torch.device, dtype: torch.dtype, compiled: bool, captured: bool, timed: int
) -> tuple[list[dict[str, float]], float | None]:
    """Run STEPS steps from fixed seeds, then ``timed`` more. Return the losses of the first, and seconds per step."""
    seed_everything(0)
    numbers = torch.float64 if dtype == torch.float64 else torch.float32
    method = recipe.build().to(device, numbers).to(memory_format=torch.channels_last)
    plain = TrainStep(method, recipe.training, device, dtype)
    plain.reset_counters(0)
    step: Step = plain
    if compiled or captured:
        backend = CudaGraphBackend(device) if captured and device.type == "cuda" else None
        step = graphed = GraphedTrainStep(plain, compiled=compiled, backend=backend)
    seed_everything(1)
    batches = synthetic_batches(recipe, device, numbers)
    losses = [_floats(step(next(batches), index, recipe.training.lr)) for index in range(STEPS)]
    seconds = []
    for index in range(STEPS, STEPS + timed):
        batch = next(batches)
        wait(device)
        start = time.perf_counter()
        step(batch, index, recipe.training.lr)
        wait(device)
        seconds.append(time.perf_counter() - start)
    if captured and device.type == "cuda" and graphed.backend is None:
        report(name=recipe.method, warning="the step was not captured; see session.log")
    return losses, statistics.median(seconds) if seconds else None


def synthetic_batches(recipe: Recipe, device: torch.device, dtype: torch.dtype = torch.float32) -> Iterator[Batch]:
    """Yield random batches, the same on every device."""
    rng = torch.Generator().manual_seed(2)
    while True:
        batch = (
            torch.rand(recipe.training.batch_size, channels, side, side, generator=rng) * 2 - 1
            for channels, side in recipe.input_shapes()
        )
        yield tuple(images.to(device, dtype).contiguous(memory_format=torch.channels_last) for images in batch)


def _floats(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(loss) for name, loss in losses.items()}


def _relative_difference(losses: dict[str, float], expected: dict[str, float]) -> float:
    assert losses.keys() == expected.keys()
    return max(abs(losses[name] - value) / max(abs(value), 1e-3) for name, value in expected.items())


def _largest_difference(losses: list[dict[str, float]], expected: list[dict[str, float]]) -> float:
    return max(map(_relative_difference, losses, expected))


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def check_failed_capture(args: argparse.Namespace) -> None:
    """Check that steps that draw random numbers continue after a capture that failed."""
    device = resolve_device(args.device)
    if device.type != "cuda":
        return
    recipe = find_recipe("gan", "tiny")
    method: Method = recipe.build().to(device)
    turns = method.turns

    def reading_turns(batch: Batch, step: int) -> Iterator[Any]:
        for turn in turns(batch, step):
            yield turn
            float(next(iter(turn[1].values())))

    method.turns = reading_turns  # type: ignore[method-assign]
    plain = TrainStep(method, recipe.training, device, torch.float32)
    plain.reset_counters(0)
    step = GraphedTrainStep(plain, compiled=False, backend=CudaGraphBackend(device))
    batches = synthetic_batches(recipe, device)
    losses = [_floats(step(next(batches), index, 1e-4)) for index in range(STEPS)]
    continues = bool(np.isfinite(list(losses[-1].values())).all())
    report(name="failed capture", continues=continues, captured=step.backend is not None)
