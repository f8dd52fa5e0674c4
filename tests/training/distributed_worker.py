"""One rank of a distributed training step, for ``test_distributed``: python -m tests.training.distributed_worker OUT.

Trains each config for two steps on this rank's images of a batch, and saves gradients, losses and states.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i.distributed import num_ranks, process_group, rank
from i2i.losses.adversarial import AdversarialConfig
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.methods.base import Method
from i2i.methods.regression import RegressionConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    MLPConfig,
    MLPDiscriminatorConfig,
    MLPGeneratorConfig,
    PatchGANConfig,
    RestorerConfig,
    UnetConfig,
)
from i2i.training.config import TrainingConfig
from i2i.training.ema import EMA
from i2i.training.train_step import TrainStep
from tests.methods.helpers import random_batch
from tests.training.test_accumulation import COUNT, CPU, RESNET, SIZE, cut, cyclegan, gan, pix2pix


def penalised(loss: str) -> AdversarialConfig:
    return AdversarialConfig(loss=loss) if loss == "wgan-gp" else AdversarialConfig(loss=loss, r1=1.0, r1_every=1)


BATCH_NORM = PatchGANConfig(ndf=2, receptive_field=16, norm="batch", weight_init="kaiming")
FEATURES = AdversarialConfig(weight_feature_matching=10.0)
CONFIGS: dict[str, Any] = {
    **{f"{make.__name__} {loss}": make(adversarial=penalised(loss)) for make in (cyclegan, cut, pix2pix, gan)
       for loss in GAN_LOSSES},
    "ada": cyclegan(adversarial=AdversarialConfig(augment="ada", ada_images=4, ada_target=0.99)),
    "ada-bgc": pix2pix(adversarial=AdversarialConfig(augment="ada-bgc", ada_images=4, ada_target=0.01)),
    "diffaugment": pix2pix(adversarial=AdversarialConfig(augment="diffaugment")),
    "several turns of D": cyclegan(adversarial=AdversarialConfig(d_steps=2)),
    "flips": cut(flip_equivariance=True, nce_identity=False, weight_background=1.0),
    "identity of B": cut(weight_identity=1.0),
    "spectral norm": pix2pix(discriminator=PatchGANConfig(ndf=2, receptive_field=16, spectral_norm=True)),
    "batch norm": pix2pix(discriminator=BATCH_NORM),
    "batch norm and dropout of G": pix2pix(generator=UnetConfig(ngf=1), discriminator=BATCH_NORM),
    "features of pairs": pix2pix(adversarial=FEATURES),
    "features of the batch": gan(adversarial=FEATURES),
    "minibatch std": gan(networks=DCGANConfig(
        generator=DCGANGeneratorConfig(latent=4, ngf=2, norm="batch", weight_init="kaiming"),
        discriminator=DCGANDiscriminatorConfig(ndf=2, norm="none", minibatch_std=True, weight_init="kaiming"),
    )),
    "mlp with dropout": gan(networks=MLPConfig(
        generator=MLPGeneratorConfig(latent=4, width=8), discriminator=MLPDiscriminatorConfig(width=8, dropout=0.5)
    )),
    "restorer": RegressionConfig(generator=RestorerConfig(width=4, depth=1), weight_ms_ssim=0.5),
    "regression l2": RegressionConfig(generator=RESNET, pixel_loss="l2"),
}  # fmt: skip


def train(method: Method, size: int, accumulate: int = 1, **training: Any) -> dict[str, Tensor]:
    """Train two steps on this rank's images of random batches. Returns losses, gradients and states."""
    count = COUNT // num_ranks()
    config = TrainingConfig(batch_size=count // accumulate, accumulate=accumulate, **training)
    train_step = TrainStep(method, config, CPU, torch.float64)
    # Gradient descent: Adam's first steps are the signs of the gradients, also of those near 0.
    train_step.optimizers = {player: torch.optim.SGD(weights) for player, weights in train_step.parameters.items()}
    ema = EMA(method.translators(), 0.9)
    torch.manual_seed(1)
    results: dict[str, Tensor] = {}
    for step in range(2):
        domains = 1 if "gan.GAN" in str(type(method)) else 2
        generator_state = torch.get_rng_state()
        batch = random_batch(COUNT, size, domains=domains, dtype=torch.float64)
        torch.set_rng_state(generator_state)
        own = tuple(images[rank() * count : (rank() + 1) * count] for images in batch)
        results |= {f"loss {name}": loss.double() for name, loss in train_step(own, step, 1e-3).items()}
        ema.update(step + 1)
    results |= {f"{name}.grad": x.grad for name, x in method.named_parameters() if x.grad is not None}
    results |= {f"ema {name}": value for name, value in ema.module.state_dict().items()}
    results |= {name: value for name, value in method.state_dict().items() if isinstance(value, Tensor)}
    return {**results, "random state": torch.get_rng_state()}


def results_of(name: str, **training: Any) -> dict[str, Tensor]:
    """Return the results of a config, whose networks have the same weights on every rank."""
    torch.manual_seed(0)
    size = 32 if name == "batch norm and dropout of G" else SIZE
    return train(CONFIGS[name].build(size).double(), size, **training)


def main() -> None:
    with process_group(CPU):
        results = {name: results_of(name) for name in CONFIGS}
        if num_ranks() == 2:
            results["clipped"] = results_of("pix2pix lsgan", grad_clip=0.01)
            results["accumulated"] = results_of("pix2pix hinge", accumulate=2)
        torch.save(results, Path(sys.argv[1]) / f"rank-{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main()
