"""Time and profile training steps of the recipes on a GPU that nothing else uses. Part of ``cuda_session``.

python -m tests.benchmarks.cuda_speed --modes eager graph
python -m tests.benchmarks.cuda_speed --profile profiles

A row is printed as soon as it is measured. Images are drawn and already on the device.
"""

import argparse
import gc
import logging
import time
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from i2i.device import resolve_device, resolve_dtype
from i2i.recipes import Recipe, find_recipe
from i2i.recipes.benchmark import peak_memory_bytes
from i2i.training.cuda_graphs import CAPTURE_WARMUP_STEPS
from i2i.training.train_step import TrainStep
from tests.benchmarks.cuda_step_checks import report, run_steps, synthetic_batches, wait

MODES = {"eager": (False, False), "graph": (False, True), "compiled": (True, True)}  # compiles, captures a CUDA graph
DENOISE: dict[str, Any] = {"data": {"task": {"task": "denoise"}}}
ROWS: tuple[tuple[str, str, dict[str, Any]], ...] = (  # method, recipe, overrides
    ("cut", "fast", {}),
    ("cyclegan", "paper", {}),
    ("regression", "fast", DENOISE),
    ("pix2pix", "paper", {}),
    ("cyclegan", "fast", {"data": {"size": 256}}),
    ("cut", "fast", {"training": {"batch_size": 8}}),
)
PROFILED = ROWS[:2]
PROFILED_STEPS = 3
KERNELS = 30


def measure_speed(modes: list[str], device: torch.device, timed: int, rehearse: bool) -> None:
    """Report milliseconds of a step and the peak memory in MB, of each recipe in each mode."""
    dtype = resolve_dtype("auto", device)
    for mode in modes:
        for row in ROWS[2:3] if rehearse else ROWS:
            values: dict[str, Any] = {"name": f"{row[0]}:{row[1]}", "mode": mode}
            start = time.perf_counter()
            try:
                recipe = _recipe(row, rehearse)
                values["batch"] = recipe.training.batch_size
                _release_memory(device)
                _, seconds = run_steps(recipe, device, dtype, *MODES[mode], timed)
                assert seconds is not None
                memory = round(peak_memory_bytes(device) / 1e6)
                report(**values, ms=round(1000 * seconds, 3), memory_mb=memory, precision=str(dtype), timed=timed,
                       seconds=round(time.perf_counter() - start, 1))  # fmt: skip
            except Exception as error:  # one recipe that fails must not hide the others
                logging.exception("%s failed", values["name"])
                report(**values, error=f"{type(error).__name__}: {error}"[:500])


def _recipe(row: tuple[str, str, dict[str, Any]], rehearse: bool) -> Recipe:
    method, name, overrides = row
    if rehearse:
        return find_recipe(method, "tiny").with_overrides({"data": {"size": 32}})
    return find_recipe(method, name).with_overrides(overrides)


def _release_memory(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def profile_steps(folder: Path, device: torch.device, rehearse: bool) -> None:
    """Write the most expensive kernels of eager steps to ``folder/METHOD-RECIPE.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in PROFILED:
        name = f"{row[0]}-{row[1]}"
        try:
            (folder / f"{name}.txt").write_text(_profile(_recipe(row, rehearse), device))
            report(name=name, profile=f"{name}.txt")
        except Exception as error:
            logging.exception("the profile of %s failed", name)
            report(name=name, error=f"{type(error).__name__}: {error}"[:500])


def _profile(recipe: Recipe, device: torch.device) -> str:
    """Return the operations with most time on the device, by name and by name and shapes of the inputs, as tables."""
    on_gpu = device.type == "cuda"
    method = recipe.build().to(device).to(memory_format=torch.channels_last)
    step = TrainStep(method, recipe.training, device, resolve_dtype("auto", device))
    step.reset_counters(0)
    batches = synthetic_batches(recipe, device)
    for index in range(CAPTURE_WARMUP_STEPS):
        step(next(batches), index, recipe.training.lr)
    images = [next(batches) for _ in range(PROFILED_STEPS)]
    wait(device)
    start = time.perf_counter()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, record_shapes=True) as profiler:
        for index, batch in enumerate(images):
            step(batch, CAPTURE_WARMUP_STEPS + index, recipe.training.lr)
        wait(device)
    seconds = time.perf_counter() - start
    order = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    tables = [
        profiler.key_averages(group_by_input_shape=by_shape).table(
            sort_by=order, row_limit=KERNELS, max_name_column_width=100, max_shapes_column_width=120
        )
        for by_shape in (False, True)
    ]
    about = f"{PROFILED_STEPS} eager steps of {recipe.method}, batch {recipe.training.batch_size}, on {device}: "
    return "\n".join([f"{about}{seconds:.3f} s with the profiler, torch {torch.__version__}", *tables])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=[], help="modes of the steps to time")
    parser.add_argument("--timed", type=int, default=30, help="steps to time; the median is reported")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="profile eager steps, and write the tables there"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rehearse", action="store_true", help="tiny networks, for a CPU")
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s")  # the messages of i2i, on standard error
    device = resolve_device(args.device)
    measure_speed(args.modes, device, 1 if args.rehearse else args.timed, args.rehearse)
    if args.profile:
        profile_steps(args.profile, device, args.rehearse)


if __name__ == "__main__":
    main()
