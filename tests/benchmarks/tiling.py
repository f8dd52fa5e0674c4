"""Compare ways to run a network on large photos in pieces with a single pass: difference, time and memory.

Compared on a photo and a 9-block generator: strips with the statistics of the whole image (``i2i.inference.streaming``,
exact); tiles with an overlap of 32 pixels, blended, with their own statistics; tiles with the statistics of a reduced
copy; tiles with the pooled statistics of sixteen tiles spread over the image. Each runs in its own process, so that the
memory peaks are separate. The measure of a seam is taken from the difference to the single pass: the step across the
lines where tiles meet, divided by the mean step across all lines.

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

from i2i.device import autocast, disable_malloc_trim, resolve_dtype
from i2i.images import read
from i2i.inference.loading import load
from i2i.inference.streaming import stream_rows
from i2i.networks import ResnetConfig, prepare_for_inference
from i2i.networks.instance_norm import InstanceNorm

TILE = 256
OVERLAP = 32
POOLED_PER_SIDE = 4  # tiles along each side whose statistics are pooled


def make_network(args: argparse.Namespace) -> nn.Module:
    if args.model:
        return load(args.model, device="cpu").network
    torch.manual_seed(0)
    config = ResnetConfig(ngf=args.ngf, weight_init="kaiming")
    return prepare_for_inference(config.build(256), config).to(memory_format=torch.channels_last)


def make_photo(args: argparse.Namespace, width: int, height: int) -> Tensor:
    """Return a photo (1, 3, H, W) in [-1, 1]: from --photo, or gradients with noise that grows from left to right."""
    if args.photo:
        image = ImageOps.fit(read(args.photo), (width, height), Image.Resampling.BICUBIC)
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
    rows = net(stream_rows(x.shape[2], x.shape[3], lambda top, bottom: x[:, :, top:bottom]))
    return torch.cat([strip for _, strip in rows.strips()], 2)


def tiles(net: nn.Module, x: Tensor) -> Tensor:
    """Blend tiles with weights that fall towards their edges."""
    step = TILE - OVERLAP
    height, width = x.shape[2:]
    ramp = torch.linspace(0, 1, OVERLAP + 2)[1:-1]
    fade = torch.cat([ramp, torch.ones(TILE - 2 * OVERLAP), ramp.flip(0)])
    weight = fade[:, None] * fade
    weighted_sum = torch.zeros_like(x)
    total_weight = torch.zeros(1, 1, height, width)
    for top in (*range(0, height - TILE, step), height - TILE):
        for left in (*range(0, width - TILE, step), width - TILE):
            window = (..., slice(top, top + TILE), slice(left, left + TILE))
            weighted_sum[window] += net(x[window]) * weight
            total_weight[window] += weight
    return weighted_sum / total_weight


class _FixedStatistics:
    """Makes the instance norms of a network record their statistics while ``recording``, and reuse them later."""

    def __init__(self, net: nn.Module) -> None:
        self.recording = True
        self.moments = dict[nn.Module, tuple[Tensor, Tensor]]()
        for norm in (module for module in net.modules() if isinstance(module, InstanceNorm)):
            norm.forward = self._make_forward(norm)  # type: ignore[assignment, method-assign]

    def _make_forward(self, norm: InstanceNorm) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            if self.recording:  # pooled over the batch
                self.moments[norm] = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0, keepdim=True)
            variance, mean = self.moments[norm]
            return ((x.float() - mean) * torch.rsqrt(variance + norm.eps)).to(x.dtype)

        return forward


def tiles_with_reduced_statistics(net: nn.Module, x: Tensor) -> Tensor:
    statistics = _FixedStatistics(net)
    scale = (TILE * POOLED_PER_SIDE) / (4 * min(x.shape[2:]))
    small = F.interpolate(x, scale_factor=max(scale, TILE / min(x.shape[2:])), mode="bicubic", antialias=True)
    net(small[..., : small.shape[2] // 4 * 4, : small.shape[3] // 4 * 4])
    statistics.recording = False
    return tiles(net, x)


def tiles_with_pooled_statistics(net: nn.Module, x: Tensor) -> Tensor:
    statistics = _FixedStatistics(net)
    tops, lefts = (np.linspace(0, length - TILE, POOLED_PER_SIDE).round().astype(int) for length in x.shape[2:])
    net(torch.cat([x[..., top : top + TILE, left : left + TILE] for top in tops for left in lefts]))
    statistics.recording = False
    return tiles(net, x)


METHODS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "whole": whole,
    "strips": strips,
    "tiles": tiles,
    "tiles, statistics of a reduced copy": tiles_with_reduced_statistics,
    "tiles, statistics of sixteen": tiles_with_pooled_statistics,
}


@torch.inference_mode()
def run(method: str, args: argparse.Namespace, width: int, height: int) -> dict[str, Any]:
    """Run a method in this process.

    Returns:
        seconds, processor_seconds: duration.
        MB: peak memory above that of the process before.
        levels: the result (H, W, 3) from 0 to 255; None without ``keep``.
    """
    disable_malloc_trim()
    torch.set_num_threads(args.threads)
    net = make_network(args)
    x = make_photo(args, width, height)
    memory_before = _peak_memory_mb()
    clock_start = time.perf_counter()
    processor_start = time.process_time()
    with autocast(x.device, resolve_dtype(args.precision, x.device)):
        output = METHODS[method](net, x)
    seconds = time.perf_counter() - clock_start
    processor_seconds = time.process_time() - processor_start
    levels = ((output + 1) * 127.5).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    return {
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "MB": _peak_memory_mb() - memory_before,
        "levels": levels if args.keep else None,
    }


def _peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def difference(levels: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Return how a result differs from the single pass, in grey levels."""
    error = levels - reference
    step = np.abs(np.diff(error, axis=1)).mean((0, 2))  # across each vertical line
    lines = np.arange(TILE - OVERLAP, error.shape[1] - TILE, TILE - OVERLAP)
    seams = np.concatenate([step[lines + k] for k in (-1, OVERLAP - 1)])  # where a blend starts and ends
    return {
        "levels_at_most": round(float(np.abs(error).max()), 3),
        "levels_on_average": round(float(np.abs(error).mean()), 4),
        "tone_of_a_tile_off_by": round(_max_tone_error(error), 3),
        "step_at_a_seam_over_elsewhere": round(float(seams.mean() / max(step.mean(), 1e-9)), 2),
    }


