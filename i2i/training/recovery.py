"""Recovery of a training from steps that fail: losses that are not finite, and memory that runs out."""

import gc
import logging
import weakref
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from i2i.checkpoints.log import MetricsLog
from i2i.device import is_out_of_memory, out_of_memory_reason
from i2i.diagnostics import nonfinite_names
from i2i.distributed import from_rank_0, num_ranks, rank
from i2i.errors import TrainingError
from i2i.methods.base import Method
from i2i.training.checkpointer import CopyBuffers
from i2i.training.config import TrainingConfig

if TYPE_CHECKING:
    from i2i.training.trainer import Trainer

logger = logging.getLogger(__name__)

MAX_HALVINGS = 3  # of the images that are computed at one time, in a run


def roll_back_nonfinite(trainer: "Trainer", log: MetricsLog) -> None:
    """Return to the last saved state after a loss or gradient that is not finite, with a lower learning rate.

    Raises:
        TrainingError: that was done too often, or there is no state.
    """
    step = int(trainer.train_step.first_skipped)
    size = trainer.config.images_per_step
    files = [file for k in range(step * size, (step + 1) * size) for file in trainer.dataset.files(k)]
    names = nonfinite_names(trainer.loss_means.pending(), trainer.method)
    trainer.checkpointer.wait()
    state = from_rank_0(trainer.run.load_state)
    decision = trainer.monitor.recovery.on_nonfinite(step, names, state["step"] if state else None, files)
    if decision.action == "stop" or state is None:
        trainer.saved_step = trainer.step  # the present weights must not be saved
        raise TrainingError(f"{decision.message} The last good state of {trainer.run.path} is kept.")
    logger.warning("%s", decision.message)
    recovery = trainer.monitor.recovery.state_dict()  # the count of rollbacks is not rolled back
    trainer.load_state_dict(state)
    trainer.monitor.recovery.load_state_dict(recovery)
    log.log(trainer.step, {"rollback": decision.message})


