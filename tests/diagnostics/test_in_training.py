"""The diagnostics on small real trainings, healthy ones and failing ones."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.diagnostics import (
    Alarm,
    AlarmMonitor,
    Recovery,
    SampleView,
    compute_health_metrics,
    flag_values,
    nonfinite_names,
)
from i2i.diagnostics import alarms as alarms_module
from i2i.losses.adversarial import AdversarialConfig
from i2i.methods.base import Method
from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.methods.gan import GAN, GANConfig
from i2i.methods.pix2pix import Pix2Pix, Pix2PixConfig
from i2i.networks import (
    DCGANConfig,
    DCGANDiscriminatorConfig,
    DCGANGeneratorConfig,
    IdentityConfig,
    PatchGANConfig,
    ResnetConfig,
)
from i2i.training.config import TrainingConfig
from i2i.training.train_step import TrainStep

SIZE = 32
SMALL = ResnetConfig(ngf=4, blocks=1, upsampling="resize")
DISCRIMINATOR = PatchGANConfig(ndf=4, receptive_field=16)
Domains = tuple[Tensor, ...]
GetViews = Callable[[], list[SampleView]]
LossesByStep = Iterator[tuple[int, dict[str, float]]]


@pytest.fixture(autouse=True)
def short_warmup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the warm-up to ten steps."""
    monkeypatch.setattr(alarms_module, "MIN_WARMUP_STEPS", 10)


