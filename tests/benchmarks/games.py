"""Every adversarial loss, with and without R1 and spectral norm: does it come closer to its data, without an alarm?

python -m tests.benchmarks.games --steps 400 --out table.md

Trains the tiny DCGAN on `shapes` and the tiny CycleGAN on `stripes`, 24 ways each, in a folder of their own.
"""

import argparse
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
from i2i.data.synthetic import make
from i2i.images import to_float
from i2i.losses.adversarial import GAMES
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer

WAYS = list(product((0.0, 0.1), (False, True)))  # γ of R1, and whether D has spectral norm
SHOWN = 48  # pictures of each kind that are compared


def sliced_distance(one: Tensor, other: Tensor) -> float:
    """Sliced Wasserstein-1 distance of two sets of pictures (N, 3, H, W), seen at 8×8 pixels (Rabin et al. 2011)."""
    rng = torch.Generator().manual_seed(0)
    ways = F.normalize(torch.randn(192, 128, generator=rng), dim=0).to(one.device)
    a, b = (F.adaptive_avg_pool2d(pictures, 8).flatten(1) @ ways for pictures in (one, other))
    return float((a.sort(0).values - b.sort(0).values).abs().mean())


def alarms(trainer: Trainer) -> list[str]:
    return [row["sentence"] for row in read_log(trainer.run.path) if "alarm" in row]


def adversarial(game: str, r1: float) -> dict[str, Any]:
    return {"loss": game, "r1": r1, "r1_every": 4, "critic_steps": 2 if game.startswith("wgan") else 1}


def training(game: str) -> dict[str, Any]:
    """A clipped critic does not bear momentum (Arjovsky et al. 2017, section 4.3)."""
    return {"optimizer": "rmsprop", "lr": 5e-4} if game == "wgan" else {}


@torch.no_grad()
def distance(trainer: Trainer) -> float:
    """Of what the networks make, to real pictures of that kind."""

    def real(domain: int) -> Tensor:
        return torch.stack([to_float(trainer.pictures[k][domain]) for k in range(SHOWN)]).to(trainer.device)  # type: ignore[index]

    networks = trainer.translators()
    if "sample" in networks:
        return sliced_distance(networks["sample"](trainer.objective.fixed[:SHOWN]), real(0))  # type: ignore[index]
    return sliced_distance(networks["AtoB"](real(0)), real(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--objective", choices=["gan", "cyclegan"], default="gan")
    parser.add_argument("--losses", nargs="*", default=list(GAMES), choices=list(GAMES))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("games.md"), help="the table, written line by line")
    asked = parser.parse_args()
    out = asked.out.resolve()
    os.chdir(tempfile.mkdtemp(prefix="games-"))
    data = make("shapes" if asked.objective == "gan" else "stripes", Path("datasets") / "set")
    with out.open("w") as table:
        print("| loss | R1 | spectral norm | distance before | after | alarms | minutes |", file=table)
        print("| --- | --- | --- | --- | --- | --- | --- |", file=table)
        for game, (r1, spectral) in product(asked.losses, WAYS):
            critic: dict[str, Any] = {"discriminator": {"spectral_norm": spectral}}
            networks = {"networks": critic} if asked.objective == "gan" else critic
            changes = {
                "data": {"data": str(data)},
                "model": {"adversarial": adversarial(game, r1), **networks},
                "training": {"steps": asked.steps, "device": asked.device, "sample_every": 25, **training(game)},
            }
            name = f"{game}-{r1:g}-{'spectral' if spectral else 'plain'}"
            trainer = launch.start(asked.objective, "tiny", changes, name, TrainingProgress())
            before, began = distance(trainer), time.monotonic()
            trainer.train()
            minutes = (time.monotonic() - began) / 60
            cells = [game, r1 or "", "yes" if spectral else "", f"{before:.3f}", f"{distance(trainer):.3f}",
                     "; ".join(alarms(trainer)), f"{minutes:.1f}"]  # fmt: skip
            print(f"| {' | '.join(map(str, cells))} |", file=table, flush=True)


if __name__ == "__main__":
    main()
