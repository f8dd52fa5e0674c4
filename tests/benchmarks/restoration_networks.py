"""Compare networks for denoising: restored dB and the processor time of a megapixel, after equally long trainings.

python -m tests.benchmarks.restoration_networks "network=restorer;width=48" "network=compact;width=32" \
    --data FOLDER --steps 3000 --out FOLDER

Each network learns, from the photos of --data, to remove Gaussian noise of σ 0 to 50 that is neither clipped nor
rounded: the recipe ``regression fast``, 8 crops of 128×128 pixels a step. It is measured on Kodak24 by the published
protocol of ``tests.benchmarks.restoration``, in the precision that the device picks. The time of a megapixel is the
processor time of a forward pass on 1024×1024 pixels, the median of 5; set OMP_NUM_THREADS=1. The folder ``--out`` gets
results.jsonl with a row for each network (a second call continues it) and table.md.
"""

import argparse
import json
import logging
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from i2i.device import autocast
from i2i.inference.loading import load
from i2i.inference.translator import Translator
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.benchmarks.recipes import parse_overrides, read_rows
from tests.benchmarks.restoration import load_set, measure, network_method

SIGMAS = (15, 25, 50)


def train(generator: str, args: argparse.Namespace, run: str) -> None:
    """Train a generator, or go on with its training."""
    overrides: dict[str, Any] = {
        "data": {
            "data": str(args.data), "size": 128,
            "task": {"task": "denoise", "noise": "gaussian", "quantize": False},
        },
        "model": {"generator": parse_overrides(generator.split(";"))},
        "training": {"steps": args.steps, "batch_size": 8, "workers": 0, "sample_every": args.steps},
    }  # fmt: skip
    if (Path("checkpoints") / run / "config.json").exists():
        launch.resume_training("regression", "fast", {}, run, TrainingProgress()).train()
    else:
        launch.new_training("regression", "fast", overrides, run, TrainingProgress()).train()


@torch.inference_mode()
def seconds_per_megapixel(translator: Translator) -> float:
    """Return the processor seconds of a forward pass on 1024×1024 pixels, the median of 5, for 10⁶ pixels."""
    image = torch.rand(1, 3, 1024, 1024).mul(2).sub(1).contiguous(memory_format=torch.channels_last)
    times = []
    with autocast(translator.device, translator.dtype):
        for _ in range(6):
            start = time.process_time()
            translator.network(image)
            times.append(time.process_time() - start)
    return statistics.median(times[1:]) / 1.024**2


def train_and_measure(generator: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the row of results.jsonl of a generator."""
    run = generator.replace("=", "-").replace(";", "-")
    start = time.process_time()
    train(generator, args, run)
    minutes = (time.process_time() - start) / 60
    translator = load(run, device="cpu")
    weights = sum(parameter.numel() for parameter in translator.network.parameters())
    seconds = seconds_per_megapixel(translator)
    images = load_set("kodak24", 0)
    ratios = [measure(network_method(translator), images, "published", sigma, 92)["psnr"] for sigma in SIGMAS]
    return {"generator": generator, "steps": args.steps, "weights": weights, "minutes": round(minutes, 1),
            "seconds": round(seconds, 3), "precision": str(translator.dtype), "psnr": ratios}  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table, the fastest network first."""
    lines = ["| generator | weights | s/megapixel | PSNR in dB, σ 15 / 25 / 50 | minutes of training |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in sorted(rows, key=lambda row: row["seconds"]):
        ratios = " / ".join(f"{ratio:.2f}" for ratio in row["psnr"])
        lines.append(
            f"| {row['generator']} | {row['weights']:,} | {row['seconds']:.2f} | {ratios} | {row['minutes']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generators", nargs="+")
    parser.add_argument("--data", type=Path, required=True, help="folder of training photos")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=Path("compared"))
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s")
    args.data, args.out = args.data.resolve(), args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    os.chdir(args.out)
    results = args.out / "results.jsonl"
    for generator in args.generators:
        if not any((row["generator"], row["steps"]) == (generator, args.steps) for row in read_rows(results)):
            with results.open("a") as file:
                file.write(json.dumps(train_and_measure(generator, args)) + "\n")
    (args.out / "table.md").write_text(table(read_rows(results)))
    print((args.out / "table.md").read_text())


if __name__ == "__main__":
    main()
