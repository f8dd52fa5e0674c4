"""Seconds of each engine for a model, at several sizes, measured in turns in one process.

    python -m tests.benchmarks.engines horse2zebra --sizes 256x256,1024x1024,4000x3000 --rounds 5

For each size, medians and the ratio to torch in float32. Sizes are rounded up to the multiple of the network. Torch
streams what is too large for one pass; an engine runs it in one pass, or in tiles where the network allows it.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from i2i.checkpoints.model_file import find_model_file
from i2i.device import Precision
from i2i.engines.cache import ENGINE_FORMATS, installed_engines
from i2i.engines.export import ExportOptions, export_model
from i2i.engines.formats import FORMAT_SUFFIXES
from i2i.inference.loading import load
from i2i.inference.translator import Translator

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or path of a model")
    parser.add_argument("--sizes", default="256x256,1024x1024,4000x3000", help="WIDTHxHEIGHT, several by commas")
    parser.add_argument("--rounds", type=int, default=3, help="measured runs of each")
    options = parser.parse_args()
    path = find_model_file(options.model)
    print(f"{torch.get_num_threads()} threads, load average {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory() as folder:
        runs = translators(path, Path(folder))
        for size in options.sizes.split(","):
            width, height = map(int, size.split("x"))
            image = Image.effect_noise((width, height), 60).convert("RGB")
            seconds = measure({name: partial(run, image) for name, run in runs.items()}, options.rounds)
            base = seconds["torch float32"]
            for name, value in seconds.items():
                print(f"| {size} | {name} | {value:.3g} s | {base / value:.2f} |", flush=True)


def translators(path: Path, folder: Path) -> dict[str, Translator]:
    """Return the translators that are compared, by the name of their engine and precision."""
    runs = {f"torch {precision}": load(path, device="cpu", precision=precision) for precision in PRECISIONS}
    for engine in installed_engines():
        format = ENGINE_FORMATS[engine]
        file = folder / f"model{FORMAT_SUFFIXES[format]}"
        export_model(path, file, ExportOptions(format=format))
        for precision in PRECISIONS if engine == "openvino" else PRECISIONS[:1]:
            runs[f"{engine} {precision}"] = load(file, precision=precision)
    return runs


def measure(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each, after one run that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