class MemoryGuard:
    """Runs training steps, and repeats a step that runs out of memory with its batch in smaller parts.

    The gradients of the parts are added up, so the arithmetic stays the same. The state before the first step of each
    ``Method.graph_key`` is kept in memory, because it is not known yet whether such a step fits. A later step that runs
    out of memory, such as beside another process on the GPU, returns to the last saved state.

    Args:
        trainer: whose steps are run.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer = weakref.proxy(trainer)  # no cycle: a trainer that is dropped unlocks its run at once
        self.halvings = 0
        self._completed: set[Hashable] = set()  # graph keys of the steps that fitted into memory

    @property
    def images_at_once(self) -> int:
        """Images of each domain that are computed at one time."""
        return self.trainer.train_step.micro_batch_size or self.trainer.config.images_per_rank

    def run_step(self, batch: tuple[Tensor, ...], log: MetricsLog) -> bool:
        """Run a step. Return False if memory ran out: the trainer is then in an earlier state, to go on from there.

        Raises:
            TrainingError: memory ran out, and the batch cannot be split further. The trainer is in an earlier state.
        """
        step = self.trainer.step + 1
        key = self.trainer.method.graph_key(step - 1)
        can_split = num_ranks() == 1
        before = CopyBuffers().copy(self.trainer.state_dict()) if can_split and key not in self._completed else None
        try:
            self.trainer._run_step(batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = out_of_memory_reason(error)
        else:
            self._completed.add(key)
            return True
        if not can_split:  # the other ranks are within the step
            raise TrainingError(self._too_large_for_rank_message(step, reason))
        # Outside the handler, the error does not hold the tensors of the failed step any more.
        self._split_further(step, before, reason, log)
        return False

    def _split_further(self, step: int, before: Mapping[str, Any] | None, reason: str, log: MetricsLog) -> None:
        """Return to the state before a step, or to the last saved one, and halve the images at one time."""
        trainer = self.trainer
        size = self.images_at_once
        free_memory(trainer)
        trainer.checkpointer.wait()
        state = before or trainer.run.load_state()
        if state is not None:
            trainer.load_state_dict(state)
        if size == 1 or self.halvings == MAX_HALVINGS or state is None:
            trainer.saved_step = trainer.step
            raise TrainingError(self._too_large_message(step, size, reason))
        self.halvings += 1
        trainer.train_step.micro_batch_size = -(-size // 2)
        self._completed.clear()
        message = self._split_message(step, reason)
        logger.warning("%s", message)
        log.log(trainer.step, {"out_of_memory": message})
        trainer.saved_step = -1  # a resume shall know how the batch is split
        trainer.save_in_background()

    def _split_message(self, step: int, reason: str) -> str:
        trainer = self.trainer
        message = (
            f"Out of memory in step {step} ({reason}). From now on the {trainer.config.images_per_step} images of a "
            f"step are computed {self.images_at_once} at a time and their gradients added up: time "
            f"{self.halvings} of {MAX_HALVINGS} in this run."
        )
        if trainer.step < step - 1:
            message += f" The training went back to step {trainer.step}, the last saved state."
        if names := trainer.method.batch_statistics():
            message += f" The results change a little: {' and '.join(names)} depend on the images of a part."
        return message

    def _too_large_for_rank_message(self, step: int, reason: str) -> str:
        config = self.trainer.config
        fewer = f"--batch-size 1 --accumulate {config.images_per_rank}" if config.batch_size > 1 else "more processes"
        return (
            f"Out of memory in step {step} on rank {rank()} ({reason}). The last good state of "
            f"{self.trainer.run.path} is kept. Resume with {fewer}, or with --checkpoint-activations."
        )

    def _too_large_message(self, step: int, size: int, reason: str) -> str:
        config = self.trainer.config
        checkpointing = "" if config.checkpoint_activations else "add --checkpoint-activations to --resume, "
        problem = (
            "1 image at a time does not fit" if size == 1 else f"the batch was split {self.halvings} times already"
        )
        fewer = "" if size == 1 else f"resume with --batch-size 1 --accumulate {config.images_per_rank}, "
        return (
            f"Out of memory in step {step} ({reason}), and {problem}. To go on, {fewer}{checkpointing}close other "
            f"programs that use {self.trainer.device}, or start a new run with a lower --size or smaller networks. The "
            f"last good state of {self.trainer.run.path} is kept."
        )

    def state_dict(self) -> dict[str, Any]:
        """Return how the batch is split, and for which ``--batch-size``."""
        return {
            "halvings": self.halvings,
            "batch_size": self.trainer.config.batch_size,
            "images_at_once": self.images_at_once,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the split. A resume with another ``--batch-size`` has chosen its own.

        The count of halvings is never lowered, as by a return to an earlier state of the same run.
        """
        self.halvings = max(self.halvings, int(state.get("halvings", 0)))
        if state.get("halvings") and state["batch_size"] == self.trainer.config.batch_size:
            self.trainer.train_step.micro_batch_size = max(1, int(state["images_at_once"]))


def warn_of_batch_statistics(method: Method, config: TrainingConfig) -> None:
    """Log a warning if ``--accumulate`` differs from a large batch for this method."""
    if config.accumulate > 1 and (names := method.batch_statistics()):
        logger.warning(
            "With --accumulate, the statistics of %s are those of %d images at a time, not of all %d of a step. All "
            "else is as with one large batch.",
            " and ".join(names), config.batch_size, config.images_per_step,
        )  # fmt: skip


def free_memory(trainer: "Trainer") -> None:
    """Free the gradients, and the memory that torch keeps for later tensors."""
    for weight in trainer.method.parameters():
        weight.grad = None
    gc.collect()
    if trainer.device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def left_out_if_out_of_memory(trainer: "Trainer", what: str) -> Iterator[None]:
    """Report that memory ran out for something that the training can do without, and go on."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = out_of_memory_reason(error)
        logger.warning("step %d: out of memory for %s, which is left out. (%s)", trainer.step, what, reason)
    else:
        return
    free_memory(trainer)
