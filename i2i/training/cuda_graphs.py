"""Compiled and CUDA-graphed training steps: one launch instead of thousands of small ones, with equal results."""

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from i2i.config import require
from i2i.device import is_out_of_memory, rng_state, set_rng_state
from i2i.distributed import num_ranks
from i2i.methods.base import Batch
from i2i.networks.checkpointing import draws_random_numbers
from i2i.networks.cuda_kernels import for_cuda_graph
from i2i.training.train_step import TrainStep

logger = logging.getLogger(__name__)

MIN_STEPS_TO_COMPILE = 5_000  # compiling takes a minute or two
MIN_HOURS_TO_COMPILE = 0.5  # of a training whose length is in hours: its number of steps is unknown at the start
CAPTURE_WARMUP_STEPS = 3  # eager steps of a graph key before capture: libraries choose kernels, optimizers make state
Losses = dict[str, Tensor]


class GraphBackend(Protocol):
    """Captures work on the device and replays it at the same memory addresses."""

    def warm_up(self, run: Callable[[], Losses]) -> Losses:
        """Run the work eagerly, in the way that capture requires."""
        ...

    def capture(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Capture the work without doing it. Return a function that replays it, and the tensor of its result."""
        ...


class CudaGraphBackend:
    """CUDA graphs. All graphs share one memory pool, since no two of them run at the same time."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, run: Callable[[], Losses]) -> Losses:
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream), for_cuda_graph():
            losses = run()
        current.wait_stream(self.stream)
        return losses

    def capture(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        state_before = generator.clone_state()
        try:
            # Only calls of this thread are captured: other threads may pin the images of later steps meanwhile.
            capture = torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local")
            with capture, for_cuda_graph():
                result = run()
        except Exception:
            # torch leaves the generator as in a capture, where eager steps cannot draw numbers.
            generator.graphsafe_set_state(state_before)
            raise
        return graph.replay, result


class _Graph(NamedTuple):
    """A captured step: its input tensors, its replay, and the names and values of its losses."""

    inputs: Batch
    replay: Callable[[], None]
    loss_names: list[str]
    losses: Tensor


class _Snapshot(NamedTuple):
    """All that a training step changes."""

    method: dict[str, Any]
    optimizers: dict[str, Any]
    rng: dict[str, Tensor | None]


class GraphedTrainStep:
    """Runs the steps of a ``TrainStep`` with compiled networks, or as CUDA graphs, or both.

    A step is captured once for each ``method.graph_key``. If compiling or capturing fails on this machine, the state
    from before the attempt is restored, a warning is logged, and the steps run eagerly from then on.

    Compiling changes the networks in place, by ``Module.compile``, because a method calls its networks itself. torch
    has no public function that undoes it. If it fails, the steps run in the compiler's stance "force_eager" instead,
    which ignores what was compiled.

    Args:
        train_step: the steps to run.
        compiled: whether to compile the networks.
        backend: what captures the steps; None for no capture.
    """

    def __init__(self, train_step: TrainStep, *, compiled: bool, backend: GraphBackend | None) -> None:
        self.train_step = train_step
        self.compiled = compiled
        self.backend = backend
        self._compile_ok = not compiled
        self._force_eager = False
        self._drop_graphs()
        for module in self._modules() if compiled else ():
            module.compile(dynamic=False)

    def _modules(self) -> list[torch.nn.Module]:
        return [module for modules in self.train_step.method.players().values() for module in modules]

    def _drop_graphs(self) -> None:
        self._graphs: dict[Hashable, _Graph] = {}
        self._calls_per_key: Counter[Hashable] = Counter()
        self._shapes: list[torch.Size] = []

    def __call__(self, batch: Batch, step: int, lr: float) -> Losses:
        """As ``TrainStep.__call__``."""
        shapes = [images.shape for images in batch]
        if shapes != self._shapes:
            self._drop_graphs()  # a graph works on tensors of one shape
            self._shapes = shapes
        self.train_step.prepare(len(batch[0]), lr)
        key = self.train_step.method.graph_key(step)
        self._calls_per_key[key] += 1
        if self.backend is None:
            return self._run_eager(batch, step)
        if self._calls_per_key[key] <= CAPTURE_WARMUP_STEPS:
            return self.backend.warm_up(lambda: self._run_eager(batch, step))
        if key not in self._graphs and not self._capture(self.backend, key, batch, step):
            return self._run_eager(batch, step)
        return self._replay(self._graphs[key], batch)

    def _replay(self, graph: _Graph, batch: Batch) -> Losses:
        for graph_input, images in zip(graph.inputs, batch, strict=True):
            graph_input.copy_(images, non_blocking=True)
        graph.replay()
        losses = graph.losses.clone()  # the next replay overwrites them
        return dict(zip(graph.loss_names, losses.unbind(), strict=True))

    def _run_eager(self, batch: Batch, step: int) -> Losses:
        """Run a step without a graph. The first compiled step falls back to the uncompiled networks if it fails."""
        if self._compile_ok:
            return self._run(batch, step)
        before = self._snapshot()
        try:
            losses = self._run(batch, step)
        except Exception as error:  # a compiler can fail in many ways, and the uncompiled step does not need it
            if is_out_of_memory(error):
                raise
            self._force_eager = True
            self._restore(before)
            logger.warning(
                "The networks cannot be compiled here (%s): training continues uncompiled.", _first_line(error)
            )
            losses = self._run(batch, step)
        self._compile_ok = True
        return losses

    def _run(self, batch: Batch, step: int) -> Losses:
        """Run a step on the networks as they are: compiled, or uncompiled after compiling has failed."""
        if not self._force_eager:
            return self.train_step.run(batch, step)
        with torch.compiler.set_stance("force_eager"):
            return self.train_step.run(batch, step)

    def _capture(self, backend: GraphBackend, key: Hashable, batch: Batch, step: int) -> bool:
        """Capture the steps of a graph key. Return False if that fails."""
        inputs = tuple(images.clone() for images in batch)
        names: list[str] = []

        def run() -> Tensor:
            losses = self._run(inputs, step)
            names.extend(losses)
            return torch.stack([loss.float() for loss in losses.values()])

        try:
            replay, losses = backend.capture(run)
        except Exception as error:  # a driver can fail in many ways; the captured work has not been done
            self.backend = None
            logger.warning(
                "A training step cannot be captured here (%s): training continues without.", _first_line(error)
            )
            return False
        self._graphs[key] = _Graph(inputs, replay, names, losses)
        return True

    def _snapshot(self) -> _Snapshot:
        weights = {name: value.clone() for name, value in self.train_step.method.state_dict().items()}
        return _Snapshot(weights, _clone(self.train_step.state_dict()), rng_state(self.train_step.device))

    def _restore(self, snapshot: _Snapshot) -> None:
        self.train_step.method.load_state_dict(snapshot.method)
        self.train_step.load_state_dict(snapshot.optimizers)
        set_rng_state(snapshot.rng, self.train_step.device)

    @property
    def first_skipped(self) -> Tensor:
        """As ``TrainStep.first_skipped``."""
        return self.train_step.first_skipped

    @property
    def micro_batch_size(self) -> int | None:
        """As ``TrainStep.micro_batch_size``. Setting it drops the graphs, which hold the parts of a batch."""
        return self.train_step.micro_batch_size

    @micro_batch_size.setter
    def micro_batch_size(self, size: int | None) -> None:
        self._drop_graphs()
        self.train_step.micro_batch_size = size

    def reset_counters(self, step: int) -> None:
        """As ``TrainStep.reset_counters``."""
        self.train_step.reset_counters(step)

    def state_dict(self) -> dict[str, Any]:
        """As ``TrainStep.state_dict``."""
        return self.train_step.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As ``TrainStep.load_state_dict``. Drops the graphs, which use the memory of the old state."""
        self._drop_graphs()
        self.train_step.load_state_dict(state)


def check_acceleration(train_step: TrainStep) -> None:
    """Raise ConfigError if ``cuda_graph`` or ``compile`` is "on" where it cannot be used."""
    config = train_step.config
    device = train_step.device
    if config.cuda_graph == "on":
        allowed = f"auto or off: there are no CUDA graphs on {device}"
        require(device.type == "cuda", "cuda_graph", "on", allowed)
        require(num_ranks() == 1, "cuda_graph", "on", "auto or off with several processes")
        allowed = (
            "auto or off: this generator has dropout, and a CUDA graph cannot repeat its random numbers, as "
            "{checkpoint_activations} and {accumulate} need"
        )
        require(not _repeats_dropout(train_step), "cuda_graph", "on", allowed)
    allowed = "auto or off with {checkpoint_activations}: the compiler chooses itself what to compute again"
    require(not config.checkpoint_activations or config.compile != "on", "compile", "on", allowed)


def accelerate(train_step: TrainStep, remaining: int) -> TrainStep | GraphedTrainStep:
    """Return ``train_step``, compiled and captured as its config and device allow.

    Args:
        train_step: the steps to run.
        remaining: number of steps that are still to run.

    Raises ConfigError as ``check_acceleration`` does.
    """
    check_acceleration(train_step)
    config = train_step.config
    device = train_step.device
    cuda = device.type == "cuda"
    if config.max_hours:
        is_long = config.max_hours >= MIN_HOURS_TO_COMPILE
    else:
        is_long = remaining >= MIN_STEPS_TO_COMPILE
    worthwhile = cuda and is_long and not config.checkpoint_activations
    compiled = config.compile == "on" or (config.compile == "auto" and worthwhile)
    captured = cuda and config.cuda_graph != "off" and num_ranks() == 1 and not _repeats_dropout(train_step)
    backend = CudaGraphBackend(device) if captured else None
    if not compiled and backend is None:
        return train_step
    return GraphedTrainStep(train_step, compiled=compiled, backend=backend)


def _repeats_dropout(train_step: TrainStep) -> bool:
    """Return whether a backward pass may compute a generator with dropout again."""
    config = train_step.config
    generators = train_step.method.translators().values()
    return (config.checkpoint_activations or config.accumulate > 1) and any(map(draws_random_numbers, generators))


def _clone(value: Any) -> Any:
    """Return a copy of nested dicts and lists with cloned tensors."""
    if isinstance(value, dict):
        return {key: _clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clone(item) for item in value]
    return value.clone() if isinstance(value, Tensor) else value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
