"""Spots under instance norm: how much of the variance that it divides by comes from a few locations of an image.

python -m tests.benchmarks.norm_spots MODEL [MODEL ...] --data horse2zebra --size 256

For each instance norm of each model: the share of the variance, summed over the channels, that the strongest 1 % of the
locations hold (``i2i.networks.norm_spots``), as the mean over --images random images of --split.
"""

import argparse
import random
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from i2i.data.layout import find_dataset
from i2i.inference.loading import load
from i2i.networks.norm_spots import record_spot_shares


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--direction", help="of a model with two directions")
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
        network = load(name, args.direction, device="cpu").network
        with record_spot_shares(network) as shares:
            for image in images:
                network(image)
        print(name)
        for layer, values in shares.items():
            print(f"  {layer:24} {torch.stack(values).mean():5.2f}")


def read_square(path: Path, size: int) -> Tensor:
    """Read an image as (1, 3, size, size) in [-1, 1]."""
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return to_tensor(image)[None].mul(2).sub(1).contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
