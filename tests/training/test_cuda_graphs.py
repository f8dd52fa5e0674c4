"""Recorded steps, on a recorder that does on a CPU what a CUDA graph does on a GPU: the same operations on the same
memory once more, and no line of Python."""

import copy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from i2i.config import ConfigError, merge
from i2i.losses.adversarial import GAMES, AdversarialConfig
from i2i.methods.base import Objective
from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.methods.pix2pix import Pix2Pix, Pix2PixConfig
from i2i.networks import PatchGANConfig, ResnetConfig, UnetConfig
from i2i.training.config import TrainingConfig
from i2i.training.cuda_graphs import WARM, ReplayStepper, fastest
from i2i.training.train_step import Stepper

SIZE = 16
CPU = torch.device("cpu")
CRITIC = PatchGANConfig(ndf=2, receptive_field=16, init="kaiming")
READS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default, torch.ops.aten.equal.default}


class Recording(TorchDispatchMode):
    """Keeps the operations on tensors, and refuses those for which a host would have to wait for its device."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READS:
            raise RuntimeError(f"a recorded step reads from the device: {func}")
        result = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, result in self.done:
                again = func(*args, **kwargs)
                for kept, fresh in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(kept, Tensor) and kept.data_ptr() != fresh.data_ptr():
                        kept.copy_(fresh)


class Emulator:
    """What ``CudaGraphs`` is on CUDA. Recording does the work too, which a graph does not: it is undone."""

    def __init__(self, objective: Objective, stepper: Stepper) -> None:
        self.objective, self.stepper, self.recorded = objective, stepper, 0

    def warm(self, play: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        return play()

    def record(self, play: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        held = [
            *self.objective.parameters(),
            *self.objective.buffers(),
            self.stepper.played,
            self.stepper.refused,
            self.stepper.refused_at,
        ]
        for optimizer in self.stepper.optimizers.values():
            held += [value for state in optimizer.state.values() for value in state.values()]
        before, chance = [value.detach().clone() for value in held], torch.get_rng_state()
        with Recording() as recording:
            result = play()
        with torch.no_grad():
            for value, old in zip(held, before, strict=True):
                value.copy_(old)
        torch.set_rng_state(chance)
        self.recorded += 1
        return recording.replay, result


def cyclegan(**options: Any) -> CycleGAN:
    generator = ResnetConfig(ngf=2, blocks=1, init="kaiming")
    return CycleGAN(CycleGANConfig(generator=generator, discriminator=CRITIC, **{"pool": 3, **options}), SIZE)


def pix2pix(**options: Any) -> Pix2Pix:
    generator = UnetConfig(ngf=2, norm="instance", init="kaiming")
    critic = PatchGANConfig(ndf=2, receptive_field=16, norm="batch", init="kaiming")
    return Pix2Pix(Pix2PixConfig(**{"generator": generator, "discriminator": critic, **options}), 32)


def stepper(objective: Objective, **training: Any) -> Stepper:
    return Stepper(objective, TrainingConfig(**training), CPU, torch.float32)


def as_on_cuda(made: Stepper) -> Stepper:
    """The optimisers as they are there: a recorded step reads the rate from the device's memory."""
    for optimizer in made.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
            if isinstance(optimizer, torch.optim.RMSprop):
                group |= {"capturable": True, "foreach": True}
    return made


