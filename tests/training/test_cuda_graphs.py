"""Graphed training steps, with a CPU emulation of CUDA graphs: a replay repeats the same operations on the same memory
without running Python code."""

import copy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from i2i.config import merge
from i2i.errors import ConfigError
from i2i.losses.adversarial import AdversarialConfig
from i2i.losses.gan_losses import GAN_LOSSES
from i2i.methods.base import Method
from i2i.methods.cyclegan import CycleGAN, CycleGANConfig
from i2i.methods.pix2pix import Pix2Pix, Pix2PixConfig
from i2i.methods.regression import Regression, RegressionConfig
from i2i.networks import PatchGANConfig, ResnetConfig, RestorerConfig, UnetConfig
from i2i.training.config import TrainingConfig
from i2i.training.cuda_graphs import CAPTURE_WARMUP_STEPS, GraphedTrainStep, accelerate
from i2i.training.train_step import TrainStep

SIZE = 16
CPU = torch.device("cpu")
STEPS = CAPTURE_WARMUP_STEPS + 4
DISCRIMINATOR = PatchGANConfig(ndf=2, receptive_field=16, weight_init="kaiming")
WAITS = {
    torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default, torch.ops.aten.equal.default,
    torch.ops.aten.lift_fresh.default,  # torch.tensor: on CUDA it copies from memory that is not pinned
}  # fmt: skip


