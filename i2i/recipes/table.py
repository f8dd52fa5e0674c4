"""The table of recipes: method, kind of data, and settings.

``paper`` recipes have the settings of the publications; a comment states each departure with its reason. ``fast``
recipes are ours: they were chosen by measurements (i2i/docs/measurements.md). ``tiny`` recipes are small enough to
follow a training on a plain CPU.
"""

from i2i.data.clean_crops import CleanCropConfig
from i2i.data.config import DirectedConfig, PairedConfig, SingleDomainConfig, SourceConfig, UnpairedConfig
from i2i.losses.adversarial import AdversarialConfig
from i2i.methods.cut import CUTConfig
from i2i.methods.cyclegan import CycleGANConfig
from i2i.methods.distill import DistillConfig
from i2i.methods.gan import GANConfig
from i2i.methods.pix2pix import Pix2PixConfig
from i2i.methods.regression import RegressionConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    MLPConfig,
    PatchGANConfig,
    ProjectedConfig,
    ResnetConfig,
    RestorerConfig,
    UnetConfig,
)
from i2i.recipes.recipe import Recipe
from i2i.training.config import TrainingConfig

# For photos as people have them: the network also learns from grey images, edited colours, text and drawings.
VARIED_CROPS = CleanCropConfig(drawn_fraction=0.1, grey_fraction=0.1, colour_jitter=0.3)

# (method, former name) to the present name, for runs, files and commands that state the former one.
FORMER_NAMES = {("cut", "projected"): "fast"}

