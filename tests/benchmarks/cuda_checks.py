"""Checks of i2i on a device, for ``cuda_session``: each prints its results as JSON lines.

python -m tests.benchmarks.cuda_checks graphs --device cuda --size 256
"""

import argparse
import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from i2i.data.synthetic import generate
from i2i.device import resolve_device, resolve_dtype
from i2i.inference.loading import load
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.networks import ResnetConfig
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.benchmarks.cuda_step_checks import check_failed_capture, check_steps, report

MODELS = Path(__file__).parents[2] / "checkpoints"
SHIPPED_MODELS = ("denoise", "superres2")


def check_environment(args: argparse.Namespace) -> None:
    """Report the versions, the device and the optional packages."""
    device = resolve_device(args.device)
    packages = ["kornia", "lpips", "torch_fidelity", "albumentations", "gradio", "av", "cv2", "triton"]
    facts: dict[str, Any] = {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "cpus": os.cpu_count(),
        "precision": str(resolve_dtype("auto", device)),
        "packages": {name: importlib.util.find_spec(name) is not None for name in packages},
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "device": properties.name,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    report(**facts)


def check_resume(args: argparse.Namespace) -> None:
    """Compare the weights after 8 steps with those after 4 steps, a resume and 4 more steps."""
    torch.backends.cudnn.deterministic = True
    model = {"generator": {"ngf": 4}, "discriminator": {"ndf": 4}} if args.rehearse else {}
    device = resolve_device(args.device)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["I2I_CHECKPOINTS"] = os.environ["I2I_CACHE"] = folder
        data = generate("stripes", Path(folder) / "stripes", size=64, train=8, test=4)

        def train(name: str, steps: int, resume: bool = False) -> dict[str, Tensor]:
            training = {"steps": steps, "schedule": "constant", "device": args.device, "sample_every": 100}
            make = launch.resume_training if resume else launch.new_training
            overrides = {"data": {"data": str(data)}, "model": model, "training": training}
            trainer = make("cyclegan", "tiny", overrides, name, TrainingProgress())
            trainer.train()
            return {key: value.detach().cpu().clone() for key, value in trainer.method.state_dict().items()
                    if isinstance(value, Tensor)}  # fmt: skip

        whole = train("whole", 8)
        again = train("again", 8)
        train("parts", 4)
        resumed = train("parts", 8, resume=True)
    report(
        name="resume", device=str(device),
        repeated_exactly=_largest_difference(whole, again) == 0, repeat_difference=_largest_difference(whole, again),
        resumed_exactly=_largest_difference(whole, resumed) == 0, difference=_largest_difference(whole, resumed),
    )  # fmt: skip


def _largest_difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max(float((a[name].double() - value.double()).abs().max()) for name, value in b.items() if value.numel())


def check_convert(args: argparse.Namespace) -> None:
    """Compare the shipped models' results on the device with those on the CPU, and run `i2i convert`."""
    width, height = (96, 64) if args.rehearse else (640, 427)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for index in range(2 if args.rehearse else 8):
            _random_photo(width, height, index).save(photos / f"{index}.png")
        photo = _random_photo(width, height, 0)
        for name in SHIPPED_MODELS:
            model = str(MODELS / name)
            on_device = _grey_levels(load(model, device=args.device, precision="float32")(photo))
            on_cpu = _grey_levels(load(model, device="cpu", precision="float32")(photo))
            difference = int(np.abs(on_device - on_cpu).max())
            command = [sys.executable, "-m", "i2i", "convert", model, str(photos), "--out", f"{folder}/{name}",
                       "--device", args.device]  # fmt: skip
            start = time.perf_counter()
            code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
            report(name=name, grey_levels_from_cpu=difference, exit=code, seconds=round(time.perf_counter() - start, 1),
                   results=len(list(Path(folder, name).glob("*.png"))))  # fmt: skip


def _random_photo(width: int, height: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def _grey_levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def check_memory(args: argparse.Namespace) -> None:
    """Check that an image that does not fit the memory runs in tiles or by rows, with the same result."""
    device = resolve_device(args.device)
    side = 256 if args.rehearse else 4096
    photo = _random_photo(side, side, 0)
    config = ResnetConfig(ngf=4 if args.rehearse else 64)
    torch.manual_seed(0)
    resnet = config.build(256)
    translators: dict[str, tuple[Callable[[], Translator], float]] = {  # and bytes of memory, too few for one pass
        "tiles": (lambda: load(str(MODELS / "denoise"), device=args.device, precision="float32"), 1.5e9),
        "rows": (
            lambda: Translator(
                resnet, config, size=256, direction="AtoB", options=InferenceOptions(args.device, "float32")
            ),
            6e9,
        ),
    }  # fmt: skip
    for name, (make, memory) in translators.items():
        try:
            _check_pieces(name, make, memory, photo, device)
        except Exception as error:  # the other strategy is checked in any case
            logging.exception("%s failed", name)
            report(name=name, error=f"{type(error).__name__}: {error}"[:500])


def _check_pieces(
    name: str, make: Callable[[], Translator], memory: float, photo: Image.Image, device: torch.device
) -> None:
    """Translate a photo in one pass, then with ``memory`` bytes, and report the difference."""
    expected = _grey_levels(make()(photo))
    translate = make()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(
            (torch.cuda.memory_allocated(device) + memory) / total, torch.cuda.current_device()
        )
    else:
        translate.runner.limits.max_image_pixels = photo.width * photo.height // 2
    start = time.perf_counter()
    try:
        difference = int(np.abs(_grey_levels(translate(photo)) - expected).max())
    finally:
        if device.type == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0, torch.cuda.current_device())
    seconds = round(time.perf_counter() - start, 2)
    in_pieces = translate.runner.runs_piecewise(translate.padded_size(photo.size))
    report(name=name, in_pieces=in_pieces, grey_levels_from_one_pass=difference, seconds=seconds)


def check_graphs(args: argparse.Namespace) -> None:
    check_steps(args, {"graph": (False, True)})


def check_compiled(args: argparse.Namespace) -> None:
    check_steps(args, {"compiled": (True, resolve_device(args.device).type == "cuda")})


CHECKS = {"environment": check_environment, "capture": check_failed_capture, "graphs": check_graphs,
          "compiled": check_compiled, "resume": check_resume, "convert": check_convert,
          "memory": check_memory}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("check", choices=list(CHECKS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--timed", type=int, default=10, help="steps to time")
    parser.add_argument("--rehearse", action="store_true", help="tiny networks, for a CPU")
    args = parser.parse_args()
    if args.rehearse:
        args.timed = 1
    logging.basicConfig(level="INFO", format="%(message)s")  # the messages of i2i, on standard error
    CHECKS[args.check](args)


if __name__ == "__main__":
    main()
