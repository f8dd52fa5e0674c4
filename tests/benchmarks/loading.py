"""Compare the data loader of i2i with plain PIL: median images per second on one core, interleaved in one run.

python -m tests.benchmarks.loading --data horse2zebra --size 256 --rounds 7
python -m tests.benchmarks.loading --data facades --augmentations flip geometric photo strong
"""

import argparse
import json
import logging
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor

from i2i.augmentations import load_pipeline
from i2i.data.config import DataConfig, PairedConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.image_cache import build_image_cache
from i2i.data.layout import Item, detect_layout, find_dataset
from i2i.data.loader import data_loader
from i2i.images import to_float

Load = Callable[[], object]  # returns the next batch of each domain


def plain_loader(files: Sequence[Sequence[Item]], size: int, resize_scale: float) -> Load:
    """Load like the code of the papers: open, resize, crop, flip, to a float tensor in [-1, 1]."""
    rng = random.Random(0)
    side = round(size * resize_scale)

    def load(path: Path) -> Tensor:
        image = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        left = rng.randint(0, side - size)
        top = rng.randint(0, side - size)
        image = image.crop((left, top, left + size, top + size))
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())
        return (pixels.float().div(255) - 0.5) / 0.5

    return lambda: [load(path)[None] for domain in files for path in rng.choice(domain)]


def i2i_loader(stream: Iterator[tuple[Tensor, ...]], convert: bool) -> Load:
    """Load batches with the data loader: uint8, or with ``convert`` as float in [-1, 1]."""
    if convert:
        return lambda: [to_float(pixels) for pixels in next(stream)]
    return lambda: next(stream)


def measure(
    contestants: dict[str, Load], batch: int, rounds: int, images_per_turn: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Return the median images of a domain per second of each contestant. The contestants take turns."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):  # the first turn is the warm-up
        for name, load in contestants.items():
            images_per_call = 1 if name == "plain" else batch
            calls = max(1, images_per_turn // images_per_call)
            start = clock()
            for _ in range(calls):
                load()
            seconds = clock() - start
            if turn > 0:
                rates[name].append(calls * images_per_call / seconds)
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--resize-scale", type=float, default=286 / 256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=200, help="images of each domain in a turn")
    parser.add_argument("--cpu-time", action="store_true", help="measure the processor's time: for a busy machine")
    parser.add_argument("--augmentations", nargs="*", default=[], help="pipelines to measure beside none")
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s")  # the messages of i2i, on standard error

    layout = detect_layout(find_dataset(args.data) or Path(args.data))
    settings = {"size": args.size, "resize_scale": args.resize_scale}
    config: DataConfig = (PairedConfig if layout.kind == "paired" else UnpairedConfig)(**settings)
    start = time.perf_counter()
    cache = build_image_cache(layout, config.load_size, config.resize)
    cache_seconds = time.perf_counter() - start
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core for all contestants

    files = TrainingDataset(layout, config, 0)
    cached = TrainingDataset(layout, config, 0, cache)
    contestants: dict[str, Load] = {"plain": plain_loader(layout.splits["train"], args.size, args.resize_scale)}
    for name, dataset in (("files", files), ("cache", cached)):
        for convert in (False, True):
            stream = data_loader(dataset, args.batch, 0, 0)
            contestants[f"{name}, to float" if convert else name] = i2i_loader(stream, convert)
    for augmentations in args.augmentations:
        augmented = TrainingDataset(layout, replace(config, augmentations=load_pipeline(augmentations)), 0, cache)
        contestants[f"cache, {augmentations}"] = i2i_loader(data_loader(augmented, args.batch, 0, 0), False)
    domains = len(next(data_loader(cached, 1, 0, 0)))
    rates = {name: rate * domains for name, rate in
             measure(contestants, args.batch, args.rounds, args.images,
                     time.process_time if args.cpu_time else time.perf_counter).items()}  # fmt: skip
    about = {**vars(args), "machine": platform.processor() or platform.machine(), "torch": torch.__version__,
             "pillow": PIL.__version__, "cache_built_or_opened_in_seconds": round(cache_seconds, 2)}  # fmt: skip
    ratios = {name: rate / rates["plain"] for name, rate in rates.items()}
    about["pipeline_ms_a_sample"] = {
        name: round(1000 * domains * (1 / rates[f"cache, {name}"] - 1 / rates["cache"]), 3)
        for name in args.augmentations
    }
    print(json.dumps({"about": about, "images_per_second": rates, "times_faster_than_plain": ratios}, indent=2))


if __name__ == "__main__":
    main()
