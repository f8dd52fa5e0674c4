"""Train with every adversarial loss, with and without R1 and spectral norm; measure the distance to the data.

python -m tests.benchmarks.games --steps 400 --out table.md

Trains the tiny DCGAN on `shapes` or the tiny CycleGAN on `stripes` with 24 combinations, in a temporary folder. The
table lists the sliced Wasserstein distance before and after each training, and the alarms of the training doctor.
"""

import argparse
import logging
import os
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.checkpoints.log import read_log
from i2i.data.synthetic import generate
from i2i.images import to_float
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

REGULARISATION_VARIANTS = list(product((0.0, 0.1), (False, True)))  # (γ of R1, whether D has spectral norm)
NUM_IMAGES = 48  # generated and real images that are compared


def sliced_distance(images: Tensor, reference: Tensor) -> float:
    """Return the sliced Wasserstein-1 distance of two sets of images at 8×8 pixels (Rabin et al. 2011).

    Args:
        images, reference: (N, 3, H, W), equally many images.
    """
    rng = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.randn(192, 128, generator=rng), dim=0).to(images.device)
    a = F.adaptive_avg_pool2d(images, 8).flatten(1) @ directions
    b = F.adaptive_avg_pool2d(reference, 8).flatten(1) @ directions
    return float((a.sort(0).values - b.sort(0).values).abs().mean())


def alarms(trainer: Trainer) -> list[str]:
    """Return the alarms that the training doctor raised."""
    return [row["message"] for row in read_log(trainer.run.path) if "alarm" in row]


def adversarial_settings(loss: str, r1: float) -> dict[str, Any]:
    return {"loss": loss, "r1": r1, "r1_every": 4, "d_steps": 2 if loss.startswith("wgan") else 1}


def training_settings(loss: str) -> dict[str, Any]:
    """Return RMSprop for wgan: momentum makes its training unstable (Arjovsky et al. 2017, section 4.3)."""
    return {"optimizer": "rmsprop", "lr": 5e-4} if loss == "wgan" else {}


@torch.no_grad()
def distance(trainer: Trainer) -> float:
    """Return the sliced distance of the generated images to real images of their domain."""

    def real(domain: int) -> Tensor:
        return torch.stack([to_float(trainer.dataset[k][domain]) for k in range(NUM_IMAGES)]).to(trainer.device)  # type: ignore[index]

    networks = trainer.translators()
    if "sample" in networks:
        return sliced_distance(networks["sample"](trainer.method.sample_latents[:NUM_IMAGES]), real(0))  # type: ignore[index]
    return sliced_distance(networks["AtoB"](real(0)), real(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--method", choices=["gan", "cyclegan"], default="gan")
    parser.add_argument("--losses", nargs="*", default=list(GAN_LOSSES), choices=list(GAN_LOSSES))
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--out", type=Path, default=Path("games.md"), help="file for the table; a line is added after each training"
    )
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s")  # the messages of i2i, on standard error
    out = args.out.resolve()
    os.chdir(tempfile.mkdtemp(prefix="games-"))
    data = generate("shapes" if args.method == "gan" else "stripes", Path("datasets") / "set")
    with out.open("w") as table:
        print("| loss | R1 | spectral norm | distance before | after | alarms | minutes |", file=table)
        print("| --- | --- | --- | --- | --- | --- | --- |", file=table)
        for loss, (r1, spectral_norm) in product(args.losses, REGULARISATION_VARIANTS):
            networks: dict[str, Any] = {"discriminator": {"spectral_norm": spectral_norm}}
            if args.method == "gan":
                networks = {"networks": networks}
            overrides = {
                "data": {"data": str(data)},
                "model": {"adversarial": adversarial_settings(loss, r1), **networks},
                "training": {"steps": args.steps, "device": args.device, "sample_every": 25, **training_settings(loss)},
            }
            name = f"{loss}-{r1:g}-{'spectral' if spectral_norm else 'plain'}"
            trainer = launch.new_training(args.method, "tiny", overrides, name, TrainingProgress())
            distance_before = distance(trainer)
            start = time.monotonic()
            trainer.train()
            minutes = (time.monotonic() - start) / 60
            cells = [
                loss,
                r1 or "",
                "yes" if spectral_norm else "",
                f"{distance_before:.3f}",
                f"{distance(trainer):.3f}",
                "; ".join(alarms(trainer)),
                f"{minutes:.1f}",
            ]
            print(f"| {' | '.join(map(str, cells))} |", file=table, flush=True)


if __name__ == "__main__":
    main()
