"""Ours against plain PIL: pictures a second on one core, interleaved in one run, medians.

python -m tests.benchmarks.loading --data horse2zebra --size 256 --rounds 7
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor

from i2i.data.dataset import DataConfig, PairedConfig, TrainingPictures, UnpairedConfig
from i2i.data.image_cache import pack
from i2i.data.layout import Item, layout, locate
from i2i.data.loader import batches
from i2i.images import to_float

Load = Callable[[], object]  # the next pictures, one of each domain, in batches of one


def plain(files: Sequence[Sequence[Item]], size: int, jitter: float) -> Load:
    """As the papers' code does it: open, resize, crop, mirror, to a float tensor in [-1, 1]."""
    draw, side = random.Random(0), round(size * jitter)

    def one(path: Path) -> Tensor:
        image = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        left, top = (draw.randint(0, side - size) for _ in "xy")
        image = image.crop((left, top, left + size, top + size))
        if draw.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())
        return (pixels.float().div(255) - 0.5) / 0.5

    return lambda: [one(path)[None] for domain in files for path in draw.choice(domain)]


def ours(stream: Iterator[tuple[Tensor, ...]], convert: bool) -> Load:
    """Batches as the loader hands them over, uint8, or as the device makes of them, float in [-1, 1]."""
    if convert:
        return lambda: [to_float(pixels) for pixels in next(stream)]
    return lambda: next(stream)


def measure(contestants: dict[str, Load], batch: int, rounds: int, each: int) -> dict[str, float]:
    """Median pictures of a domain a second, the contestants taking turns; ``each``: pictures a turn."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):  # the first warms up
        for name, load in contestants.items():
            calls = max(1, each // (1 if name == "plain" else batch))
            began = time.perf_counter()
            for _ in range(calls):
                load()
            seconds = time.perf_counter() - began
            if turn:
                rates[name].append(calls * (1 if name == "plain" else batch) / seconds)
    return {name: statistics.median(found) for name, found in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--jitter", type=float, default=286 / 256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=200, help="of each domain in a turn")
    asked = parser.parse_args()

    found = layout(locate(asked.data) or Path(asked.data))
    settings = {"size": asked.size, "jitter": asked.jitter}
    config: DataConfig = (PairedConfig if found.kind == "paired" else UnpairedConfig)(**settings)
    began = time.perf_counter()
    packed = pack(found, config.loaded(), config.fit, lambda text: print(text, file=sys.stderr))
    seconds = time.perf_counter() - began
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core for all, fairly

    files = TrainingPictures(found, config, 0)
    cached = TrainingPictures(found, config, 0, packed)
    contestants: dict[str, Load] = {"plain": plain(found.splits["train"], asked.size, asked.jitter)}
    for name, pictures in (("files", files), ("cache", cached)):
        for convert in (False, True):
            stream = batches(pictures, asked.batch, 0, 0)
            contestants[f"{name}, to float" if convert else name] = ours(stream, convert)
    domains = len(next(batches(cached, 1, 0, 0)))
    rates = {name: rate * domains for name, rate in
             measure(contestants, asked.batch, asked.rounds, asked.pictures).items()}  # fmt: skip
    about = {**vars(asked), "machine": platform.processor() or platform.machine(), "torch": torch.__version__,
             "pillow": PIL.__version__, "packed_or_opened_in_seconds": round(seconds, 2)}  # fmt: skip
    ratios = {name: rate / rates["plain"] for name, rate in rates.items()}
    print(json.dumps({"about": about, "pictures_per_second": rates, "times_faster_than_plain": ratios}, indent=2))


if __name__ == "__main__":
    main()
