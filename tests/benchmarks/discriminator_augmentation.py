"""Time DiffAugment of i2i beside the same operations of kornia.augmentation, forward and backward.

python -m tests.benchmarks.discriminator_augmentation --device cpu --size 256 --batches 1 16

kornia's operations are the nearest that it has. They differ from those of Zhao et al. 2020: its saturation is that of
HSV, its contrast has no mean, and it draws its random numbers on the host, which no CUDA graph can repeat. The time is
processor time on a CPU (set OMP_NUM_THREADS=1), else wall-clock time: medians of interleaved runs.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import cache

import torch
from kornia import augmentation
from torch import Tensor

from i2i.losses.augment import CUTOUT_RATIO, TRANSLATION_RATIO, DiffAugment, apply_params


def with_i2i(images: Tensor) -> Tensor:
    return apply_params(images, DiffAugment().sample_params(images))


@cache
def kornia_operations() -> augmentation.AugmentationSequential:
    """Return brightness, saturation, contrast, translation and cutout, for images in [0, 1]."""
    area = CUTOUT_RATIO**2
    return augmentation.AugmentationSequential(
        augmentation.RandomBrightness((0.75, 1.25), clip_output=False, p=1.0),
        augmentation.RandomSaturation((0.0, 2.0), p=1.0),
        augmentation.RandomContrast((0.5, 1.5), clip_output=False, p=1.0),
        augmentation.RandomTranslate((-TRANSLATION_RATIO, TRANSLATION_RATIO), (-TRANSLATION_RATIO, TRANSLATION_RATIO),
                                     p=1.0),
        augmentation.RandomErasing((area, area), (1.0, 1.0), value=0.5, p=1.0),
    )  # fmt: skip


def with_kornia(images: Tensor) -> Tensor:
    return kornia_operations()((images + 1) / 2) * 2 - 1


def seconds(augment: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """Return the seconds of a forward and a backward pass."""
    clock = time.process_time if images.device.type == "cpu" else time.perf_counter
    leaf = images.clone().requires_grad_()
    start = clock()
    augment(leaf).square().mean().backward()
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    print("| batch | i2i, ms | kornia, ms | kornia / i2i |\n| --- | --- | --- | --- |")
    for batch in args.batches:
        images = torch.rand(batch, 3, args.size, args.size, device=args.device) * 2 - 1
        pairs = [(seconds(with_i2i, images), seconds(with_kornia, images)) for _ in range(args.repeats + 2)][2:]
        own, other = (1000 * statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"| {batch} | {own:.1f} | {other:.1f} | {statistics.median(b / a for a, b in pairs):.1f} |")


if __name__ == "__main__":
    main()
