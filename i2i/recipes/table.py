"""The table of recipes: what is trained, on which kind of data, and with which settings.

``paper`` rows reproduce the publications; a departure is a comment with its reason. ``tiny`` rows are the same
methods made small enough to be watched on a plain CPU. ``fast`` rows are ours: the best for the least time, by
measured comparison (tests/benchmarks/README.md).
"""

from i2i.data.dataset import OneWayConfig, PairedConfig, PhotosConfig, UnpairedConfig
from i2i.losses.adversarial import AdversarialConfig
from i2i.methods.cut import CUTConfig
from i2i.methods.cyclegan import CycleGANConfig
from i2i.methods.gan import GANConfig
from i2i.methods.pix2pix import Pix2PixConfig
from i2i.methods.regression import RegressionConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    MLPConfig,
    PatchGANConfig,
    ResnetConfig,
    RestorerConfig,
    UnetConfig,
)
from i2i.recipes.recipe import Recipe
from i2i.training.config import TrainingConfig

RECIPES: dict[str, dict[str, Recipe]] = {
    "cyclegan": {
        # Zhu et al. 2017, section 4 and appendix 7; 266,800 steps on horse2zebra.
        "paper": Recipe(
            objective="cyclegan", name="paper",
            data=UnpairedConfig(), model=CycleGANConfig(), training=TrainingConfig(),
        ),
        # Ours: at equal time ahead of the paper's networks on horse2zebra at 128 px by far; the U-Net's skips keep the
        # landscape from the first minutes on.
        "fast": Recipe(
            objective="cyclegan", name="fast",
            data=UnpairedConfig(size=128, jitter=136 / 128),
            model=CycleGANConfig(
                generator=UnetConfig(ngf=32, norm="instance", dropout=0.0, inference="eval"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
            ),
            training=TrainingConfig(epochs=50, lr=4e-4, ema=0.998),
        ),
        "tiny": Recipe(
            objective="cyclegan", name="tiny",
            data=UnpairedConfig(size=64, jitter=68 / 64),
            # A U-Net: at this size a third of the residual generator's time, and its skips keep the landscape.
            model=CycleGANConfig(
                generator=UnetConfig(ngf=32, norm="instance", dropout=0.0, inference="eval"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
                weight_identity=1.0,
            ),
            training=TrainingConfig(steps=600, batch_size=4, lr=4e-4, ema=0.99, sample_every=100, save_minutes=1.0),
        ),
    },
    "cut": {
        # Park et al. 2020, section 4 and appendix C. Their code also stops cropping once the learning rate falls.
        "paper": Recipe(
            objective="cut", name="paper",
            data=OneWayConfig(), model=CUTConfig(), training=TrainingConfig(epochs=400),
        ),
        # The same, as FastCUT: 150 epochs and 50 of falling learning rate.
        "fastcut": Recipe(
            objective="cut", name="fastcut",
            data=OneWayConfig(),
            model=CUTConfig(weight_nce=10.0, nce_identity=False, flip_equivariance=True),
            training=TrainingConfig(epochs=200, decay=0.25),
        ),
        # Ours: of what was tried on horse2zebra at 128 px it came closest to zebras within 18 minutes of one core.
        # It begins at the picture itself, so all of its time goes into the change; a step takes a third of FastCUT's.
        "fast": Recipe(
            objective="cut", name="fast",
            data=OneWayConfig(size=128),
            model=CUTConfig(
                generator=ResnetConfig(
                    ngf=32, blocks=6, upsampling="resize", antialias=True, residual=True, init="xavier",
                ),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34, antialias=True, init="xavier"),
                nce_identity=False, flip_equivariance=True,
            ),
            training=TrainingConfig(epochs=20, decay=0.25, lr=4e-4, ema=0.998),
        ),
        "tiny": Recipe(
            objective="cut", name="tiny",
            data=OneWayConfig(size=64, jitter=68 / 64),
            model=CUTConfig(
                generator=ResnetConfig(ngf=24, blocks=4),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
                nce_layers="0,4,7,10,13", nce_features=64,
            ),
            training=TrainingConfig(steps=600, batch_size=4, lr=4e-4, ema=0.99, sample_every=100, save_minutes=1.0),
        ),
    },
    "pix2pix": {
        # Isola et al. 2017, section 3; the schedule is that of the PyTorch implementation.
        "paper": Recipe(
            objective="pix2pix", name="paper",
            data=PairedConfig(), model=Pix2PixConfig(), training=TrainingConfig(),
        ),
        # Ours: the best of three on facades at 128 px after four minutes of one core, and without the U-Net's grid.
        "fast": Recipe(
            objective="pix2pix", name="fast",
            data=PairedConfig(size=128, jitter=136 / 128),
            model=Pix2PixConfig(
                generator=ResnetConfig(ngf=32, blocks=6, upsampling="resize"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
            ),
            training=TrainingConfig(epochs=50, lr=4e-4, ema=0.99),
        ),
        # Optimiser, EMA and the ratio of the losses from Real-ESRGAN (Wang et al. 2021, section 4.1).
        "restore": Recipe(
            objective="pix2pix", name="restore",
            data=PairedConfig(size=128),
            model=Pix2PixConfig(
                generator=RestorerConfig(width=48),
                discriminator=PatchGANConfig(norm="none", spectral_norm=True),
                weight_l1=10.0, weight_perceptual=10.0,
            ),
            training=TrainingConfig(
                steps=100_000, batch_size=8, lr=1e-4, betas=(0.9, 0.99), schedule="cosine", ema=0.999,
            ),
        ),
        "tiny": Recipe(
            objective="pix2pix", name="tiny",
            data=PairedConfig(size=64, jitter=68 / 64),
            model=Pix2PixConfig(
                generator=UnetConfig(ngf=24, norm="instance", dropout=0.0, inference="eval"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
            ),
            training=TrainingConfig(steps=1500, batch_size=4, lr=4e-4, ema=0.99, sample_every=200, save_minutes=1.0),
        ),
    },
    # Ours: 1 M weights at half resolution. Of two widths the better after four minutes of CPU; other kinds of network
    # were compared by the time of a step alone (tests/benchmarks/restoration.md).
    "regression": {
        "fast": Recipe(
            objective="regression", name="fast",
            data=PairedConfig(size=128),
            model=RegressionConfig(),
            training=TrainingConfig(
                steps=100_000, batch_size=8, lr=1e-3, betas=(0.9, 0.999), schedule="cosine", warmup=500, ema=0.999,
                clip_norm=0.5,  # some 5 times a usual one: without norms, one batch can throw the network off for good
            ),
        ),
        "tiny": Recipe(
            objective="regression", name="tiny",
            data=PairedConfig(size=64),
            model=RegressionConfig(generator=RestorerConfig(width=24, depth=1)),
            training=TrainingConfig(
                steps=2000, batch_size=8, lr=1e-3, betas=(0.9, 0.999), schedule="cosine", warmup=100, ema=0.99,
                clip_norm=0.5, sample_every=200, save_minutes=1.0,
            ),
        ),
    },
    "gan": {
        # DCGAN, Radford et al. 2016, section 4 and figure 1. The length is not in the paper: 25 epochs of 200,000 faces
        # is that of the authors' Torch code; in steps, for it would be over at once with the few photos of a user.
        "paper": Recipe(
            objective="gan", name="paper",
            data=PhotosConfig(flip=False),
            model=GANConfig(
                networks=DCGANConfig(
                    generator=DCGANGeneratorConfig(ngf=128), discriminator=DCGANDiscriminatorConfig(ndf=128),
                ),
            ),
            training=TrainingConfig(steps=40_000, batch_size=128, betas=(0.5, 0.999), schedule="constant"),
        ),
        # Goodfellow et al. 2014, section 5. Adam stands for their SGD with momentum, and colour for their grey digits.
        "gan": Recipe(
            objective="gan", name="gan",
            data=PhotosConfig(size=32, flip=False),
            model=GANConfig(networks=MLPConfig()),
            training=TrainingConfig(steps=40_000, batch_size=100, betas=(0.5, 0.999), schedule="constant"),
        ),
        # Arjovsky et al. 2017, algorithm 1 and section 4.1: 100,000 turns of G.
        "wgan": Recipe(
            objective="gan", name="wgan",
            data=PhotosConfig(flip=False),
            model=GANConfig(adversarial=AdversarialConfig(loss="wgan", clip=0.01, critic_steps=5)),
            training=TrainingConfig(
                steps=500_000, batch_size=64, optimizer="rmsprop", lr=5e-5, schedule="constant",
            ),
        ),
        # Gulrajani et al. 2017, algorithm 1, with the DCGAN of section 5.1: 100,000 turns of G.
        "wgan-gp": Recipe(
            objective="gan", name="wgan-gp",
            data=PhotosConfig(flip=False),
            model=GANConfig(
                networks=DCGANConfig(discriminator=DCGANDiscriminatorConfig(norm="none")),
                adversarial=AdversarialConfig(loss="wgan-gp", weight_gp=10.0, critic_steps=5),
            ),
            training=TrainingConfig(steps=500_000, batch_size=64, lr=1e-4, betas=(0.0, 0.9), schedule="constant"),
        ),
        "tiny": Recipe(
            objective="gan", name="tiny",
            data=PhotosConfig(size=32),
            # No batch norm in D, so that every one of the losses goes with it. It sees the whole batch, which keeps G
            # from painting one picture alone.
            model=GANConfig(
                networks=DCGANConfig(
                    generator=DCGANGeneratorConfig(latent=64, ngf=32),
                    discriminator=DCGANDiscriminatorConfig(ndf=32, norm="none", minibatch_std=True),
                ),
            ),
            training=TrainingConfig(
                steps=4000, batch_size=64, lr=1e-3, betas=(0.5, 0.999), ema=0.995, sample_every=500, save_minutes=1.0,
            ),
        ),
    },
}  # fmt: skip
