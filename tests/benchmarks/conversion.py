"""`i2i convert` against the plain loop of load, run, save: seconds a picture, interleaved in one run, medians.

Two workloads: many pictures of 256², and photos of 12 MP. They are made of gradients and noise, or cropped and enlarged
from the pictures of a folder, and saved as JPEG; results are PNG. The plain loop runs the textbook's generator, or the
network of --model. Every contestant lives in a process of its own, as the command does, and may take four fifths of the
machine's memory: one that needs more fails, and has no ratio. Decoders, in processes of their own too, are counted in
processor seconds, and the peak of the largest beside that of the contestant.

python -m tests.benchmarks.conversion --random --pictures 24 --photos 3 --megapixels 3 --rounds 3
python -m tests.benchmarks.conversion --random --ngf 8 --pictures 1000 --photos 20 --megapixels 24 --only plain auto
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

from i2i.convert import convert_jobs, plan
from i2i.convert.pipeline import threads
from i2i.data.layout import pictures
from i2i.device import Precision, keep_memory, pick_device
from i2i.images import Decoders, Writer, encode, read, write_atomic
from i2i.inference.translator import Translator, load
from i2i.networks import ResnetConfig
from tests.benchmarks.textbook import resnet_generator

Contestant = Callable[[Sequence[Path], Path], object]
_contestant: Contestant  # of this process
CLOCKS = {"seconds": time.perf_counter, "processor_seconds": lambda: _processor_time()}


def material(folder: Path, count: int, width: int, height: int, source: Path | None) -> list[Path]:
    """``count`` JPEGs of a size in ``folder``: of ``source``'s pictures, else of gradients and noise."""
    folder.mkdir(parents=True)
    originals = pictures(source) if source else []
    paths = [folder / f"{index:04}.jpg" for index in range(count)]
    for index, path in enumerate(paths):
        rng = np.random.default_rng(index)
        if originals:
            image = ImageOps.fit(read(originals[index % len(originals)]), (width, height), Image.Resampling.BICUBIC)
        else:
            coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            image = coarse.resize((width, height), Image.Resampling.BICUBIC)
        noisy = np.asarray(image) + rng.normal(0, 2, (height, width, 3)).astype(np.float32)  # as a sensor's
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=95)
    return paths


def plain(asked: argparse.Namespace) -> Contestant:
    device = pick_device(asked.device)
    network = translator(asked, "float32").network.to(memory_format=torch.contiguous_format) if asked.model else (
        resnet_generator(asked.ngf).to(device).eval())  # fmt: skip

    @torch.no_grad()
    def run(paths: Sequence[Path], out: Path) -> None:
        for path in paths:
            pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None]
            translated = network(pixels.contiguous().to(device).float() / 127.5 - 1)
            levels = ((translated[0].cpu() + 1) * 127.5).clamp(0, 255).to(torch.uint8)
            Image.fromarray(levels.permute(1, 2, 0).numpy()).save(out / f"{path.stem}.png")

    return run


def translator(asked: argparse.Namespace, precision: Precision) -> Translator:
    if asked.model:
        return load(asked.model, device=asked.device, precision=precision)
    torch.manual_seed(0)
    config = ResnetConfig(ngf=asked.ngf)
    built = config.build(256)
    return Translator(built, config, size=256, direction="AtoB", device=asked.device, precision=precision)


def ours(asked: argparse.Namespace, precision: Precision) -> Contestant:
    translate = translator(asked, precision)

    def run(paths: Sequence[Path], out: Path) -> dict[str, float]:
        with Decoders(threads()) as reader:
            result = convert_jobs(
                translate, plan(paths, out, "png"), out, writer=Writer(), batch=asked.batch, reader=reader
            )
            peaks = [peak(worker.process.pid) for worker in reader._all if worker.process]
        assert len(result.converted) == len(paths), result.failed
        return {"decoders": len(peaks), "decoder_peak_MB": round(max(peaks))}

    return run


def stages(asked: argparse.Namespace) -> Contestant:
    """Ours one stage after the other, one picture at a time: the median seconds of each stage."""
    translate = translator(asked, "auto")

    def run(paths: Sequence[Path], out: Path) -> dict[str, float]:
        rows = []
        for path in paths:
            times = [time.perf_counter()]
            image = read(path)
            times.append(time.perf_counter())
            translated = translate.begin([image])[0]()
            times.append(time.perf_counter())
            data = encode(translated, ".png", fast=True)
            times.append(time.perf_counter())
            write_atomic(out / f"{path.stem}.png", data)
            times.append(time.perf_counter())
            rows.append(np.diff(times))
        return dict(zip(("read", "network", "encode", "write"), np.median(rows, axis=0).tolist(), strict=True))

    return run


