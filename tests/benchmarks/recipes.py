"""Recipes at equal cost: each trains for as long, then its translations of the test pictures are measured by KID.

python -m tests.benchmarks.recipes cyclegan:paper cyclegan:fast --data horse2zebra --minutes 15 --seeds 2
python -m tests.benchmarks.recipes pix2pix:paper pix2pix:fast --data facades --direction BtoA --minutes 15
python -m tests.benchmarks.recipes cyclegan:paper cut:paper cut:fastcut --data horse2zebra --minutes 60

A contestant is objective:recipe, and after commas any settings: cyclegan:paper,model.generator.ngf=32,training.lr=4e-4.
What counts is processor time on a CPU (give OMP_NUM_THREADS=1), else time on the clock. ``--out`` gets a row for each
training in results.jsonl, which a second call goes on from, the table.md made of them, and pictures side by side.
"""

import argparse
import hashlib
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from i2i.checkpoints.log import read_log
from i2i.data.layout import layout, locate
from i2i.data.resize import opened
from i2i.device import pick_device, pick_precision
from i2i.images import sheet
from i2i.inference.translator import load
from i2i.metrics import Estimate, Inception, fid, kid_interval
from i2i.recipes import Recipe, launch, recipe
from i2i.recipes.benchmark import peak_memory
from i2i.training.progress import TrainingProgress
from i2i.training.train_step import Stepper

SHOWN = 6  # test pictures side by side


def changes(words: list[str]) -> dict[str, Any]:
    """``["model.generator.ngf=32"]`` as a recipe is changed by it."""
    found: dict[str, Any] = {}
    for word in words:
        path, _, value = word.partition("=")
        *sections, last = path.split(".")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
        try:
            place[last] = json.loads(value)
        except json.JSONDecodeError:
            place[last] = value
    return found


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two sets of changes as one."""
    return one | {
        key: joined(one[key], value) if isinstance(value, dict) and key in one else value
        for key, value in other.items()
    }


def seconds_a_step(plan: Recipe, device: torch.device, steps: int = 6) -> float:
    """Of training, measured on made-up pictures."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    torch.manual_seed(0)
    stepper = Stepper(plan.build().to(device).to(memory_format=torch.channels_last), plan.training, device,
                      pick_precision(plan.training.precision, device))  # fmt: skip
    times = []
    for step in range(steps + 2):
        batch = tuple(
            torch.rand(plan.training.batch_size, channels, size, size, device=device)
            .mul(2).sub(1).contiguous(memory_format=torch.channels_last)
            for channels, size in plan.shapes()
        )  # fmt: skip
        began = clock()
        for loss in stepper(batch, step, plan.training.lr).values():
            float(loss)
        times.append(clock() - began)
    return statistics.mean(times[2:])


def shown_and_wanted(plan: Recipe, root: Path, direction: str) -> tuple[list[Image.Image], list[Image.Image]]:
    """The test pictures at the training's size: those that are translated, and what translations are to look like."""
    found = layout(root)
    domains = found.splits["test" if "test" in found.splits else "val"]
    opening = [[opened(item, found.kind) for item in domain] for domain in domains]
    if found.kind == "paired":
        sides = [[pair[side] for pair in opening[0]] for side in (0, 1)]
    else:
        sides = [[picture for (picture,) in domain] for domain in opening]
    small = [[picture.resize((plan.data.size,) * 2, Image.Resampling.BICUBIC) for picture in side] for side in sides]
    return (small[0], small[1]) if direction == "AtoB" else (small[1], small[0])


