"""Gradients of a batch that is split into micro-batches, against those of the whole batch."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.losses.adversarial import AdversarialConfig
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.methods.base import Method
from i2i.methods.cut import CUTConfig
from i2i.methods.cyclegan import CycleGANConfig
from i2i.methods.gan import GANConfig
from i2i.methods.pix2pix import Pix2PixConfig
from i2i.methods.regression import RegressionConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    IdentityConfig,
    MLPConfig,
    MLPDiscriminatorConfig,
    MLPGeneratorConfig,
    PatchGANConfig,
    ResnetConfig,
    RestorerConfig,
    UnetConfig,
)
from i2i.training.config import TrainingConfig
from i2i.training.train_step import TrainStep
from tests.methods.helpers import random_batch

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SIZE = 16
COUNT = 4  # images of each domain in a step
RESNET = ResnetConfig(ngf=2, blocks=1, weight_init="kaiming")
PATCHGAN = PatchGANConfig(ndf=2, receptive_field=16, weight_init="kaiming")
DCGAN = DCGANConfig(
    generator=DCGANGeneratorConfig(latent=4, ngf=2, norm="instance", weight_init="kaiming"),
    discriminator=DCGANDiscriminatorConfig(ndf=2, norm="none", weight_init="kaiming"),
)


def cyclegan(**options: Any) -> CycleGANConfig:
    return CycleGANConfig(**{"generator": RESNET, "discriminator": PATCHGAN, "pool_size": 3, **options})


def cut(**options: Any) -> CUTConfig:
    return CUTConfig(**{
        "generator": RESNET, "discriminator": PATCHGAN, "nce_layers": "0,4", "nce_dim": 4, **options
    })  # fmt: skip


def pix2pix(**options: Any) -> Pix2PixConfig:
    return Pix2PixConfig(**{"generator": RESNET, "discriminator": PATCHGAN, **options})


def gan(**options: Any) -> GANConfig:
    return GANConfig(**{"networks": DCGAN, **options})


@pytest.fixture
def draws_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace random numbers, of which the parts of a batch draw others than the whole, by constants."""
    rand = torch.rand

    def constant_interpolation(*shape: Any, **options: Any) -> Tensor:
        drawn = rand(*shape, **options)
        return torch.full_like(drawn, 0.3) if drawn.shape[1:] == (1, 1, 1) else drawn

    monkeypatch.setattr(torch, "rand", constant_interpolation)
    monkeypatch.setattr("i2i.methods.gan.GAN.draw_latents", lambda self, like: like.flatten(1)[:, :4])
    monkeypatch.setattr("i2i.methods.cut.coin_flips", lambda images, groups: images.flatten(1)[:, :1] > 0)
    monkeypatch.setattr(
        "i2i.methods.cut.sample_locations",
        lambda features, count, groups: torch.arange(8).expand(len(features), 8),
    )


def train(method: Method, sizes: int | None, steps: int = 2, size: int = SIZE, **training: Any) -> dict[str, Tensor]:
    """Train on random batches, and return the gradients of the last step, the losses, and the state."""
    train_step = TrainStep(method, TrainingConfig(**training), CPU, torch.float64)
    train_step.micro_batch_size = sizes
    # Gradient descent: Adam's first steps are the signs of the gradients, also of those near 0.
    train_step.optimizers = {player: torch.optim.SGD(weights) for player, weights in train_step.parameters.items()}
    torch.manual_seed(1)
    results: dict[str, Tensor] = {}
    for step in range(steps):
        batch = random_batch(COUNT, size, domains=1 if "gan.GAN" in str(type(method)) else 2, dtype=torch.float64)
        torch.manual_seed(step)  # the image pool draws on the host, once for a step
        results |= train_step(batch, step, 1e-3)
    results |= {f"{name}.grad": x.grad for name, x in method.named_parameters() if x.grad is not None}
    return results | {name: value for name, value in method.state_dict().items() if isinstance(value, Tensor)}


def assert_equal_results(config: Any, sizes: int, size: int = SIZE, **training: Any) -> None:
    torch.manual_seed(0)
    method = config.build(size).double()
    whole, parts = (train(copy.deepcopy(method), n, size=size, **training) for n in (None, sizes))
    assert any(name.endswith(".grad") for name in whole)
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-6, atol=1e-6 * float(value.abs().max() or 1), msg=name)


