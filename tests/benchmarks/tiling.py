"""Large photos in pieces: how far each way lies from the picture in one piece, and what it costs.

Compared, on a photo and a 9-block generator: strips with the statistics of the whole picture, exact (``i2i.inference.streaming``);
tiles, overlapped by 32 pixels and blended, with statistics of their own; tiles with the statistics of a reduced copy;
and tiles with those of sixteen of them, spread over the picture and pooled. Each network call is that of its own
process, so that peaks of memory do not mix. A seam is seen by the step across the lines where tiles meet, over the
step across lines beside them, in the difference to the picture in one piece.

python -m tests.benchmarks.tiling --ngf 16 --side 1024
python -m tests.benchmarks.tiling --model horse2zebra-cyclegan --photo photo.jpg --memory 2 6 12 24
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.device import autocast, keep_memory, pick_precision
from i2i.images import read
from i2i.inference.streaming import in_strips
from i2i.inference.translator import load
from i2i.networks import ResnetConfig, use_mode
from i2i.networks.layers import InstanceNorm

TILE, OVERLAP, POOLED = 256, 32, 4


def network(asked: argparse.Namespace) -> nn.Module:
    if asked.model:
        return load(asked.model, device="cpu").network
    torch.manual_seed(0)
    config = ResnetConfig(ngf=asked.ngf, init="kaiming")
    return use_mode(config.build(256), config).to(memory_format=torch.channels_last)


def photo(asked: argparse.Namespace, width: int, height: int) -> Tensor:
    """(1, 3, H, W) in [-1, 1]: of a file, or of gradients, edges and noise that differ from place to place."""
    if asked.photo:
        image = ImageOps.fit(read(asked.photo), (width, height), Image.Resampling.BICUBIC)
    else:
        rng = np.random.default_rng(0)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        noisy = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float32)
        noisy += rng.normal(0, 1, noisy.shape) * np.linspace(0, 40, width)[None, :, None]
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def whole(net: nn.Module, x: Tensor) -> Tensor:
    return net(x)


def strips(net: nn.Module, x: Tensor) -> Tensor:
    found = net(in_strips(x.shape[2], x.shape[3], lambda top, bottom: x[:, :, top:bottom]))
    return torch.cat([strip for _, strip in found.strips()], 2)


def tiles(net: nn.Module, x: Tensor) -> Tensor:
    """Blended by weights that fall from the middle of each tile to its edges."""
    step = TILE - OVERLAP
    height, width = x.shape[2:]
    ramp = torch.linspace(0, 1, OVERLAP + 2)[1:-1]
    fade = torch.cat([ramp, torch.ones(TILE - 2 * OVERLAP), ramp.flip(0)])
    weight = fade[:, None] * fade
    found, total = torch.zeros_like(x), torch.zeros(1, 1, height, width)
    for top in (*range(0, height - TILE, step), height - TILE):
        for left in (*range(0, width - TILE, step), width - TILE):
            place = (..., slice(top, top + TILE), slice(left, left + TILE))
            found[place] += net(x[place]) * weight
            total[place] += weight
    return found / total


class _Fixed:
    """Instance norms that note their statistics while ``noting``, and afterwards use them."""

    def __init__(self, net: nn.Module) -> None:
        self.noting, self.moments = True, dict[nn.Module, tuple[Tensor, Tensor]]()
        for norm in (module for module in net.modules() if isinstance(module, InstanceNorm)):
            norm.forward = self._of(norm)  # type: ignore[assignment, method-assign]

    def _of(self, norm: InstanceNorm) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            if self.noting:  # pooled over the batch
                self.moments[norm] = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0, keepdim=True)
            variance, mean = self.moments[norm]
            return ((x.float() - mean) * torch.rsqrt(variance + norm.eps)).to(x.dtype)

        return forward


def reduced(net: nn.Module, x: Tensor) -> Tensor:
    fixed = _Fixed(net)
    scale = (TILE * POOLED) / (4 * min(x.shape[2:]))
    small = F.interpolate(x, scale_factor=max(scale, TILE / min(x.shape[2:])), mode="bicubic", antialias=True)
    net(small[..., : small.shape[2] // 4 * 4, : small.shape[3] // 4 * 4])
    fixed.noting = False
    return tiles(net, x)


def pooled(net: nn.Module, x: Tensor) -> Tensor:
    fixed = _Fixed(net)
    tops, lefts = (np.linspace(0, length - TILE, POOLED).round().astype(int) for length in x.shape[2:])
    net(torch.cat([x[..., top : top + TILE, left : left + TILE] for top in tops for left in lefts]))
    fixed.noting = False
    return tiles(net, x)


WAYS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "whole": whole,
    "strips": strips,
    "tiles": tiles,
    "tiles, statistics of a reduced copy": reduced,
    "tiles, statistics of sixteen": pooled,
}


@torch.inference_mode()
def run(way: str, asked: argparse.Namespace, width: int, height: int) -> dict[str, Any]:
    """In a process of its own. levels: uint8 (H, W, 3). MB: the peak above what the process held before."""
    keep_memory()
    torch.set_num_threads(asked.threads)
    net, x = network(asked), photo(asked, width, height)
    before, began, clock = _peak(), time.perf_counter(), time.process_time()
    with autocast(x.device, pick_precision(asked.precision, x.device)):
        found = WAYS[way](net, x)
    spent = {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - clock}
    levels = ((found + 1) * 127.5).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    return {**spent, "MB": _peak() - before, "levels": levels if asked.keep else None}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    error = found - truth
    step = np.abs(np.diff(error, axis=1)).mean((0, 2))  # across each vertical line
    lines = np.arange(TILE - OVERLAP, error.shape[1] - TILE, TILE - OVERLAP)
    seams = np.concatenate([step[lines + k] for k in (-1, OVERLAP - 1)])  # where a blend begins and ends
    return {
        "levels_at_most": round(float(np.abs(error).max()), 3),
        "levels_on_average": round(float(np.abs(error).mean()), 4),
        "tone_of_a_tile_off_by": round(_tone(error), 3),
        "step_at_a_seam_over_elsewhere": round(float(seams.mean() / max(step.mean(), 1e-9)), 2),
    }


def _tone(error: np.ndarray) -> float:
    """The largest mean error of a square of 128 pixels: a tone that is seen."""
    height, width = (length // 128 * 128 for length in error.shape[:2])
    squares = error[:height, :width].reshape(height // 128, 128, width // 128, 128, 3)
    return float(np.abs(squares.mean((1, 3))).max())


def alone(way: str, asked: argparse.Namespace, width: int, height: int) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, way, asked, width, height).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a trained model; else a freshly initialised 9-block generator")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--ngf", type=int, default=16)
    parser.add_argument("--side", type=int, default=1024, help="pixels a side of the comparison; 0 leaves it out")
    parser.add_argument("--memory", type=float, nargs="*", default=[], help="megapixels to measure memory at")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    report: dict[str, Any] = {"about": {**vars(asked), "torch": torch.__version__}}
    if asked.side:
        asked.keep = True
        found = {way: alone(way, asked, asked.side, asked.side) for way in WAYS}
        report["ways"] = {
            way: {**{key: round(value, 2) for key, value in one.items() if key != "levels"},
                  **apart(one["levels"], found["whole"]["levels"])}
            for way, one in found.items()
        }  # fmt: skip
    asked.keep = False
    for megapixels in asked.memory:
        height = round((megapixels * 1e6 * 2 / 3) ** 0.5 / 4) * 4
        one = alone("strips", asked, height * 3 // 2 // 4 * 4, height)
        report[f"strips at {megapixels} MP"] = {key: round(value, 1) for key, value in one.items() if value is not None}
    print(json.dumps(report, indent=2, default=str))


if __name__ == "__main__":
    main()
