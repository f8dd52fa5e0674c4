"""Compare recipes at equal cost: train each for the same time, and measure KID of its translated test images.

python -m tests.benchmarks.recipes cyclegan:paper cyclegan:fast --data horse2zebra --minutes 15 --seeds 2
python -m tests.benchmarks.recipes pix2pix:paper pix2pix:fast --data facades --direction BtoA --minutes 15
python -m tests.benchmarks.recipes cyclegan:paper cut:paper cut:fastcut --data horse2zebra --minutes 60

A contestant is method:recipe, then settings after semicolons: "cyclegan:paper;model.generator.ngf=32;training.lr=4e-4".
The time is processor time on a CPU (set OMP_NUM_THREADS=1), else wall-clock time. The folder ``--out`` gets
results.jsonl with a row for each training (a second call continues it), table.md, and a grid of images.
"""

import argparse
import hashlib
import json
import logging
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from i2i.checkpoints.log import read_log
from i2i.data.layout import detect_layout, find_dataset
from i2i.data.resize import load_item
from i2i.device import resolve_device, resolve_dtype
from i2i.images import labelled_grid
from i2i.inference.loading import load
from i2i.metrics import Estimate, Inception, fid, kid_interval
from i2i.recipes import Recipe, find_recipe, launch
from i2i.recipes.benchmark import peak_memory_bytes
from i2i.training.progress import TrainingProgress
from i2i.training.train_step import TrainStep
from tests.benchmarks.background import measure_folder

NUM_SHOWN = 6  # test images in the grid


def parse_overrides(settings: list[str]) -> dict[str, Any]:
    """Return settings such as ``["model.generator.ngf=32"]`` as the overrides of a recipe."""
    overrides: dict[str, Any] = {}
    for setting in settings:
        path, _, value = setting.partition("=")
        *sections, name = path.split(".")
        table = overrides
        for section in sections:
            table = table.setdefault(section, {})
        try:
            table[name] = json.loads(value)
        except json.JSONDecodeError:
            table[name] = value
    return overrides


