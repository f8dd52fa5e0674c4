"""Measure how long a training waits for its checkpoints, and how long they take beside it.

python -m tests.benchmarks.saving --ngf 32 --size 64
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch

from i2i.checkpoints.run import Run
from i2i.data.synthetic import generate
from i2i.diagnostics import nonfinite_names
from i2i.recipes.launch import new_training
from i2i.training.batches import to_device
from i2i.training.checkpointer import Checkpointer
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

MINUTE = 60.0


def small_trainer(ngf: int, size: int) -> Trainer:
    """Return a CycleGAN training on a drawn dataset, in the working directory."""
    generate("stripes", Path("datasets/stripes"), size=size, train=4, test=2)
    model = {"generator": {"ngf": ngf}, "discriminator": {"ndf": ngf}}
    data = {"data": "stripes", "size": size}
    overrides = {"data": data, "model": model, "training": {"steps": 10_000, "device": "cpu", "workers": 0}}
    return new_training("cyclegan", "paper", overrides, "saving", TrainingProgress())


def measure(trainer: Trainer, rounds: int) -> dict[str, float]:
    """Return medians in seconds.

    Of a step; of the check for weights that are not finite, and of the whole wait for a save, by the clock and of the
    processor; of the writing in the thread; and of the steps beside it.
    """
    batch = to_device(trainer.dataset.sample_batch(trainer.config.batch_size), trainer.device)
    seconds: dict[str, list[float]] = {
        name: [] for name in ("step", "check", "wait", "wait, processor", "write", "step beside")
    }

    def step() -> float:
        begin = time.perf_counter()
        trainer._run_step(batch)
        return time.perf_counter() - begin

    write = Checkpointer._write

    def timed_write(checkpointer: Checkpointer, *arguments: object) -> None:
        begin = time.perf_counter()
        write(checkpointer, *arguments)  # type: ignore[arg-type]
        seconds["write"].append(time.perf_counter() - begin)

    Checkpointer._write = timed_write  # type: ignore[assignment,method-assign]
    step()
    for _ in range(rounds):
        seconds["step"] += [step() for _ in range(3)]
        begin = time.thread_time()
        nonfinite_names(trainer.method.state_dict())
        seconds["check"].append(time.thread_time() - begin)
        begin, begin_of_thread = time.perf_counter(), time.thread_time()
        trainer.save_in_background()
        seconds["wait"].append(time.perf_counter() - begin)
        seconds["wait, processor"].append(time.thread_time() - begin_of_thread)
        writing = trainer.checkpointer._writing
        while writing is not None and not writing.done():
            seconds["step beside"].append(step())
        trainer.checkpointer.wait()
    return {name: statistics.median(values) for name, values in seconds.items() if values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ngf", type=int, default=64, help="channels of the first layers")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        trainer = small_trainer(options.ngf, options.size)
        seconds = measure(trainer, options.rounds)
        size = (Run(trainer.run.path).path / "state.pt").stat().st_size
        os.chdir("/")
    figures = {name: round(value, 4) for name, value in seconds.items()}
    share = round(100 * seconds["wait"] / MINUTE, 3)
    print(json.dumps({
        "state": f"{size / 1e6:.0f} MB", "seconds": figures, "percent of a minute": share,
        "torch": torch.__version__, "machine": platform.machine(), "threads": torch.get_num_threads(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
