"""The doctor beside real trainings: some made to fail, others left alone."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.diagnostics import Alarm, Doctor, Setbacks, View, broken, examine, settings_of
from i2i.diagnostics import alarms as diagnosis
from i2i.losses.adversarial import AdversarialConfig
from i2i.methods.base import Objective
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
from i2i.training.train_step import Stepper

SIZE = 32
SMALL = ResnetConfig(ngf=4, blocks=1, upsampling="resize")
CRITIC = PatchGANConfig(ndf=4, receptive_field=16)
Domains = tuple[Tensor, ...]
Look = Callable[[], list[View]]
Course = Iterator[tuple[int, dict[str, float]]]


@pytest.fixture(autouse=True)
def short_youth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of a hundred steps is grown up after ten."""
    monkeypatch.setattr(diagnosis, "YOUNG", (10, 0.0))


def textures(seed: int, tint: float, count: int = 48) -> Tensor:
    """Clouds of one tint, reddish above 0 and bluish below."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 4, 4, generator=generator) / 2
    clouds = F.interpolate(coarse, SIZE, mode="bicubic")
    clouds = clouds.mean(1, keepdim=True) + 0.3 * clouds + torch.tensor([tint, 0.0, -tint])[:, None, None]
    return (clouds + torch.randn(clouds.shape, generator=generator) * 0.03).clamp(-1, 1)


RED, BLUE = textures(0, 0.4), textures(1, -0.4)


def both_ways(objective: CycleGAN, domains: Domains = (RED, BLUE)) -> Look:
    def look() -> list[View]:
        a, b = (pictures[:4] for pictures in domains)
        G, F = objective.G, objective.F
        return [
            View(direction="A to B", input=a, output=G(a), target=b, back=F, critic=objective.D_B),
            View(direction="B to A", input=b, output=F(b), target=a, back=G, critic=objective.D_A),
        ]

    return look


def one_way(objective: Pix2Pix, a: Tensor, b: Tensor) -> Look:
    return lambda: [View(direction="A to B", input=a[:4], output=objective.G(a[:4]), target=b[:4], paired=True)]


def samples(objective: GAN, real: Tensor) -> Look:
    return lambda: [View(direction="samples", output=objective.G(objective.fixed[:16]), target=real[:16])]


def train(
    objective: Objective, domains: Domains, steps: int, lr: float, still: tuple[str, ...] = (), batch: int = 1
) -> Course:
    """Steps and their losses. The players that stand ``still`` never move."""
    stepper = Stepper(objective, TrainingConfig(lr=lr), torch.device("cpu"), torch.float32)
    stepper.parameters.update({player: [] for player in still})
    order = torch.Generator().manual_seed(0)
    for step in range(steps):
        drawn = tuple(pictures[torch.randint(len(pictures), (batch,), generator=order)] for pictures in domains)
        yield step + 1, {name: float(loss) for name, loss in stepper(drawn, step, lr).items()}


def watch(
    objective: Any, look: Look, course: Iterator[tuple[int, dict[str, float]]], weight: float = 0.5
) -> list[Alarm]:
    """The alarms of a training that is looked at after every tenth step, with a row of the log as often."""
    doctor = Doctor(settings_of(objective.config, TrainingConfig()), 100, weight)
    alarms: list[Alarm] = []
    for step, losses in course:
        if step % 2 == 0:
            alarms += doctor.listen(step, losses)
        if step % 10 == 0:
            with torch.no_grad():
                for view in look():
                    alarms += doctor.look(step, view.direction, examine(view))
    return alarms


def told(alarms: list[Alarm]) -> set[tuple[str, str]]:
    return {(alarm.name, alarm.direction) for alarm in alarms}


def cyclegan(**model: Any) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(
        CycleGANConfig(**{"generator": SMALL, "discriminator": CRITIC, "pool": 4, "weight_identity": 0.0, **model}),
        SIZE,
    )


@pytest.mark.slow
def test_a_healthy_cyclegan_raises_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "YOUNG", (50, 0.0))
    objective = cyclegan(weight_identity=0.5)
    assert not watch(objective, both_ways(objective), train(objective, (RED, BLUE), 110, lr=4e-3))


def test_a_healthy_pix2pix_raises_no_alarm_although_its_truth_is_the_negative() -> None:
    torch.manual_seed(0)
    objective = Pix2Pix(Pix2PixConfig(generator=SMALL, discriminator=CRITIC), SIZE)
    pairs = RED, -RED
    for _ in train(objective, pairs, 40, lr=4e-3):  # grows up
        pass
    assert not watch(objective, one_way(objective, *pairs), train(objective, pairs, 60, lr=4e-3))


def test_a_generator_that_stands_still_lets_the_discriminator_win() -> None:
    critic = PatchGANConfig(ndf=8, receptive_field=16)
    objective = cyclegan(adversarial=AdversarialConfig(loss="non-saturating"), discriminator=critic)
    alarms = watch(objective, lambda: [], train(objective, (RED, BLUE), 110, lr=5e-3, still=("G",), batch=2))
    assert told(alarms) == {("winning", "D_A"), ("winning", "D_B")}


def test_a_discriminator_that_stands_still_is_fooled() -> None:
    objective = cyclegan()
    alarms = watch(objective, lambda: [], train(objective, (RED, BLUE), 40, lr=2e-3, still=("D",)))
    assert told(alarms) == {("fooled", "D_A"), ("fooled", "D_B")}


def test_a_discriminator_held_flat_by_its_penalty_is_blind() -> None:
    objective = cyclegan(adversarial=AdversarialConfig(r1=1e4, r1_every=1))
    for critic in (objective.D_A, objective.D_B):
        nn.init.zeros_(critic.to_logits.weight)  # where the penalty takes it in the long run
        nn.init.constant_(critic.to_logits.bias, 0.5)
    alarms = watch(objective, both_ways(objective), train(objective, (RED, BLUE), 40, lr=1e-4))
    assert {("blind", "A to B"), ("blind", "B to A")} <= told(alarms)
    assert "--r1 1000" in next(alarm.sentence for alarm in alarms if alarm.name == "blind")


def test_a_gan_whose_discriminator_stops_learning_collapses() -> None:
    torch.manual_seed(0)
    networks = DCGANConfig(
        generator=DCGANGeneratorConfig(latent=8, ngf=4, norm="none"),
        discriminator=DCGANDiscriminatorConfig(ndf=4, norm="none"),
    )
    objective = GAN(GANConfig(networks=networks), SIZE)
    for _ in train(objective, (RED,), 60, lr=2e-3, batch=8):
        pass
    course = train(objective, (RED,), 80, lr=5e-3, batch=8, still=("D",))
    assert ("collapsed", "samples") in told(watch(objective, samples(objective, RED), course, weight=1.0))


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

    objective = cyclegan()  # the game and the cycle cannot tell: -clouds are clouds, and -(-x) is x
    objective.G, objective.F = Negative(), Negative()
    alarms = watch(objective, both_ways(objective), train(objective, (RED, BLUE), 40, lr=1e-3))
    assert told(alarms) == {("inverted", "A to B"), ("inverted", "B to A")}
    assert alarms[0].sentence.endswith("start a new run (--name) with --weight-identity 1.")


def test_the_identity_network_changes_nothing() -> None:
    objective = cyclegan(generator=IdentityConfig())
    alarms = watch(objective, both_ways(objective), train(objective, (RED, BLUE), 40, lr=1e-4))
    assert told(alarms) - {("fooled", "D_A"), ("fooled", "D_B")} == {("unchanged", "A to B"), ("unchanged", "B to A")}


def test_transposed_convolutions_that_do_not_get_on_leave_their_grid() -> None:
    objective = cyclegan(generator=ResnetConfig(ngf=4, blocks=1))
    alarms = watch(objective, both_ways(objective), train(objective, (RED, BLUE), 40, lr=1e-6))
    grids = [alarm for alarm in alarms if alarm.name == "checkerboard"]
    assert grids
    assert "--upsampling resize" in grids[0].sentence


def test_far_too_high_a_learning_rate_saturates() -> None:
    objective = cyclegan()
    alarms = watch(objective, both_ways(objective), train(objective, (RED, BLUE), 40, lr=1.0))
    assert {("saturated", "A to B"), ("saturated", "B to A")} <= told(alarms)


def test_a_last_layer_stuck_at_the_bottom_of_its_tanh_is_black_and_nothing_else() -> None:
    objective = cyclegan()
    for network in (objective.G, objective.F):
        nn.init.constant_(network.to_rgb[1].bias, -6.0)
    alarms = watch(objective, both_ways(objective), train(objective, (RED, BLUE), 40, lr=1e-4, still=("D",)))
    assert {alarm.name for alarm in alarms} - {"fooled"} == {"black"}


def test_a_cycle_that_hides_the_colours_in_faint_noise_is_found_out() -> None:
    class Colours(nn.Module):
        """The luminance kept, and the colours ``times`` as strong."""

        def __init__(self, times: float) -> None:
            super().__init__()
            self.mix = nn.Conv2d(3, 3, 1)
            grey = torch.full((3, 3), 1 / 3)
            with torch.no_grad():
                self.mix.weight.copy_((grey + times * (torch.eye(3) - grey))[:, :, None, None])
                self.mix.bias.zero_()

        def forward(self, x: Tensor) -> Tensor:
            return self.mix(x).clamp(-1, 1)

    grey = BLUE.mean(1, keepdim=True).expand_as(BLUE).contiguous()
    objective = cyclegan()
    objective.G, objective.F = Colours(0.02), Colours(50.0)
    look, course = both_ways(objective, (RED, grey)), train(objective, (RED, grey), 40, lr=1e-6)
    (alarm,) = (alarm for alarm in watch(objective, look, course) if alarm.name == "hidden")
    assert alarm.direction == "A to B"
    assert "--weight-cycle 5" in alarm.sentence


def test_a_training_that_breaks_is_taken_back_three_times_and_then_stopped() -> None:
    objective = cyclegan()
    stepper = Stepper(objective, TrainingConfig(), torch.device("cpu"), torch.float32)
    setbacks = Setbacks(settings_of(objective.config, TrainingConfig()))
    spoilt = RED[:2].clone()
    spoilt[0, 0, 0, 0] = math.nan
    before = {name: value.clone() for name, value in objective.named_parameters()}
    actions = []
    for _ in range(4):
        losses = stepper((spoilt, BLUE[:2]), 0, 2e-4)
        assert {"G/adversarial_b", "D/adversarial_b"} <= set(broken(losses, objective))
        actions.append(setbacks.decide(0, broken(losses), 0, ["a.png", "b.png"]).action)
    assert actions == ["roll back"] * 3 + ["stop"]
    assert all(torch.equal(before[name], value) for name, value in objective.named_parameters())  # no step was taken


def test_a_finite_training_is_not_broken() -> None:
    objective = cyclegan()
    stepper = Stepper(objective, TrainingConfig(), torch.device("cpu"), torch.float32)
    assert broken(stepper((RED[:2], BLUE[:2]), 0, 2e-4), objective) == []