def plan_of(contestant: str, asked: argparse.Namespace, root: Path) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a contestant, and what is changed of it."""
    (method, _, row), words = contestant.split(",")[0].partition(":"), contestant.split(",")[1:]
    base = recipe(method, row)
    given: dict[str, Any] = {"data": {"data": str(root), "size": asked.size}, "training": {"device": asked.device}}
    if hasattr(base.data, "direction"):
        given["data"]["direction"] = asked.direction
    given = joined(given, changes(words))
    return base.merged(given), given


def train(contestant: str, seed: int, asked: argparse.Namespace, root: Path, run: str) -> dict[str, Any]:
    """One training within its share of time, and what it cost."""
    device = pick_device(asked.device)
    plan, given = plan_of(contestant, asked, root)
    seconds = seconds_a_step(plan, device)
    steps = max(1, round(asked.minutes * 60 / seconds))
    course = {"steps": steps, "seed": seed, "sample_every": max(1, steps // 4), "save_minutes": 1e6}
    changed = joined(given, {"training": course})
    trainer = launch.start(plan.objective, plan.name, changed, run, TrainingProgress())
    began = time.process_time(), time.perf_counter()
    trainer.train()
    spent = [(now - then) / 60 for now, then in zip((time.process_time(), time.perf_counter()), began, strict=True)]
    return {
        "steps": steps, "seconds_a_step": seconds, "minutes": spent[device.type != "cpu"], "clock_minutes": spent[1],
        "peak_memory_mb": peak_memory(device) / 1e6,
        "alarms": [row["sentence"] for row in read_log(trainer.run.path) if "alarm" in row],
    }  # fmt: skip


def estimate(found: Estimate) -> list[float]:
    return [round(number, 4) for number in (found.value, found.low, found.high)]


def once(contestant: str, seed: int, asked: argparse.Namespace, root: Path) -> dict[str, Any]:
    """A row of results.jsonl; its translations go to a folder of their own."""
    digest = hashlib.sha256(contestant.encode()).hexdigest()[:8]
    run = f"{contestant.split(',')[0].replace(':', '-')}-{digest}-{seed}"
    plan, _ = plan_of(contestant, asked, root)
    row = {"contestant": contestant, "seed": seed, **train(contestant, seed, asked, root, run)}
    sources, targets = shown_and_wanted(plan, root, asked.direction)
    translated = load(run, asked.direction, device=asked.device).translate(sources)
    folder = asked.out / run
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(translated):
        image.save(folder / f"{index:04}.png")
    network = Inception(asked.device)
    made, real, untouched = (network.features(some) for some in (translated, targets, sources))
    return {
        **row, "pictures": run, "kid": estimate(kid_interval(made, real)), "fid": round(fid(made, real), 2),
        "kid_of_the_input": estimate(kid_interval(untouched, real)),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown, a line a training."""
    lines = ["| contestant | seed | KID (95 %) | FID | minutes | steps | s/step | MB | alarms |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in sorted(rows, key=lambda row: row["kid"][0]):
        value, low, high = row["kid"]
        lines.append(
            f"| {row['contestant']} | {row['seed']} | {value:.4f} ({low:.4f} to {high:.4f}) | {row['fid']:.1f} "
            f"| {row['minutes']:.1f} | {row['steps']} | {row['seconds_a_step']:.2f} | {row['peak_memory_mb']:.0f} "
            f"| {'; '.join(row['alarms'])} |"
        )
    value, low, high = rows[0]["kid_of_the_input"]
    lines.append(f"| the input, left alone | | {value:.4f} ({low:.4f} to {high:.4f}) | | | | | | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--direction", default="AtoB", choices=["AtoB", "BtoA"], help="that is measured")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("compared"))
    asked = parser.parse_args()
    root = locate(asked.data)
    if root is None:
        parser.error(f"no dataset {asked.data}")
    root, asked.out = root.resolve(), asked.out.resolve()
    asked.out.mkdir(parents=True, exist_ok=True)
    os.chdir(asked.out)
    results = asked.out / "results.jsonl"
    for seed in range(asked.seeds):
        for contestant in asked.contestants:
            rows = read_rows(results)
            if not any((row["contestant"], row["seed"]) == (contestant, seed) for row in rows):
                with results.open("a") as file:
                    file.write(json.dumps(once(contestant, seed, asked, root)) + "\n")
    rows = read_rows(results)
    (asked.out / "table.md").write_text(table(rows))
    sources, _ = shown_and_wanted(plan_of(asked.contestants[0], asked, root)[0], root, asked.direction)
    chosen = [index * len(sources) // SHOWN for index in range(SHOWN)]
    columns = {"input": [np.asarray(sources[index]) for index in chosen]}
    for row in (row for row in rows if row["contestant"] in asked.contestants and row["seed"] == 0):
        title = f"{row['contestant'][:18]} {row['kid'][0]:.3f}"
        columns[title] = [np.asarray(Image.open(asked.out / row["pictures"] / f"{index:04}.png")) for index in chosen]
    sheet([np.stack(column) for column in columns.values()], list(columns)).save(asked.out / "pictures.png")
    print(table(rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
