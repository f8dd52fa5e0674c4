"""Seconds of each engine for a model, at several sizes, measured in turns in one process.

    python -m tests.benchmarks.engines horse2zebra --sizes 256x256,1024x1024,4000x3000 --rounds 7,5,1

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
from i2i.device import Precision, disable_malloc_trim
from i2i.engines.cache import ENGINE_FORMATS, installed_engines
from i2i.engines.export import ExportOptions, export_model
from i2i.engines.formats import FORMAT_SUFFIXES
from i2i.errors import I2IError
from i2i.inference.loading import load
from i2i.inference.translator import Translator

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or path of a model")
    parser.add_argument("--sizes", default="256x256,1024x1024,4000x3000", help="WIDTHxHEIGHT, several by commas")
    parser.add_argument("--rounds", default="3", help="measured runs of each, one number or one for each size")
    options = parser.parse_args()
    path = find_model_file(options.model)
    disable_malloc_trim()  # as `i2i convert` does
    print(f"{torch.get_num_threads()} threads, load average {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory() as folder:
        runs = translators(path, Path(folder))
        sizes = options.sizes.split(",")
        rounds = [int(number) for number in options.rounds.split(",")]
        if len(rounds) not in (1, len(sizes)):
            parser.error(
                f"--rounds {options.rounds} has {len(rounds)} numbers, for {len(sizes)} sizes; give one or {len(sizes)}"
            )
        for size, count in zip(sizes, rounds * (len(sizes) if len(rounds) == 1 else 1), strict=True):
            width, height = map(int, size.split("x"))
            image = Image.effect_noise((width, height), 60).convert("RGB")
            seconds = measure({name: partial(run, image) for name, run in runs.items()}, count)
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
    """Return the median seconds of each that fits the memory, after one run that does not count."""
    fitting = {}
    for name, run in runs.items():
        try:
            run()
            fitting[name] = run
        except I2IError as error:
            print(f"{name}: {error}", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in fitting}
    for _ in range(rounds):
        for name, run in fitting.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