def textures(seed: int, tint: float, count: int = 48) -> Tensor:
    """Return cloud textures of one tint: red above 0, blue below."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 4, 4, generator=generator) / 2
    clouds = F.interpolate(coarse, SIZE, mode="bicubic")
    clouds = clouds.mean(1, keepdim=True) + 0.3 * clouds + torch.tensor([tint, 0.0, -tint])[:, None, None]
    return (clouds + torch.randn(clouds.shape, generator=generator) * 0.03).clamp(-1, 1)


RED, BLUE = textures(0, 0.4), textures(1, -0.4)


def cyclegan_views(method: CycleGAN, domains: Domains = (RED, BLUE)) -> GetViews:
    def get_views() -> list[SampleView]:
        a, b = (images[:4] for images in domains)
        G, F = method.G, method.F
        return [
            SampleView(direction="A to B", input=a, output=G(a), target=b, inverse=F, discriminator=method.D_B),
            SampleView(direction="B to A", input=b, output=F(b), target=a, inverse=G, discriminator=method.D_A),
        ]

    return get_views


def pix2pix_views(method: Pix2Pix, a: Tensor, b: Tensor) -> GetViews:
    return lambda: [SampleView(direction="A to B", input=a[:4], output=method.G(a[:4]), target=b[:4], paired=True)]


def gan_views(method: GAN, real: Tensor) -> GetViews:
    return lambda: [SampleView(direction="samples", output=method.G(method.sample_latents[:16]), target=real[:16])]


def train(
    method: Method, domains: Domains, steps: int, lr: float, frozen: tuple[str, ...] = (), batch_size: int = 1
) -> LossesByStep:
    """Yield steps and their losses. The players in ``frozen`` are not trained."""
    train_step = TrainStep(method, TrainingConfig(lr=lr), torch.device("cpu"), torch.float32)
    train_step.parameters.update({player: [] for player in frozen})
    order = torch.Generator().manual_seed(0)
    for step in range(steps):
        batch = tuple(images[torch.randint(len(images), (batch_size,), generator=order)] for images in domains)
        yield step + 1, {name: float(loss) for name, loss in train_step(batch, step, lr).items()}


def collect_alarms(
    method: Any, get_views: GetViews, steps_and_losses: Iterator[tuple[int, dict[str, float]]], weight: float = 0.5
) -> list[Alarm]:
    """Return the alarms of a training, with losses checked every second and gan_views every tenth step."""
    outputs = method.discriminator_outputs
    monitor = AlarmMonitor(flag_values(method.config, TrainingConfig()), 100, weight, outputs)
    alarms: list[Alarm] = []
    for step, losses in steps_and_losses:
        if step % 2 == 0:
            alarms += monitor.check_losses(step, losses)
        if step % 10 == 0:
            with torch.no_grad():
                for view in get_views():
                    alarms += monitor.check_samples(step, view.direction, compute_health_metrics(view))
    return alarms


def names_and_directions(alarms: list[Alarm]) -> set[tuple[str, str]]:
    return {(alarm.name, alarm.direction) for alarm in alarms}


def cyclegan(**model: Any) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(
        CycleGANConfig(
            **{"generator": SMALL, "discriminator": DISCRIMINATOR, "pool_size": 4, "weight_identity": 0.0, **model}
        ),
        SIZE,
    )


@pytest.mark.slow
def test_a_healthy_cyclegan_raises_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms_module, "MIN_WARMUP_STEPS", 50)
    method = cyclegan(weight_identity=0.5)
    assert not collect_alarms(method, cyclegan_views(method), train(method, (RED, BLUE), 110, lr=4e-3))


def test_a_healthy_pix2pix_with_inverted_targets_raises_no_alarm() -> None:
    torch.manual_seed(0)
    method = Pix2Pix(Pix2PixConfig(generator=SMALL, discriminator=DISCRIMINATOR), SIZE)
    pairs = RED, -RED
    for _ in train(method, pairs, 40, lr=4e-3):  # past the initial phase
        pass
    assert not collect_alarms(method, pix2pix_views(method, *pairs), train(method, pairs, 60, lr=4e-3))


def test_a_discriminator_wins_against_a_frozen_generator() -> None:
    discriminator = PatchGANConfig(ndf=16, receptive_field=16)
    method = cyclegan(adversarial=AdversarialConfig(loss="non-saturating"), discriminator=discriminator)
    alarms = collect_alarms(method, lambda: [], train(method, (RED, BLUE), 110, lr=5e-3, frozen=("G",), batch_size=2))
    assert names_and_directions(alarms) == {("winning", "D_A"), ("winning", "D_B")}


def test_a_frozen_discriminator_is_fooled() -> None:
    method = cyclegan()
    alarms = collect_alarms(method, lambda: [], train(method, (RED, BLUE), 40, lr=2e-3, frozen=("D",)))
    assert names_and_directions(alarms) == {("fooled", "D_A"), ("fooled", "D_B")}


def test_a_discriminator_with_a_huge_penalty_has_constant_logits() -> None:
    method = cyclegan(adversarial=AdversarialConfig(r1=1e4, r1_every=1))
    for discriminator in (method.D_A, method.D_B):
        nn.init.zeros_(discriminator.to_logits.weight)  # as after a long training
        nn.init.constant_(discriminator.to_logits.bias, 0.5)
    alarms = collect_alarms(method, cyclegan_views(method), train(method, (RED, BLUE), 40, lr=1e-4))
    assert {("blind", "A to B"), ("blind", "B to A")} <= names_and_directions(alarms)
    assert "--r1 1000" in next(alarm.message for alarm in alarms if alarm.name == "blind")


def test_a_gan_with_a_frozen_discriminator_collapses() -> None:
    torch.manual_seed(0)
    networks = DCGANConfig(
        generator=DCGANGeneratorConfig(latent=8, ngf=4, norm="none"),
        discriminator=DCGANDiscriminatorConfig(ndf=4, norm="none"),
    )
    method = GAN(GANConfig(networks=networks), SIZE)
    for _ in train(method, (RED,), 60, lr=2e-3, batch_size=8):
        pass
    steps_and_losses = train(method, (RED,), 80, lr=5e-3, batch_size=8, frozen=("D",))
    assert ("collapsed", "samples") in names_and_directions(
        collect_alarms(method, gan_views(method, RED), steps_and_losses, weight=1.0)
    )


def test_a_cyclegan_that_starts_as_two_negatives_stays_inverted() -> None:
    class Negative(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Conv2d(3, 3, 1)
            with torch.no_grad():
                self.mix.weight.copy_(-torch.eye(3)[:, :, None, None])
                self.mix.bias.zero_()

        def forward(self, x: Tensor) -> Tensor:
            return self.mix(x)

    method = cyclegan()  # neither D nor the cycle loss can detect it: inverted clouds are clouds, and -(-x) is x
    method.G, method.F = Negative(), Negative()
    alarms = collect_alarms(method, cyclegan_views(method), train(method, (RED, BLUE), 40, lr=1e-3))
    assert names_and_directions(alarms) == {("inverted", "A to B"), ("inverted", "B to A")}
    assert alarms[0].message.endswith("start a new run (--name) with --weight-identity 1.")


def test_the_identity_network_raises_the_unchanged_alarm() -> None:
    method = cyclegan(generator=IdentityConfig())
    alarms = collect_alarms(method, cyclegan_views(method), train(method, (RED, BLUE), 40, lr=1e-4))
    assert names_and_directions(alarms) - {("fooled", "D_A"), ("fooled", "D_B")} == {
        ("unchanged", "A to B"),
        ("unchanged", "B to A"),
    }


def test_untrained_transposed_convolutions_leave_a_checkerboard() -> None:
    method = cyclegan(generator=ResnetConfig(ngf=4, blocks=1))
    alarms = collect_alarms(method, cyclegan_views(method), train(method, (RED, BLUE), 40, lr=1e-6))
    grids = [alarm for alarm in alarms if alarm.name == "checkerboard"]
    assert grids
    assert "--upsampling resize" in grids[0].message


def test_a_very_high_learning_rate_saturates_the_output() -> None:
    method = cyclegan()
    alarms = collect_alarms(method, cyclegan_views(method), train(method, (RED, BLUE), 40, lr=1.0))
    assert {("saturated", "A to B"), ("saturated", "B to A")} <= names_and_directions(alarms)


def test_a_saturated_last_layer_raises_only_the_black_alarm() -> None:
    method = cyclegan()
    for network in (method.G, method.F):
        nn.init.constant_(network.to_rgb[1].bias, -6.0)
    alarms = collect_alarms(method, cyclegan_views(method), train(method, (RED, BLUE), 40, lr=1e-4, frozen=("D",)))
    assert {alarm.name for alarm in alarms} - {"fooled"} == {"black"}


def test_a_cycle_that_hides_colours_in_faint_noise_raises_the_hidden_alarm() -> None:
    class Colours(nn.Module):
        """Keep the luminance and scale the colours by ``factor``."""

        def __init__(self, factor: float) -> None:
            super().__init__()
            self.mix = nn.Conv2d(3, 3, 1)
            grey = torch.full((3, 3), 1 / 3)
            with torch.no_grad():
                self.mix.weight.copy_((grey + factor * (torch.eye(3) - grey))[:, :, None, None])
                self.mix.bias.zero_()

        def forward(self, x: Tensor) -> Tensor:
            return self.mix(x).clamp(-1, 1)

    grey = BLUE.mean(1, keepdim=True).expand_as(BLUE).contiguous()
    method = cyclegan()
    method.G, method.F = Colours(0.02), Colours(50.0)
    get_views, steps_and_losses = cyclegan_views(method, (RED, grey)), train(method, (RED, grey), 40, lr=1e-6)
    (alarm,) = (alarm for alarm in collect_alarms(method, get_views, steps_and_losses) if alarm.name == "hidden")
    assert alarm.direction == "A to B"
    assert "--weight-cycle 5" in alarm.message


def test_non_finite_steps_are_skipped_and_stop_after_three_rollbacks() -> None:
    method = cyclegan()
    train_step = TrainStep(method, TrainingConfig(), torch.device("cpu"), torch.float32)
    recovery = Recovery(flag_values(method.config, TrainingConfig()))
    images_with_nan = RED[:2].clone()
    images_with_nan[0, 0, 0, 0] = math.nan
    before = {name: value.clone() for name, value in method.named_parameters()}
    actions = []
    for _ in range(4):
        losses = train_step((images_with_nan, BLUE[:2]), 0, 2e-4)
        assert {"G/adversarial_b", "D/adversarial_b"} <= set(nonfinite_names(losses, method))
        actions.append(recovery.on_nonfinite(0, nonfinite_names(losses), 0, ["a.png", "b.png"]).action)
    assert actions == ["roll back"] * 3 + ["stop"]
    assert all(torch.equal(before[name], value) for name, value in method.named_parameters())  # no step was taken


def test_a_finite_step_has_no_nonfinite_names() -> None:
    method = cyclegan()
    train_step = TrainStep(method, TrainingConfig(), torch.device("cpu"), torch.float32)
    assert nonfinite_names(train_step((RED[:2], BLUE[:2]), 0, 2e-4), method) == []