def batches(count: int, size: int, pictures: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(5)
    for _ in range(count):
        a, b = (torch.rand(pictures, 3, size, size, generator=rng).double() * 2 - 1 for _ in range(2))
        yield a, b


def both(objective: Objective, steps: int, size: int, pictures: int = 1, **training: Any) -> tuple[Any, Any, Emulator]:
    """The same steps played plainly and from recordings: what each reports and ends with, and the recorder."""
    plain = objective.double()
    twin = copy.deepcopy(plain)
    slow, quick = stepper(plain, **training), as_on_cuda(stepper(twin, **training))
    emulator = Emulator(twin, quick)
    told: list[str] = []
    fast = ReplayStepper(quick, compiled=False, recorder=emulator, tell=told.append)
    ends = []
    for each, network in ((slow, plain), (fast, twin)):
        torch.manual_seed(3)
        seen = [
            {name: float(loss) for name, loss in each(batch, step, lr=2e-4 * (1 - step / 50)).items()}
            for step, batch in enumerate(batches(steps, size, pictures))
        ]
        ends.append((seen, network.state_dict()))
    assert told == []
    return ends[0], ends[1], emulator


def assert_same(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    for step, (a, b) in enumerate(zip(one[0], other[0], strict=True)):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-7), step  # losses pass through float32
    for (name, a), b in zip(one[1].items(), other[1].values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("loss", GAMES)
def test_a_recorded_cyclegan_is_the_plain_one(loss: str) -> None:
    one, other, emulator = both(cyclegan(adversarial=AdversarialConfig(loss=loss)), 12, SIZE)
    assert_same(one, other)
    assert emulator.recorded == 1


def test_each_phase_is_recorded_once_and_played_at_its_turn() -> None:
    game = AdversarialConfig(loss="hinge", r1=1.0, r1_every=4, critic_steps=2)
    one, other, emulator = both(cyclegan(adversarial=game), 30, SIZE)
    assert_same(one, other)
    assert emulator.recorded == 3  # D alone, with R1, and with G


def test_a_recorded_pool_with_several_pictures_a_step_is_the_plain_one() -> None:
    one, other, _ = both(cyclegan(pool=4), 12, SIZE, pictures=3)
    assert_same(one, other)
    assert one[1]["pool_a.pictures"].any()


def test_a_recorded_pix2pix_with_batch_norm_and_dropout_is_the_plain_one() -> None:
    assert_same(*both(pix2pix(), 10, 32, pictures=2)[:2])


@pytest.mark.parametrize(
    "part",
    [
        {"adversarial": {"augment": "diffaugment"}},
        {"adversarial": {"augment": "ada", "ada_pictures": 200}},
        {"adversarial": {"weight_features": 10.0}},
        {"discriminator": {"scales": 2}},
        {"weight_perceptual": 1.0},
    ],
    ids=["diffaugment", "ada", "features", "scales", "perceptual"],
)
@pytest.mark.parametrize("build", [cyclegan, pix2pix])
def test_a_recorded_part_is_the_plain_one(
    build: Callable[..., Objective], part: dict[str, Any], perceptual_weights: Path
) -> None:
    plain: Any = build()
    objective = merge(plain.config, part).build(32)
    for name, value in objective.named_buffers():
        if name.endswith(".p"):
            value.fill_(0.5)
    one, other, emulator = both(objective, 12, 32, pictures=2)
    assert_same(one, other)
    assert emulator.recorded == 1
    assert not any(value == 0.5 for name, value in other[1].items() if name.endswith(".p"))


def test_a_recorded_rmsprop_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["torch.optim.rmsprop"]
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda: ["cpu"])
    assert_same(*both(cyclegan(adversarial=AdversarialConfig(loss="wgan")), 10, SIZE, optimizer="rmsprop")[:2])


def test_another_batch_size_forgets_what_was_recorded() -> None:
    objective = cyclegan()
    quick = as_on_cuda(stepper(objective))
    emulator = Emulator(objective, quick)
    fast = ReplayStepper(quick, compiled=False, recorder=emulator, tell=print)
    for pictures in (1, 2, 1):
        for step, batch in enumerate(batches(WARM + 2, SIZE, pictures)):
            fast(tuple(each.float() for each in batch), step, 2e-4)
    assert emulator.recorded == 3


def test_a_loaded_state_forgets_what_was_recorded_and_goes_on_exactly() -> None:
    objective = cyclegan(pool=0).double()
    quick = as_on_cuda(stepper(objective))
    fast = ReplayStepper(quick, compiled=False, recorder=Emulator(objective, quick), tell=print)
    fed = list(batches(8, SIZE))
    for step, batch in enumerate(fed[:6]):
        fast(batch, step, 2e-4)
    kept = copy.deepcopy((objective.state_dict(), fast.state()))
    after = [float(sum(fast(batch, 6, 2e-4).values())) for batch in fed[6:]]
    objective.load_state_dict(kept[0])
    fast.load_state(kept[1])
    assert [float(sum(fast(batch, 6, 2e-4).values())) for batch in fed[6:]] == pytest.approx(after, rel=1e-6)


def test_what_cannot_be_recorded_is_played_plainly_and_said_once() -> None:
    class Refusing(Emulator):
        def record(self, play: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")

    plain, told = cyclegan(), list[str]()
    twin = copy.deepcopy(plain)
    quick = as_on_cuda(stepper(twin))
    fast = ReplayStepper(quick, compiled=False, recorder=Refusing(twin, quick), tell=told.append)
    for each in (stepper(plain), fast):
        torch.manual_seed(3)
        for step, (a, b) in enumerate(batches(WARM + 3, SIZE)):
            each((a.float(), b.float()), step, 2e-4)
    assert told == ["A step cannot be recorded here (operation not permitted): each is launched piece by piece."]
    for a, b in zip(plain.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_what_cannot_be_compiled_is_trained_as_it_is_from_the_same_start(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, told = cyclegan(), list[str]()
    twin = copy.deepcopy(plain)
    fast = ReplayStepper(stepper(twin), compiled=True, recorder=None, tell=told.append)

    def fails(*_: Any, **__: Any) -> Tensor:
        raise RuntimeError("no compiler found")

    monkeypatch.setattr(twin.D_A, "_compiled_call_impl", fails)  # D_A fails after G has been drawn upon
    for name in ("G", "F", "D_B"):
        monkeypatch.setattr(getattr(twin, name), "_compiled_call_impl", None)
    for each in (stepper(plain), fast):
        torch.manual_seed(3)
        for step, (a, b) in enumerate(batches(2, SIZE)):
            each((a.float(), b.float()), step, 2e-4)
    assert told == ["The networks cannot be compiled here (no compiler found): trained as they are."]
    for a, b in zip(plain.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs g++")
def test_compiled_networks_train_as_the_plain_ones_do() -> None:
    """Norms are another formula there, so that the last bits differ; a penalty is computed by the plain critic."""
    plain, told = cyclegan(adversarial=AdversarialConfig(r1=1.0, r1_every=1)).double(), list[str]()
    twin = copy.deepcopy(plain)
    fast = ReplayStepper(Stepper(twin, TrainingConfig(), CPU, torch.float32), compiled=True, recorder=None,
                         tell=told.append)  # fmt: skip
    ends = []
    for each in (Stepper(plain, TrainingConfig(), CPU, torch.float32), fast):
        torch.manual_seed(3)
        ends.append([
            {name: float(loss) for name, loss in each(batch, step, 2e-4).items()}
            for step, batch in enumerate(batches(3, SIZE))
        ])  # fmt: skip
    assert told == []
    for step, (a, b) in enumerate(zip(*ends, strict=True)):
        assert a == pytest.approx(b, rel=1e-8), step


def test_a_cpu_takes_the_plain_steps_unless_told_otherwise() -> None:
    def made(**training: Any) -> Any:
        return fastest(Stepper(cyclegan(), TrainingConfig(**training), CPU, torch.float32), 10**6, print)

    assert isinstance(made(), Stepper)
    assert isinstance(made(compile="on"), ReplayStepper)
    with pytest.raises(ConfigError, match="there are no CUDA graphs on cpu"):
        made(record="on")
