"""Training steps compiled and recorded: the thousands of small launches of a step become one, with equal results."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from i2i.config import require
from i2i.methods.base import Batch
from i2i.training.train_step import Stepper

LONG = 5_000  # steps that are worth a minute or two of compiling
WARM = 3  # steps of a phase before it is recorded: libraries choose their kernels, optimisers make their state
Losses = dict[str, Tensor]


class Recorder(Protocol):
    """Something that can run work on the device once and then again, at the same addresses."""

    def warm(self, play: Callable[[], Losses]) -> Losses:
        """Do the work plainly, as it has to be done before it is recorded."""
        ...

    def record(self, play: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Record the work, which is not done yet. Returns what does it, and the tensor it will leave its result in."""
        ...


class CudaGraphs:
    """The recorder of CUDA: all recordings share one pool of memory, for no two of them run at once."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def warm(self, play: Callable[[], Losses]) -> Losses:
        here = torch.cuda.current_stream()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            losses = play()
        here.wait_stream(self.stream)
        return losses

    def record(self, play: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        graph = torch.cuda.CUDAGraph()
        # Only this thread's calls count: others may pin the pictures of the next steps meanwhile.
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
            result = play()
        return graph.replay, result


class ReplayStepper:
    """Plays the steps of ``stepper``, with networks compiled and each phase of the game recorded, as asked.

    What cannot be compiled or recorded on this machine is played plainly from then on, nothing of the attempt
    remains, and ``tell`` is given the reason.
    """

    def __init__(
        self, stepper: Stepper, *, compiled: bool, recorder: Recorder | None, tell: Callable[[str], None]
    ) -> None:
        self.stepper, self.compiled, self.recorder, self.tell = stepper, compiled, recorder, tell
        self._proven = not compiled
        self._forget()
        for module in self._modules() if compiled else ():
            module.compile(dynamic=False)

    def _modules(self) -> list[torch.nn.Module]:
        return [module for modules in self.stepper.objective.players().values() for module in modules]

    def _forget(self) -> None:
        self._recorded: dict[Hashable, tuple[Batch, Callable[[], None], list[str], Tensor]] = {}
        self._seen: Counter[Hashable] = Counter()
        self._shapes: list[torch.Size] = []

    def __call__(self, batch: Batch, step: int, lr: float) -> Losses:
        """As ``Stepper.__call__``."""
        if (shapes := [pictures.shape for pictures in batch]) != self._shapes:
            self._forget()  # what is recorded holds memory of one shape
            self._shapes = shapes
        self.stepper.prepare(len(batch[0]), lr)
        phase = self.stepper.objective.phase(step)
        self._seen[phase] += 1
        if self.recorder is None:
            return self._plain(batch, step)
        if self._seen[phase] <= WARM:
            return self.recorder.warm(lambda: self._plain(batch, step))
        if phase not in self._recorded and not self._record(self.recorder, phase, batch, step):
            return self._plain(batch, step)
        inputs, replay, names, result = self._recorded[phase]
        for kept, pictures in zip(inputs, batch, strict=True):
            kept.copy_(pictures, non_blocking=True)
        replay()
        return dict(zip(names, result.clone().unbind(), strict=True))  # the next replay overwrites the result

    def _plain(self, batch: Batch, step: int) -> Losses:
        if self._proven:
            return self.stepper.play(batch, step)
        before = self._snapshot()
        try:
            losses = self.stepper.play(batch, step)
        except Exception as error:  # a compiler has countless ways to fail, and the plain step needs none
            for module in self._modules():
                module._compiled_call_impl = None
            self._restore(before)
            self.tell(f"The networks cannot be compiled here ({_first_line(error)}): trained as they are.")
            losses = self.stepper.play(batch, step)
        self._proven = True
        return losses

    def _record(self, recorder: Recorder, phase: Hashable, batch: Batch, step: int) -> bool:
        inputs = tuple(pictures.clone() for pictures in batch)
        names: list[str] = []

        def play() -> Tensor:
            losses = self.stepper.play(inputs, step)
            names.extend(losses)
            return torch.stack([loss.float() for loss in losses.values()])

        try:
            replay, result = recorder.record(play)
        except Exception as error:  # whatever a driver does not like; no work has been done
            self.recorder = None
            self.tell(f"A step cannot be recorded here ({_first_line(error)}): each is launched piece by piece.")
            return False
        self._recorded[phase] = inputs, replay, names, result
        return True

    def _snapshot(self) -> tuple[dict[str, Any], dict[str, Any], Tensor, Tensor | None]:
        device = self.stepper.device
        there = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        held = {name: value.clone() for name, value in self.stepper.objective.state_dict().items()}
        return held, _copied(self.stepper.state()), torch.get_rng_state(), there

    def _restore(self, before: tuple[dict[str, Any], dict[str, Any], Tensor, Tensor | None]) -> None:
        objective, optimizers, here, there = before
        self.stepper.objective.load_state_dict(objective)
        self.stepper.load_state(optimizers)
        torch.set_rng_state(here)
        if there is not None:
            torch.cuda.set_rng_state(there, self.stepper.device)

    @property
    def refused_at(self) -> Tensor:
        return self.stepper.refused_at

    def begin(self, step: int) -> None:
        """As ``Stepper.begin``."""
        self.stepper.begin(step)

    def state(self) -> dict[str, Any]:
        """As ``Stepper.state``."""
        return self.stepper.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As ``Stepper.load_state``; what was recorded works on the memory of the old state, and is forgotten."""
        self._forget()
        self.stepper.load_state(state)


def fastest(stepper: Stepper, remaining: int, tell: Callable[[str], None]) -> Stepper | ReplayStepper:
    """The stepper's steps in the fastest way that its config allows, ``remaining`` of which are to be played.

    Raises ConfigError where the config insists on what this device has not got.
    """
    config, cuda = stepper.config, stepper.device.type == "cuda"
    require(cuda or config.record != "on", "record", "on", f"auto or off: there are no CUDA graphs on {stepper.device}")
    compiled = config.compile == "on" or (config.compile == "auto" and cuda and remaining >= LONG)
    recorder = CudaGraphs(stepper.device) if cuda and config.record != "off" else None
    if not compiled and recorder is None:
        return stepper
    return ReplayStepper(stepper, compiled=compiled, recorder=recorder, tell=tell)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value.clone() if isinstance(value, Tensor) else value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