def merge_overrides(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Return the union of two overrides; ``b`` takes precedence."""
    return a | {
        key: merge_overrides(a[key], value) if isinstance(value, dict) and key in a else value
        for key, value in b.items()
    }


def seconds_per_step(recipe: Recipe, device: torch.device, steps: int = 6) -> float:
    """Return the mean seconds of a training step, measured on random images."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    torch.manual_seed(0)
    dtype = resolve_dtype(recipe.training.precision, device)
    method = recipe.build().to(device).to(memory_format=torch.channels_last)
    train_step = TrainStep(method, recipe.training, device, dtype)
    times = []
    for step in range(steps + 2):
        batch = tuple(
            torch.rand(recipe.training.batch_size, channels, size, size, device=device)
            .mul(2).sub(1).contiguous(memory_format=torch.channels_last)
            for channels, size in recipe.input_shapes()
        )  # fmt: skip
        start = clock()
        for loss in train_step(batch, step, recipe.training.lr).values():
            float(loss)
        times.append(clock() - start)
    return statistics.mean(times[2:])


def load_test_images(recipe: Recipe, root: Path, direction: str) -> tuple[list[Image.Image], list[Image.Image]]:
    """Return the test images at the training size: the images to translate, and those of the target domain."""
    layout = detect_layout(root)
    domains = layout.splits["test" if "test" in layout.splits else "val"]
    items = [[load_item(item, layout.kind) for item in domain] for domain in domains]
    if layout.kind == "paired":
        images_a, images_b = ([pair[side] for pair in items[0]] for side in (0, 1))
    else:
        images_a, images_b = ([image for (image,) in domain] for domain in items)
    size = (recipe.data.size, recipe.data.size)
    a = [image.resize(size, Image.Resampling.BICUBIC) for image in images_a]
    b = [image.resize(size, Image.Resampling.BICUBIC) for image in images_b]
    return (a, b) if direction == "AtoB" else (b, a)


def build_recipe(contestant: str, args: argparse.Namespace, root: Path) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe of a contestant, and its overrides."""
    name, *settings = contestant.split(";")
    method, _, recipe_name = name.partition(":")
    base = find_recipe(method, recipe_name)
    overrides: dict[str, Any] = {"data": {"data": str(root), "size": args.size}, "training": {"device": args.device}}
    if hasattr(base.data, "direction"):
        overrides["data"]["direction"] = args.direction
    overrides = merge_overrides(overrides, parse_overrides(settings))
    return base.with_overrides(overrides), overrides


def train(contestant: str, seed: int, args: argparse.Namespace, root: Path, run: str) -> dict[str, Any]:
    """Train a contestant for the given time. Returns the cost and the alarms."""
    device = resolve_device(args.device)
    recipe, overrides = build_recipe(contestant, args, root)
    seconds = seconds_per_step(recipe, device)
    steps = max(1, round(args.minutes * 60 / seconds))
    length = {"steps": steps, "seed": seed, "sample_every": max(1, steps // 4), "save_every_minutes": 1e6}
    overrides = merge_overrides(overrides, {"training": length})
    trainer = launch.new_training(recipe.method, recipe.name, overrides, run, TrainingProgress())
    processor_start = time.process_time()
    clock_start = time.perf_counter()
    trainer.train()
    processor_minutes = (time.process_time() - processor_start) / 60
    clock_minutes = (time.perf_counter() - clock_start) / 60
    return {
        "steps": steps, "seconds_a_step": seconds,
        "minutes": processor_minutes if device.type == "cpu" else clock_minutes,
        "clock_minutes": clock_minutes,
        "peak_memory_mb": peak_memory_bytes(device) / 1e6,
        "alarms": [row["message"] for row in read_log(trainer.run.path) if "alarm" in row],
    }  # fmt: skip


def estimate_to_list(estimate: Estimate) -> list[float | None]:
    """Return the value and the ends of its interval, which are None with too few images for one."""
    ends = estimate.interval or (None, None)
    return [round(estimate.value, 4), *(None if end is None else round(end, 4) for end in ends)]


def format_kid(kid: list[float | None]) -> str:
    value, low, high = kid
    return f"{value:.4f} (–)" if low is None else f"{value:.4f} ({low:.4f} to {high:.4f})"


def train_and_measure(contestant: str, seed: int, args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Train and measure a contestant, and save its translated images. Returns its row of results.jsonl."""
    digest = hashlib.sha256(contestant.encode()).hexdigest()[:8]
    run = f"{contestant.split(';')[0].replace(':', '-')}-{digest}-{seed}"
    recipe, _ = build_recipe(contestant, args, root)
    row = {"contestant": contestant, "seed": seed, **train(contestant, seed, args, root, run)}
    sources, targets = load_test_images(recipe, root, args.direction)
    translated = load(run, args.direction, device=args.device).translate(sources)
    folder = args.out / run
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(translated):
        image.save(folder / f"{index:04}.png")
    network = Inception(args.device)
    generated = network.features(translated)
    real = network.features(targets)
    inputs = network.features(sources)
    return {
        **row, "pictures": run, "kid": estimate_to_list(kid_interval(generated, real)),
        "fid": round(fid(generated, real), 2),
        "kid_of_the_input": estimate_to_list(kid_interval(inputs, real)),
        **change_in_grey_levels(folder, root, args.direction),
    }  # fmt: skip


def change_in_grey_levels(translated: Path, root: Path, direction: str) -> dict[str, float]:
    """Return how much horses and the ground around them changed; empty for other data."""
    if root.name != "horse2zebra" or direction != "AtoB":
        return {}
    changes = measure_folder(translated, root / "testA").values()
    return {
        "animal_change": round(statistics.mean(change.animal for change in changes), 1),
        "ground_change": round(statistics.mean(change.ground for change in changes), 1),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table with a line for each training."""
    lines = ["| contestant | seed | KID (95 %) | FID | animal, ground | minutes | steps | s/step | MB | alarms |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in sorted(rows, key=lambda row: row["kid"][0]):
        lines.append(
            f"| {row['contestant']} | {row['seed']} | {format_kid(row['kid'])} | {row['fid']:.1f} "
            f"| {row.get('animal_change', '')}, {row.get('ground_change', '')} "
            f"| {row['minutes']:.1f} | {row['steps']} | {row['seconds_a_step']:.2f} | {row['peak_memory_mb']:.0f} "
            f"| {'; '.join(row['alarms'])} |"
        )
    lines.append(f"| unchanged input | | {format_kid(rows[0]['kid_of_the_input'])} | | | | | | | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--direction", default="AtoB", choices=["AtoB", "BtoA"], help="direction that is measured")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("compared"))
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s")  # the messages of i2i, on standard error
    root = find_dataset(args.data)
    if root is None:
        parser.error(f"no dataset {args.data}")
    root = root.resolve()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    os.chdir(args.out)
    results = args.out / "results.jsonl"
    for seed in range(args.seeds):
        for contestant in args.contestants:
            rows = read_rows(results)
            if not any((row["contestant"], row["seed"]) == (contestant, seed) for row in rows):
                with results.open("a") as file:
                    file.write(json.dumps(train_and_measure(contestant, seed, args, root)) + "\n")
    rows = read_rows(results)
    (args.out / "table.md").write_text(table(rows))
    sources, _ = load_test_images(build_recipe(args.contestants[0], args, root)[0], root, args.direction)
    shown_indices = [index * len(sources) // NUM_SHOWN for index in range(NUM_SHOWN)]
    columns = {"input": [np.asarray(sources[index]) for index in shown_indices]}
    for row in (row for row in rows if row["contestant"] in args.contestants and row["seed"] == 0):
        title = f"{row['contestant'][:18]} {row['kid'][0]:.3f}"
        columns[title] = [
            np.asarray(Image.open(args.out / row["pictures"] / f"{index:04}.png")) for index in shown_indices
        ]
    labelled_grid([np.stack(column) for column in columns.values()], list(columns)).save(args.out / "images.png")
    print(table(rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
