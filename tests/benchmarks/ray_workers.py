"""Images a second of `i2i convert`, without Ray and with workers on Ray, each in a process of its own.

    python -m tests.benchmarks.ray_workers denoise --images 100 300 --side 256 --workers 1 2 --rounds 3

Every variant converts the smaller and the larger number of images, in turns. The difference of the median seconds gives
the images a second once everything has started; the rest is the start. Each worker computes with one thread. Without
Ray, the network runs once with one thread and once with as many threads as there are CPUs.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from i2i.engines.sessions import default_threads
from tests.benchmarks.conversion import make_photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name or path of a model")
    parser.add_argument("--images", type=int, nargs=2, default=[100, 300], help="the smaller and the larger number")
    parser.add_argument("--side", type=int, default=256, help="pixels a side")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    few, many = options.images
    variants: dict[str, tuple[int, list[str]]] = {"no Ray, 1 thread": (1, [])}
    if default_threads() > 1:
        variants[f"no Ray, {default_threads()} threads"] = (default_threads(), [])
    for count in options.workers:
        variants[f"Ray, workers: {count}"] = (1, ["--ray", "local", "--workers", str(count)])
    with TemporaryDirectory() as name:
        folder = Path(name)
        for count in (few, many):
            make_photos(folder / str(count), count, options.side, options.side, None)
        seconds: dict[tuple[str, int], list[float]] = {}
        outs = (folder / f"out-{number}" for number in itertools.count())
        for _ in range(options.rounds):
            for variant, (threads, flags) in variants.items():
                for count in (few, many):
                    elapsed = convert(options.model, folder / str(count), next(outs), threads, flags)
                    seconds.setdefault((variant, count), []).append(elapsed)
    print(f"load average {os.getloadavg()[0]:.1f}")
    print("| variant | images a second | seconds to start |")
    print("| --- | --- | --- |")
    for variant in variants:
        small, large = (statistics.median(seconds[variant, count]) for count in (few, many))
        for_each = (large - small) / (many - few)
        print(f"| {variant} | {1 / for_each:.1f} | {small - few * for_each:.1f} |", flush=True)


def convert(model: str, photos: Path, out: Path, threads: int, flags: list[str]) -> float:
    """Return the seconds of one conversion. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "i2i", "convert", model, str(photos), "--out", str(out), "--device", "cpu", *flags]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