RECIPES: dict[str, dict[str, Recipe]] = {
    "cyclegan": {
        # Zhu et al. 2017, section 4 and appendix 7; 266,800 steps on horse2zebra.
        "paper": Recipe(
            method="cyclegan", name="paper",
            data=UnpairedConfig(), model=CycleGANConfig(), training=TrainingConfig(),
        ),
        # Ours: much better than the paper's networks at equal time on horse2zebra at 128 px. The U-Net's skips keep the
        # landscape from the first minutes on.
        "fast": Recipe(
            method="cyclegan", name="fast",
            data=UnpairedConfig(size=128, resize_scale=136 / 128),
            model=CycleGANConfig(
                generator=UnetConfig(ngf=32, norm="instance", dropout=0.0, inference_mode="eval"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
            ),
            training=TrainingConfig(epochs=50, lr=4e-4, ema=0.998),
        ),
        "tiny": Recipe(
            method="cyclegan", name="tiny",
            data=UnpairedConfig(size=64, resize_scale=68 / 64),
            # A U-Net takes a third of the residual generator's time at this size, and its skips keep the landscape.
            model=CycleGANConfig(
                generator=UnetConfig(ngf=32, norm="instance", dropout=0.0, inference_mode="eval"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
                weight_identity=1.0,
            ),
            training=TrainingConfig(
                steps=600, batch_size=4, lr=4e-4, ema=0.99, sample_every=100, save_every_minutes=1.0,
            ),
        ),
    },
    "cut": {
        # Park et al. 2020, section 4 and appendix C. Their code also stops cropping when the learning rate decays.
        "paper": Recipe(
            method="cut", name="paper",
            data=DirectedConfig(), model=CUTConfig(), training=TrainingConfig(epochs=400),
        ),
        # FastCUT of the same paper: 150 epochs, then 50 epochs of learning-rate decay.
        "fastcut": Recipe(
            method="cut", name="fastcut",
            data=DirectedConfig(),
            model=CUTConfig(weight_nce=10.0, nce_identity=False, flip_equivariance=True),
            training=TrainingConfig(epochs=200, decay_fraction=0.25),
        ),
        # Ours: the training of the shipped model `horse2zebra`, to its length: 470 seconds of an H200 that three other
        # trainings shared. The reduced skip carries the colours past the norms; the identity and background losses
        # hold the ground. The discriminator sees frozen AlexNet features beside the pixels.
        "fast": Recipe(
            method="cut", name="fast",
            data=DirectedConfig(size=256),
            model=CUTConfig(
                generator=ResnetConfig(
                    ngf=48, blocks=6, upsampling="resize", antialias=True, skip_input=True, skip_reduction=8,
                    weight_init="xavier",
                ),
                discriminator=ProjectedConfig(antialias=True, weight_init="xavier", enlarge=1.0),
                adversarial=AdversarialConfig(loss="hinge", augment="diffaugment"),
                nce_identity=False, weight_identity=2.0, weight_background=3.0,
            ),
            training=TrainingConfig(steps=2500, batch_size=2, decay_fraction=0.35, lr=4e-4, ema=0.998),
        ),
        # Ours: `fast` for an hour of one core. The large ε and the usual size of the initial weights let feature maps
        # stay quiet, so that the ground keeps its colours. D sees AlexNet features of images enlarged to 256 px.
        "cpu": Recipe(
            method="cut", name="cpu",
            data=DirectedConfig(size=128),
            model=CUTConfig(
                generator=ResnetConfig(
                    ngf=32, blocks=6, upsampling="resize", antialias=True, skip_input=True, skip_reduction=8,
                    norm_eps=1.0, weight_init="kaiming", output_gain=0.1,
                ),
                discriminator=ProjectedConfig(antialias=True, weight_init="kaiming", enlarge=2.0),
                adversarial=AdversarialConfig(loss="hinge", augment="diffaugment"),
                nce_identity=False, weight_identity=2.0, weight_background=3.0,
            ),
            training=TrainingConfig(steps=1600, batch_size=1, decay_fraction=0.35, lr=4e-4, ema=0.998),
        ),
        "tiny": Recipe(
            method="cut", name="tiny",
            data=DirectedConfig(size=64, resize_scale=68 / 64),
            model=CUTConfig(
                generator=ResnetConfig(ngf=24, blocks=4),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
                nce_layers="0,4,7,10,13", nce_dim=64,
            ),
            training=TrainingConfig(
                steps=600, batch_size=4, lr=4e-4, ema=0.99, sample_every=100, save_every_minutes=1.0,
            ),
        ),
    },
    "pix2pix": {
        # Isola et al. 2017, section 3; the schedule is that of the PyTorch implementation.
        "paper": Recipe(
            method="pix2pix", name="paper",
            data=PairedConfig(), model=Pix2PixConfig(), training=TrainingConfig(),
        ),
        # Ours: the best of three on facades at 128 px after four minutes of one core, without the U-Net's checkerboard.
        "fast": Recipe(
            method="pix2pix", name="fast",
            data=PairedConfig(size=128, resize_scale=136 / 128),
            model=Pix2PixConfig(
                generator=ResnetConfig(ngf=32, blocks=6, upsampling="resize"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
            ),
            training=TrainingConfig(epochs=50, lr=4e-4, ema=0.99),
        ),
        # Optimizer, EMA and the ratio of the losses are those of Real-ESRGAN (Wang et al. 2021, section 4.1).
        "restore": Recipe(
            method="pix2pix", name="restore",
            data=PairedConfig(size=128, clean_crops=VARIED_CROPS),
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
            method="pix2pix", name="tiny",
            data=PairedConfig(size=64, resize_scale=68 / 64),
            model=Pix2PixConfig(
                generator=UnetConfig(ngf=24, norm="instance", dropout=0.0, inference_mode="eval"),
                discriminator=PatchGANConfig(ndf=32, receptive_field=34),
            ),
            training=TrainingConfig(
                steps=1500, batch_size=4, lr=4e-4, ema=0.99, sample_every=200, save_every_minutes=1.0,
            ),
        ),
    },
    # Ours: 1 M weights at half resolution. The better of two widths after four minutes of CPU; other architectures were
    # compared only by the time of a step (i2i/docs/measurements.md).
    "regression": {
        "fast": Recipe(
            method="regression", name="fast",
            data=PairedConfig(size=128, clean_crops=VARIED_CROPS),
            model=RegressionConfig(),
            training=TrainingConfig(
                steps=100_000, batch_size=8, lr=1e-3, betas=(0.9, 0.999), schedule="cosine", warmup=500, ema=0.999,
                grad_clip=0.5,  # some 5 times a usual norm: without norm layers, one batch can make the network diverge
            ),
        ),
        "tiny": Recipe(
            method="regression", name="tiny",
            data=PairedConfig(size=64),
            model=RegressionConfig(generator=RestorerConfig(width=24, depth=1)),
            training=TrainingConfig(
                steps=2000, batch_size=8, lr=1e-3, betas=(0.9, 0.999), schedule="cosine", warmup=100, ema=0.99,
                grad_clip=0.5, sample_every=200, save_every_minutes=1.0,
            ),
        ),
    },
    # Ours.
    "distill": {
        "fast": Recipe(
            method="distill", name="fast",
            data=SourceConfig(), model=DistillConfig(),
            training=TrainingConfig(
                steps=20_000, batch_size=4, lr=1e-3, betas=(0.9, 0.999), schedule="cosine", warmup=200, ema=0.999,
            ),
        ),
        "restore": Recipe(
            method="distill", name="restore",
            data=SourceConfig(size=128, clean_crops=VARIED_CROPS),
            model=DistillConfig(generator=RestorerConfig(width=16), weight_feature=0.0),
            training=TrainingConfig(
                steps=50_000, batch_size=8, lr=1e-3, betas=(0.9, 0.999), schedule="cosine", warmup=200, ema=0.999,
                grad_clip=0.5,
            ),
        ),
    },
    "gan": {
        # DCGAN, Radford et al. 2016, section 4 and figure 1. The paper does not give the length: 25 epochs of 200,000
        # faces is that of the authors' Torch code. It is given in steps, because 25 epochs of a small dataset are few.
        "paper": Recipe(
            method="gan", name="paper",
            data=SingleDomainConfig(flip=False),
            model=GANConfig(
                networks=DCGANConfig(
                    generator=DCGANGeneratorConfig(ngf=128), discriminator=DCGANDiscriminatorConfig(ndf=128),
                ),
            ),
            training=TrainingConfig(steps=40_000, batch_size=128, betas=(0.5, 0.999), schedule="constant"),
        ),
        # Goodfellow et al. 2014, section 5. Departures: Adam in place of SGD with momentum; colour images in place of
        # grey digits.
        "gan": Recipe(
            method="gan", name="gan",
            data=SingleDomainConfig(size=32, flip=False),
            model=GANConfig(networks=MLPConfig()),
            training=TrainingConfig(steps=40_000, batch_size=100, betas=(0.5, 0.999), schedule="constant"),
        ),
        # Arjovsky et al. 2017, algorithm 1 and section 4.1: 100,000 turns of G.
        "wgan": Recipe(
            method="gan", name="wgan",
            data=SingleDomainConfig(flip=False),
            model=GANConfig(adversarial=AdversarialConfig(loss="wgan", weight_clip=0.01, d_steps=5)),
            training=TrainingConfig(
                steps=500_000, batch_size=64, optimizer="rmsprop", lr=5e-5, schedule="constant",
            ),
        ),
        # Gulrajani et al. 2017, algorithm 1, with the DCGAN of section 5.1: 100,000 turns of G.
        "wgan-gp": Recipe(
            method="gan", name="wgan-gp",
            data=SingleDomainConfig(flip=False),
            model=GANConfig(
                networks=DCGANConfig(discriminator=DCGANDiscriminatorConfig(norm="none")),
                adversarial=AdversarialConfig(loss="wgan-gp", weight_gradient_penalty=10.0, d_steps=5),
            ),
            training=TrainingConfig(steps=500_000, batch_size=64, lr=1e-4, betas=(0.0, 0.9), schedule="constant"),
        ),
        "tiny": Recipe(
            method="gan", name="tiny",
            data=SingleDomainConfig(size=32),
            # No batch norm in D, so that every GAN loss works with it. Minibatch std against mode collapse of G.
            model=GANConfig(
                networks=DCGANConfig(
                    generator=DCGANGeneratorConfig(latent=64, ngf=32),
                    discriminator=DCGANDiscriminatorConfig(ndf=32, norm="none", minibatch_std=True),
                ),
            ),
            training=TrainingConfig(
                steps=4000, batch_size=64, lr=1e-3, betas=(0.5, 0.999), ema=0.995, sample_every=500,
                save_every_minutes=1.0,
            ),
        ),
    },
}  # fmt: skip
