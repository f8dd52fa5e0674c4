"""Compare `i2i convert` with a plain loop of load, run and save: median seconds per image, interleaved in one run.

There are two workloads: many images of 256², and photos of 12 MP. The inputs are gradients with noise, or images of a
folder, cropped and resized; they are saved as JPEG. The results are PNG. The plain loop runs the textbook's generator,
or the network of --model. Every contestant runs in its own process and may use four fifths of the machine's memory. A
contestant that needs more fails and has no ratio. The processor seconds include the decoder processes; the memory of
the largest decoder is listed beside that of the contestant.

python -m tests.benchmarks.conversion --random --images 24 --photos 3 --megapixels 3 --rounds 3
python -m tests.benchmarks.conversion --random --ngf 8 --images 1000 --photos 20 --megapixels 24 --only plain auto
python -m tests.benchmarks.conversion --folder datasets/horse2zebra/testA --model horse2zebra-cyclegan --device cuda
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from i2i.convert import convert_jobs, make_plan
from i2i.convert.pipeline import io_threads
from i2i.data.layout import list_images
from i2i.device import Precision, disable_malloc_trim, resolve_device
from i2i.images import DecoderPool, Writer, encode, read, write_atomic
from i2i.inference.loading import load
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.networks import ResnetConfig
from tests.benchmarks.textbook import resnet_generator

Contestant = Callable[[Sequence[Path], Path], object]
_contestant: Contestant  # the contestant of this process
CLOCKS = {"seconds": time.perf_counter, "processor_seconds": lambda: _processor_time()}


def make_photos(folder: Path, count: int, width: int, height: int, source: Path | None) -> list[Path]:
    """Write ``count`` JPEGs into ``folder``: from the images in ``source``, or from gradients and noise."""
    folder.mkdir(parents=True)
    originals = list_images(source) if source else []
    paths = [folder / f"{index:04}.jpg" for index in range(count)]
    for index, path in enumerate(paths):
        rng = np.random.default_rng(index)
        if originals:
            image = ImageOps.fit(read(originals[index % len(originals)]), (width, height), Image.Resampling.BICUBIC)
        else:
            coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            image = coarse.resize((width, height), Image.Resampling.BICUBIC)
        noisy = np.asarray(image) + rng.normal(0, 2, (height, width, 3)).astype(np.float32)  # similar to sensor noise
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=95)
    return paths


def plain_loop(args: argparse.Namespace) -> Contestant:
    device = resolve_device(args.device)
    if args.model:
        network = make_translator(args, "float32").network.to(memory_format=torch.contiguous_format)
    else:
        network = resnet_generator(args.ngf).to(device).eval()

    @torch.no_grad()
    def run(paths: Sequence[Path], out: Path) -> None:
        for path in paths:
            pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None]
            translated = network(pixels.contiguous().to(device).float() / 127.5 - 1)
            levels = ((translated[0].cpu() + 1) * 127.5).clamp(0, 255).to(torch.uint8)
            Image.fromarray(levels.permute(1, 2, 0).numpy()).save(out / f"{path.stem}.png")

    return run


def make_translator(args: argparse.Namespace, precision: Precision) -> Translator:
    if args.model:
        return load(args.model, device=args.device, precision=precision)
    torch.manual_seed(0)
    config = ResnetConfig(ngf=args.ngf)
    network = config.build(256)
    return Translator(network, config, size=256, direction="AtoB", options=InferenceOptions(args.device, precision))


def i2i_convert(args: argparse.Namespace, precision: Precision) -> Contestant:
    translate = make_translator(args, precision)

    def run(paths: Sequence[Path], out: Path) -> dict[str, float]:
        with DecoderPool(io_threads()) as reader:
            result = convert_jobs(
                translate, make_plan(paths, out, "png"), out, writer=Writer(), batch_size=args.batch, reader=reader
            )
            peaks = [peak_memory_mb(worker.process.pid) for worker in reader._workers if worker.process]
        assert len(result.converted) == len(paths), result.failed
        return {"decoders": len(peaks), "decoder_peak_MB": round(max(peaks))}

    return run


def i2i_stages(args: argparse.Namespace) -> Contestant:
    """i2i with the stages one after the other and one image at a time. Returns the median seconds of each stage."""
    translate = make_translator(args, "auto")

    def run(paths: Sequence[Path], out: Path) -> dict[str, float]:
        rows = []
        for path in paths:
            times = [time.perf_counter()]
            image = read(path)
            times.append(time.perf_counter())
            translated = translate.submit([image])[0]()
            times.append(time.perf_counter())
            data = encode(translated, ".png", fast=True)
            times.append(time.perf_counter())
            write_atomic(out / f"{path.stem}.png", data)
            times.append(time.perf_counter())
            rows.append(np.diff(times))
        return dict(zip(("read", "network", "encode", "write"), np.median(rows, axis=0).tolist(), strict=True))

    return run


class ContestantProcess:
    """A contestant in its own process."""

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(1, context, initializer=_build, initargs=(name, args))

    def run(self, paths: Sequence[Path], out: Path) -> dict[str, Any]:
        """Return seconds per image by each clock, the contestant's return value, and its peak memory in MB."""
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return self.pool.submit(_run, paths, out).result()