class Corner:
    """A contestant in a process of its own."""

    def __init__(self, name: str, asked: argparse.Namespace) -> None:
        self.name, context = name, multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(1, context, initializer=_build, initargs=(name, asked))

    def run(self, paths: Sequence[Path], out: Path) -> dict[str, Any]:
        """Seconds a picture by each clock, what the contestant returned, and the peak of its memory in MB."""
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return self.pool.submit(_run, paths, out).result()


def _build(name: str, asked: argparse.Namespace) -> None:
    global _contestant
    if name != "plain":  # as the command does
        keep_memory()
    everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_DATA, (everything * 4 // 5, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    makers: dict[str, Callable[[], Contestant]] = {
        "plain": lambda: plain(asked),
        "stages": lambda: stages(asked),
        "auto": lambda: ours(asked, "auto"),
        "float32": lambda: ours(asked, "float32"),
    }
    _contestant = makers[name]()


def _run(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    began = {name: clock() for name, clock in CLOCKS.items()}
    try:
        returned, failed = _contestant(paths, out), ""
    except (RuntimeError, MemoryError, AssertionError) as error:
        returned, failed = None, str(error).splitlines()[0][:200] or type(error).__name__
    spent = {name: math.nan if failed else (clock() - began[name]) / len(paths) for name, clock in CLOCKS.items()}
    return {**spent, "returned": returned, "failed": failed, "peak_MB": peak(os.getpid())}


def peak(process: int) -> float:
    """MB of memory that a process held at most; Linux only."""
    (line,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _processor_time() -> float:
    """Of this process and of those it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(corners: dict[str, Corner], paths: Sequence[Path], out: Path, rounds: int) -> dict[str, Any]:
    """Medians of each contestant over its turns, each at one of the parts of ``paths``, after a small one to warm up.

    Processor seconds, of all cores together, stay comparable where other programs share the machine.
    """
    for corner in corners.values():
        corner.run(material(out.with_name(f"warm {len(paths)} {corner.name}"), 1, 256, 256, None), out)
    parts = [part for part in (paths[turn::rounds] for turn in range(rounds)) if part]
    rows = [{name: corner.run(part, out) for name, corner in corners.items()} for part in parts]
    report: dict[str, Any] = {"turns": len(parts), "told": {name: rows[-1][name]["returned"] for name in corners}}
    for clock in CLOCKS:
        medians = {name: statistics.median(row[name][clock] for row in rows) for name in corners}
        plainly = medians.get("plain", math.nan)
        ratios = {name: round(plainly / seconds, 2) for name, seconds in medians.items()}
        report[clock] = {"a_picture": medians, "times_less_than_plain": ratios}
    report["pictures_a_second"] = {name: round(1 / one, 3) for name, one in report["seconds"]["a_picture"].items()}
    report["peak_MB"] = {name: round(rows[-1][name]["peak_MB"]) for name in corners}
    report["failed"] = {name: rows[-1][name]["failed"] for name in corners if rows[-1][name]["failed"]}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", help="a trained model")
    model.add_argument("--random", action="store_true", help="the 9-block generator, freshly initialised (default)")
    parser.add_argument("--folder", type=Path, help="pictures to make the material of")
    parser.add_argument("--pictures", type=int, default=260, help="pictures of 256²; 0 leaves them out")
    parser.add_argument("--photos", type=int, default=10, help="photos; 0 leaves them out")
    parser.add_argument("--megapixels", type=float, default=12, help="of a photo")
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--batch", type=int, default=0, help="pictures at once; 0 chooses")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each contestant, at as many parts of the files")
    parser.add_argument("--only", nargs="+", default=["plain", "float32", "auto", "stages"], help="the contestants")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    device = pick_device(asked.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    about = {**vars(asked), "device": where, "threads": torch.get_num_threads(), "torch": torch.__version__}
    report: dict[str, Any] = {"about": about}
    corners = {name: Corner(name, asked) for name in asked.only}
    height = round((asked.megapixels * 1e6 * 3 / 4) ** 0.5 / 4) * 4  # a multiple of 4, which the plain loop needs
    sizes = {"pictures": (asked.pictures, 256, 256), "photos": (asked.photos, height * 4 // 3 // 4 * 4, height)}
    with tempfile.TemporaryDirectory() as place:
        for name, (count, width, high) in sizes.items():
            if count:
                paths = material(Path(place, name), count, width, high, asked.folder)
                report[name] = measure(corners, paths, Path(place, "out"), asked.rounds)
    print(json.dumps(report, indent=2, default=str))


if __name__ == "__main__":
    main()