class Recording(TorchDispatchMode):
    """Records the operations on tensors. Raises for operations for which the host would wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in WAITS:
            raise RuntimeError(f"a captured step waits for the device: {func}")
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, result in self.operations:
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Emulator:
    """Emulates ``CudaGraphBackend`` on a CPU. Its capture also does the work, which is undone afterwards."""

    def __init__(self, method: Method, train_step: TrainStep) -> None:
        self.method = method
        self.train_step = train_step
        self.captures = 0

    def warm_up(self, run: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        return run()

    def capture(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        tensors = [*self.method.parameters(), *self.method.buffers()]
        tensors += [self.train_step.steps_run, self.train_step.skipped, self.train_step.first_skipped]
        for optimizer in self.train_step.optimizers.values():
            tensors += [value for state in optimizer.state.values() for value in state.values()]
        before = [value.detach().clone() for value in tensors]
        rng_state = torch.get_rng_state()
        with Recording() as recording:
            result = run()
        with torch.no_grad():
            for value, old in zip(tensors, before, strict=True):
                value.copy_(old)
        torch.set_rng_state(rng_state)
        self.captures += 1
        return recording.replay, result


def cyclegan(**options: Any) -> CycleGAN:
    generator = ResnetConfig(ngf=2, blocks=1, weight_init="kaiming")
    return CycleGAN(
        CycleGANConfig(generator=generator, discriminator=DISCRIMINATOR, **{"pool_size": 3, **options}), SIZE
    )


def pix2pix(**options: Any) -> Pix2Pix:
    generator = UnetConfig(ngf=2, norm="instance", weight_init="kaiming")
    critic = PatchGANConfig(ndf=2, receptive_field=16, norm="batch", weight_init="kaiming")
    return Pix2Pix(Pix2PixConfig(**{"generator": generator, "discriminator": critic, **options}), 32)


def make_step(method: Method, **training: Any) -> TrainStep:
    return TrainStep(method, TrainingConfig(**training), CPU, torch.float32)


def as_on_cuda(train_step: TrainStep) -> TrainStep:
    """Set the optimizers up as on CUDA, where a captured step reads the learning rate from a tensor."""
    for optimizer in train_step.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
            if isinstance(optimizer, torch.optim.RMSprop):
                group |= {"capturable": True, "foreach": True}
    return train_step


def batches(count: int, size: int, images_per_batch: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(5)
    for _ in range(count):
        a, b = (torch.rand(images_per_batch, 3, size, size, generator=rng).double() * 2 - 1 for _ in range(2))
        yield a, b


def eager_and_graphed(
    method: Method, steps: int, size: int, images_per_batch: int = 1, **training: Any
) -> tuple[Any, Any, Emulator]:
    """Run the same steps eagerly and as graphs. Return the losses and the final state of each, and the backend."""
    eager = method.double()
    twin = copy.deepcopy(eager)
    eager_step, twin_step = make_step(eager, **training), as_on_cuda(make_step(twin, **training))
    emulator = Emulator(twin, twin_step)
    graphed = GraphedTrainStep(twin_step, compiled=False, backend=emulator)
    results = []
    for run_step, network in ((eager_step, eager), (graphed, twin)):
        torch.manual_seed(3)
        losses = [
            {name: float(loss) for name, loss in run_step(batch, step, lr=2e-4 * (1 - step / 50)).items()}
            for step, batch in enumerate(batches(steps, size, images_per_batch))
        ]
        results.append((losses, network.state_dict()))
    assert graphed.backend is emulator  # no capture has failed
    return results[0], results[1], emulator


def assert_same(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    for step, (a, b) in enumerate(zip(one[0], other[0], strict=True)):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-7), step  # losses are float32
    for (name, a), b in zip(one[1].items(), other[1].values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("recompute", [False, True])
def test_a_graphed_step_of_micro_batches_trains_like_an_eager_one(recompute: bool) -> None:
    """Both methods with a pool or with activations that are computed again, in parts of 2 and 1 images."""
    method = cyclegan()
    if recompute:
        generator = UnetConfig(ngf=2, norm="instance", dropout=0.0, weight_init="kaiming")
        method = pix2pix(generator=generator, discriminator=DISCRIMINATOR)  # type: ignore[assignment]
    size = 32 if recompute else SIZE
    options = {"accumulate": 2, "batch_size": 2, "checkpoint_activations": recompute}
    one, other, _ = eager_and_graphed(method, 8, size, images_per_batch=3, **options)
    assert_same(one, other)


@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_a_graphed_cyclegan_trains_like_an_eager_one(loss: str) -> None:
    one, other, emulator = eager_and_graphed(cyclegan(adversarial=AdversarialConfig(loss=loss)), STEPS, SIZE)
    assert_same(one, other)
    assert emulator.captures == 1


def test_each_graph_key_is_captured_once() -> None:
    game = AdversarialConfig(loss="hinge", r1=1.0, r1_every=4, d_steps=2)
    one, other, emulator = eager_and_graphed(cyclegan(adversarial=game), 30, SIZE)
    assert_same(one, other)
    assert emulator.captures == 3  # D alone, with R1, and with G


def test_a_graphed_pool_with_batches_trains_like_an_eager_one() -> None:
    one, other, _ = eager_and_graphed(cyclegan(pool_size=4), STEPS, SIZE, images_per_batch=3)
    assert_same(one, other)
    assert one[1]["pool_a.pictures"].any()


def test_a_graphed_pix2pix_with_batch_norm_and_dropout_trains_like_an_eager_one() -> None:
    assert_same(*eager_and_graphed(pix2pix(), STEPS, 32, images_per_batch=2)[:2])


@pytest.mark.parametrize(
    "part",
    [
        {"adversarial": {"augment": "diffaugment"}},
        {"adversarial": {"augment": "ada", "ada_images": 200}},
        {"adversarial": {"weight_feature_matching": 10.0}},
        {"discriminator": {"scales": 2}},
        {"weight_perceptual": 1.0},
    ],
    ids=["diffaugment", "ada", "features", "scales", "perceptual"],
)
@pytest.mark.parametrize("build", [cyclegan, pix2pix])
def test_a_graphed_option_trains_like_an_eager_one(
    build: Callable[..., Method], part: dict[str, Any], perceptual_weights: Path
) -> None:
    eager: Any = build()
    method = merge(eager.config, part).build(32)
    for name, value in method.named_buffers():
        if name.endswith(".p"):
            value.fill_(0.5)
    one, other, emulator = eager_and_graphed(method, STEPS, 32, images_per_batch=2)
    assert_same(one, other)
    assert emulator.captures == 1
    assert not any(value == 0.5 for name, value in other[1].items() if name.endswith(".p"))


def test_a_graphed_rmsprop_trains_like_an_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["torch.optim.rmsprop"]
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda: ["cpu"])
    # On a CPU RMSprop adds a new tensor to its counters, on CUDA a number.
    monkeypatch.setattr(sys.modules[__name__], "WAITS", WAITS - {torch.ops.aten.lift_fresh.default})
    assert_same(
        *eager_and_graphed(cyclegan(adversarial=AdversarialConfig(loss="wgan")), STEPS, SIZE, optimizer="rmsprop")[:2]
    )


def test_a_step_with_chroma_can_be_captured() -> None:
    generator = RestorerConfig(width=4, levels=1, depth=1, prediction="chroma")
    eager_results, graphed_results, _ = eager_and_graphed(
        Regression(RegressionConfig(generator=generator), SIZE), STEPS, SIZE
    )
    for name, value in graphed_results[1].items():
        torch.testing.assert_close(value, eager_results[1][name], rtol=0, atol=1e-6)


def test_another_batch_size_drops_the_graphs() -> None:
    method = cyclegan()
    twin_step = as_on_cuda(make_step(method))
    emulator = Emulator(method, twin_step)
    graphed = GraphedTrainStep(twin_step, compiled=False, backend=emulator)
    for images_per_batch in (1, 2, 1):
        for step, batch in enumerate(batches(CAPTURE_WARMUP_STEPS + 2, SIZE, images_per_batch)):
            graphed(tuple(images.float() for images in batch), step, 2e-4)
    assert emulator.captures == 3


def test_loading_a_state_drops_the_graphs_and_continues_exactly() -> None:
    method = cyclegan(pool_size=0).double()
    twin_step = as_on_cuda(make_step(method))
    graphed = GraphedTrainStep(twin_step, compiled=False, backend=Emulator(method, twin_step))
    all_batches = list(batches(8, SIZE))
    for step, batch in enumerate(all_batches[:6]):
        graphed(batch, step, 2e-4)
    saved = copy.deepcopy((method.state_dict(), graphed.state_dict()))
    after = [float(sum(graphed(batch, 6, 2e-4).values())) for batch in all_batches[6:]]
    method.load_state_dict(saved[0])
    graphed.load_state_dict(saved[1])
    assert [float(sum(graphed(batch, 6, 2e-4).values())) for batch in all_batches[6:]] == pytest.approx(after, rel=1e-6)


def test_a_failed_capture_falls_back_to_eager_steps_with_one_message(caplog: pytest.LogCaptureFixture) -> None:
    class FailingEmulator(Emulator):
        def capture(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")

    eager = cyclegan()
    twin = copy.deepcopy(eager)
    twin_step = as_on_cuda(make_step(twin))
    graphed = GraphedTrainStep(twin_step, compiled=False, backend=FailingEmulator(twin, twin_step))
    for run_step in (make_step(eager), graphed):
        torch.manual_seed(3)
        for step, (a, b) in enumerate(batches(CAPTURE_WARMUP_STEPS + 3, SIZE)):
            run_step((a.float(), b.float()), step, 2e-4)
    assert caplog.messages == [
        "A training step cannot be captured here (operation not permitted): training continues without."
    ]
    for a, b in zip(eager.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_failed_compilation_falls_back_to_eager_steps_from_the_same_state(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    eager = cyclegan()
    twin = copy.deepcopy(eager)
    with monkeypatch.context() as context:
        context.setattr(nn.Module, "compile", lambda *_, **__: None)
        graphed = GraphedTrainStep(make_step(twin), compiled=True, backend=None)

    def no_compiler(*_: Any) -> Any:
        raise RuntimeError("no compiler found")

    twin.D_A.compile(backend=no_compiler)  # D_A fails after G has run
    for run_step in (make_step(eager), graphed):
        torch.manual_seed(3)
        for step, (a, b) in enumerate(batches(2, SIZE)):
            run_step((a.float(), b.float()), step, 2e-4)
    assert caplog.messages == [
        "The networks cannot be compiled here (backend='no_compiler' raised:): training continues uncompiled."
    ]
    for a, b in zip(eager.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs g++")
def test_compiled_networks_train_like_eager_ones(caplog: pytest.LogCaptureFixture) -> None:
    """Compiled norms use another formula, so the last bits differ. The penalty uses the eager discriminator."""
    eager = cyclegan(adversarial=AdversarialConfig(r1=1.0, r1_every=1)).double()
    twin = copy.deepcopy(eager)
    graphed = GraphedTrainStep(make_step(twin), compiled=True, backend=None)
    results = []
    for run_step in (make_step(eager), graphed):
        torch.manual_seed(3)
        results.append([
            {name: float(loss) for name, loss in run_step(batch, step, 2e-4).items()}
            for step, batch in enumerate(batches(3, SIZE))
        ])  # fmt: skip
    assert "training continues uncompiled" not in caplog.text
    for step, (a, b) in enumerate(zip(*results, strict=True)):
        assert a == pytest.approx(b, rel=1e-8), step


def test_steps_on_a_cpu_are_eager_by_default() -> None:
    def build(**training: Any) -> Any:
        return accelerate(make_step(cyclegan(), **training), 10**6)

    assert isinstance(build(), TrainStep)
    assert isinstance(build(compile="on"), GraphedTrainStep)
    with pytest.raises(ConfigError, match="there are no CUDA graphs on cpu"):
        build(cuda_graph="on")


@pytest.mark.parametrize(
    ("training", "remaining", "compiled"),
    [
        ({}, 5000, True),
        ({}, 4999, False),
        ({"max_hours": 0.5}, 10**6, True),
        ({"max_hours": 0.4}, 10**6, False),
    ],
)
def test_only_long_trainings_are_compiled_by_default(
    monkeypatch: pytest.MonkeyPatch, training: dict[str, Any], remaining: int, compiled: bool
) -> None:
    monkeypatch.setattr(nn.Module, "compile", lambda *_, **__: None)
    train_step = make_step(cyclegan(), cuda_graph="off", **training)
    train_step.device = torch.device("cuda")
    assert isinstance(accelerate(train_step, remaining), GraphedTrainStep) == compiled