def _build(name: str, args: argparse.Namespace) -> None:
    global _contestant
    if name != "plain":  # like `i2i convert`
        disable_malloc_trim()
    total_memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_DATA, (total_memory * 4 // 5, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    factories: dict[str, Callable[[], Contestant]] = {
        "plain": lambda: plain_loop(args),
        "stages": lambda: i2i_stages(args),
        "auto": lambda: i2i_convert(args, "auto"),
        "float32": lambda: i2i_convert(args, "float32"),
    }
    _contestant = factories[name]()


def _run(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    start = {name: clock() for name, clock in CLOCKS.items()}
    try:
        returned, failed = _contestant(paths, out), ""
    except (RuntimeError, MemoryError, AssertionError) as error:
        returned, failed = None, str(error).splitlines()[0][:200] or type(error).__name__
    seconds = {name: math.nan if failed else (clock() - start[name]) / len(paths) for name, clock in CLOCKS.items()}
    return {**seconds, "returned": returned, "failed": failed, "peak_MB": peak_memory_mb(os.getpid())}


def peak_memory_mb(process_id: int) -> float:
    """Return the peak memory of a process in MB. Linux only."""
    (line,) = (line for line in Path(f"/proc/{process_id}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _processor_time() -> float:
    """Return the processor seconds of this process and of its child processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(contestants: dict[str, ContestantProcess], paths: Sequence[Path], out: Path, rounds: int) -> dict[str, Any]:
    """Return the medians of each contestant over its turns, after a small warm-up.

    Each turn converts another part of ``paths``. Processor seconds, summed over all cores, stay comparable if other
    programs share the machine.
    """
    for contestant in contestants.values():
        contestant.run(make_photos(out.with_name(f"warm {len(paths)} {contestant.name}"), 1, 256, 256, None), out)
    parts = [part for part in (paths[turn::rounds] for turn in range(rounds)) if part]
    rows = [{name: contestant.run(part, out) for name, contestant in contestants.items()} for part in parts]
    report: dict[str, Any] = {
        "turns": len(parts),
        "details": {name: rows[-1][name]["returned"] for name in contestants},
    }
    for clock in CLOCKS:
        medians = {name: statistics.median(row[name][clock] for row in rows) for name in contestants}
        plain_seconds = medians.get("plain", math.nan)
        ratios = {name: round(plain_seconds / seconds, 2) for name, seconds in medians.items()}
        report[clock] = {"per_image": medians, "times_less_than_plain": ratios}
    report["images_per_second"] = {
        name: round(1 / seconds, 3) for name, seconds in report["seconds"]["per_image"].items()
    }
    report["peak_MB"] = {name: round(rows[-1][name]["peak_MB"]) for name in contestants}
    report["failed"] = {name: rows[-1][name]["failed"] for name in contestants if rows[-1][name]["failed"]}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", help="a trained model")
    model.add_argument("--random", action="store_true", help="the 9-block generator, freshly initialised (default)")
    parser.add_argument("--folder", type=Path, help="images from which the inputs are made")
    parser.add_argument("--images", type=int, default=260, help="number of images of 256²; 0 skips them")
    parser.add_argument("--photos", type=int, default=10, help="number of photos; 0 skips them")
    parser.add_argument("--megapixels", type=float, default=12, help="size of a photo")
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--batch", type=int, default=0, help="batch size; 0: automatic")
    parser.add_argument(
        "--rounds", type=int, default=4, help="turns of each contestant, each on another part of the files"
    )
    parser.add_argument("--only", nargs="+", default=["plain", "float32", "auto", "stages"], help="contestants to run")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = resolve_device(args.device)
    device_name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    )
    about = {**vars(args), "device": device_name, "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps({"about": about}, indent=2, default=str), flush=True)
    contestants = {name: ContestantProcess(name, args) for name in args.only}
    photo_height = round((args.megapixels * 1e6 * 3 / 4) ** 0.5 / 4) * 4  # the plain loop needs a multiple of 4
    sizes = {"images": (args.images, 256, 256), "photos": (args.photos, photo_height * 4 // 3 // 4 * 4, photo_height)}
    with tempfile.TemporaryDirectory() as folder:
        for name, (count, width, height) in sizes.items():
            if count:
                paths = make_photos(Path(folder, name), count, width, height, args.folder)
                report = measure(contestants, paths, Path(folder, "out"), args.rounds)
                print(json.dumps({name: report}, indent=2, default=str), flush=True)


if __name__ == "__main__":
    main()