@pytest.mark.usefixtures("draws_by_image")
@pytest.mark.parametrize("make", [cyclegan, cut, pix2pix, gan])
@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_micro_batches_give_the_gradients_of_the_whole_batch(make: Callable[..., Any], loss: str) -> None:
    penalties = AdversarialConfig(loss=loss, r1=1.0, r1_every=1) if loss != "wgan-gp" else AdversarialConfig(loss=loss)
    assert_equal_results(make(adversarial=penalties), 1 if loss == "hinge" else 3)


SPECTRAL = PatchGANConfig(ndf=2, receptive_field=16, spectral_norm=True, scales=2)
OTHER_CONFIGS = {
    "features of pairs": pix2pix(discriminator=SPECTRAL, adversarial=AdversarialConfig(weight_feature_matching=10.0)),
    "ada": cyclegan(adversarial=AdversarialConfig(augment="ada", ada_images=4, ada_target=0.99)),
    "several turns of D": cyclegan(adversarial=AdversarialConfig(d_steps=2)),
    "spectral norm of G": pix2pix(generator=ResnetConfig(ngf=2, blocks=1, spectral_norm=True)),
    "flips": cut(flip_equivariance=True, nce_identity=False, weight_background=1.0),
    "identity of B": cut(weight_identity=1.0),
    "reconstruction": cut(reconstruction_steps=9),
    "mlp": gan(
        networks=MLPConfig(
            generator=MLPGeneratorConfig(latent=4, width=8),
            discriminator=MLPDiscriminatorConfig(width=8, dropout=0.0),
        )
    ),
    "restorer": RegressionConfig(generator=RestorerConfig(width=4, depth=1), weight_ms_ssim=0.5),
    "l1": RegressionConfig(generator=RESNET, pixel_loss="l1"),
    "l2": RegressionConfig(generator=RESNET, pixel_loss="l2"),
}


@pytest.mark.usefixtures("draws_by_image")
@pytest.mark.parametrize("name", OTHER_CONFIGS)
def test_micro_batches_give_the_gradients_of_the_whole_batch_with(name: str) -> None:

    assert_equal_results(OTHER_CONFIGS[name], 2, size=32 if name == "features of pairs" else SIZE, steps=5)


@pytest.mark.usefixtures("draws_by_image")
def test_gradients_are_clipped_by_the_norm_of_the_whole_batch() -> None:
    assert_equal_results(pix2pix(), 1, grad_clip=0.01)


@pytest.mark.parametrize("make", [pix2pix, cut])
def test_parts_that_wait_for_the_next_turn_keep_no_activations(make: Callable[..., Any]) -> None:
    """The tensors that the turns of a part keep for G's backward pass, while D has its turn, are few."""
    method = make(generator=ResnetConfig(ngf=8, blocks=4)).build(32)
    kept = {}
    for recompute in (False, True):
        method.recompute_generators = recompute
        sizes: list[int] = []
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda x, sizes=sizes: sizes.append(x.numel()) or x,  # type: ignore[func-returns-value, misc]
            lambda x: x,
        )
        with hooks:
            next(method.turns(random_batch(1, 32), 0))
        kept[recompute] = sum(sizes)
    assert kept[True] < 0.5 * kept[False]


def test_checkpointed_activations_give_equal_gradients_in_a_training() -> None:
    torch.manual_seed(0)
    config = Pix2PixConfig(generator=UnetConfig(ngf=2), discriminator=PATCHGAN)
    method = config.build(32)
    results = []
    for checkpointing in (False, True):
        twin = copy.deepcopy(method)
        train_step = TrainStep(twin, TrainingConfig(checkpoint_activations=checkpointing), CPU, torch.float32)
        torch.manual_seed(2)
        for step in range(2):
            train_step(random_batch(2, 32), step, 1e-3)
        results.append(twin.state_dict())
    for name, value in results[0].items():
        assert torch.equal(value, results[1][name]), name


def test_checkpointing_that_changes_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    method = Pix2PixConfig(generator=IdentityConfig(), discriminator=PATCHGAN).build(32)
    TrainStep(method, TrainingConfig(checkpoint_activations=True), CPU, torch.float32)
    assert any("--checkpoint-activations has no effect" in message for message in caplog.messages)