def _max_tone_error(error: np.ndarray) -> float:
    """Return the largest mean error of a square of 128 pixels: a visible difference of tone."""
    height, width = (length // 128 * 128 for length in error.shape[:2])
    squares = error[:height, :width].reshape(height // 128, 128, width // 128, 128, 3)
    return float(np.abs(squares.mean((1, 3))).max())


def run_in_process(method: str, args: argparse.Namespace, width: int, height: int) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, method, args, width, height).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a trained model; else a freshly initialised 9-block generator")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--ngf", type=int, default=16)
    parser.add_argument(
        "--side", type=int, default=1024, help="side of the compared image in pixels; 0 skips the comparison"
    )
    parser.add_argument(
        "--memory", type=float, nargs="*", default=[], help="image sizes in megapixels at which memory is measured"
    )
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    report: dict[str, Any] = {"about": {**vars(args), "torch": torch.__version__}}
    if args.side:
        args.keep = True
        results = {method: run_in_process(method, args, args.side, args.side) for method in METHODS}
        report["methods"] = {
            method: {**{key: round(value, 2) for key, value in result.items() if key != "levels"},
                     **difference(result["levels"], results["whole"]["levels"])}
            for method, result in results.items()
        }  # fmt: skip
    args.keep = False
    for megapixels in args.memory:
        height = round((megapixels * 1e6 * 2 / 3) ** 0.5 / 4) * 4
        result = run_in_process("strips", args, height * 3 // 2 // 4 * 4, height)
        report[f"strips at {megapixels} MP"] = {
            key: round(value, 1) for key, value in result.items() if value is not None
        }
    print(json.dumps(report, indent=2, default=str))


if __name__ == "__main__":
    main()
