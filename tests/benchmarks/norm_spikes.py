"""How much of the variance that instance norm divides by comes from a few locations of an image.

A generator can make one small region of a feature map very strong. That region then determines the variance, and the
norm weakens the rest of the image. StyleGAN2 (Karras et al. 2020, section 3) names such regions droplets.

python -m tests.benchmarks.norm_spikes MODEL [MODEL ...] --data horse2zebra --size 256

For each norm of each model: the share of the variance, summed over the channels, that the strongest 1 % of the
locations hold, and the largest absolute output. Both are means over --images random images of --split. A map of
Gaussian noise has shares of 0.08 for one channel and 0.01 for very many.
"""

import argparse
import random
import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import to_tensor

from i2i.data.layout import find_dataset
from i2i.inference.loading import load
from i2i.networks.instance_norm import InstanceNorm


@dataclass(frozen=True)
class Spike:
    """``share``: of the variance in the strongest 1 % of the locations; ``largest``: absolute output of the norm."""

    share: float
    largest: float


def spike(x: Tensor, output: Tensor) -> Spike:
    """Measure the input (1, C, H, W) of a norm, and its output."""
    centred = x.float() - x.float().mean((2, 3), keepdim=True)
    energy = centred.square().sum(1).flatten()
    top = energy.topk(max(1, len(energy) // 100)).values.sum()
    return Spike((top / energy.sum()).item(), output.abs().max().item())


@torch.inference_mode()
def measure(network: nn.Module, images: list[Tensor]) -> dict[str, Spike]:
    """Return the mean of each instance norm of ``network`` over ``images``, (1, C, H, W) in [-1, 1]."""
    spikes: dict[str, list[Spike]] = defaultdict(list)

    def record(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, inputs, output: spikes[name].append(spike(inputs[0], output))

    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, InstanceNorm)]
    hooks = [module.register_forward_hook(record(name)) for name, module in norms]
    for image in images:
        network(image)
    for hook in hooks:
        hook.remove()
    return {
        name: Spike(statistics.mean(row.share for row in rows), statistics.mean(row.largest for row in rows))
        for name, rows in spikes.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", default="horse2zebra")
    parser.add_argument("--split", default="testA", help="folder of the dataset that has the images")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--size", type=int, default=256, help="pixels a side, to which images are resized")
    args = parser.parse_args()
    root = find_dataset(args.data)
    if root is None:
        parser.error(f"no dataset {args.data}")
    paths = random.Random(0).sample(sorted((root / args.split).iterdir()), args.images)
    images = [read_square(path, args.size) for path in paths]
    for name in args.models:
        print(name)
        for layer, row in measure(load(name, device="cpu").network, images).items():
            print(f"  {layer:24} {row.share:5.2f} {row.largest:7.1f}")


def read_square(path: Path, size: int) -> Tensor:
    """Read an image as (1, 3, size, size) in [-1, 1]."""
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return to_tensor(image)[None].mul(2).sub(1).contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
