"""The trainer's side of a distributed training: what the ranks agree on, and what rank 0 saves if one is lost."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from i2i.checkpoints.log import MetricsLog
from i2i.data.unreadable import UnreadableImage
from i2i.distributed import gather_objects, largest_over_ranks, num_ranks, rank
from i2i.errors import RankError
from i2i.training.checkpointer import Checkpoint, CopyBuffers
from i2i.training.signals import GracefulShutdown

if TYPE_CHECKING:
    from i2i.training.trainer import Trainer

COPY_SECONDS = 10.0  # between two copies in memory of the state that is saved if a rank is lost


class NoLog(MetricsLog):
    """The log of the ranks that write none."""

    def __init__(self) -> None:
        pass

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        pass

    def log_image(self, step: int, pixels: Any) -> None:
        pass

    def close(self) -> None:
        pass


class RankAgreement:
    """What all ranks decide alike after each step, by the clock of rank 0 and the signals of all.

    Attributes:
        stops: whether the training ends or pauses now, by a signal or the time limit.
        should_save: whether it is time to save the state.
    """

    def __init__(self) -> None:
        self.stops = False
        self.should_save = False
        self.unreadable: list[UnreadableImage] = []  # of this rank, to be reported by rank 0
        self._copies = CopyBuffers()
        self._kept: Checkpoint | None = None
        self._kept_time = 0.0

    def exchange(self, trainer: "Trainer", shutdown: GracefulShutdown, *, should_save: bool) -> list[UnreadableImage]:
        """Agree with the other ranks after a step. Returns the images that could not be read on any rank.

        Args:
            trainer: its time budget is set to that of rank 0.
            shutdown: gets the signal that any rank has received.
            should_save: what the clock of this rank says.

        Raises: RankError if a rank has ended.
        """
        budget, signal = trainer.time_budget, float(shutdown.signal or 0)
        own = [signal, float(bool(self.unreadable)), 0.0, 0.0, 0.0]
        if rank() == 0:
            own[2:] = [float(trainer.time_limit.is_reached()), float(should_save), budget.elapsed]
        signal, has_unreadable, is_limit_reached, save, budget.elapsed = largest_over_ranks(own)
        shutdown.signal = int(signal) or None
        self.stops = bool(signal or is_limit_reached)
        self.should_save = bool(save)
        if not has_unreadable:
            return []
        own_images, self.unreadable = self.unreadable, []
        return [image for images in gather_objects(own_images) for image in images]

    def is_copy_due(self) -> bool:
        """Return whether the last copy of a checkpoint is ``COPY_SECONDS`` old."""
        return self._kept is None or time.monotonic() - self._kept_time >= COPY_SECONDS

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep a copy of a checkpoint in memory."""
        tensors, state = self._copies.copy([checkpoint.model_file.tensors, checkpoint.state])
        model_file = type(checkpoint.model_file)(checkpoint.model_file.info, tensors)
        self._kept = checkpoint._replace(model_file=model_file, state=state)
        self._kept_time = time.monotonic()

    def save_kept(self, trainer: "Trainer", error: RankError) -> None:
        """Save the last copy, because a rank was lost within a step. Raises RankError that says what was saved."""
        run = trainer.run.path
        if self._kept is None:
            raise error
        step = self._kept.state["step"]
        trainer.checkpointer.wait()
        trainer.checkpointer.save(self._kept)
        trainer.saved_step = trainer.step
        raise RankError(
            f"{error} The state of step {step} of {num_ranks()} processes is saved in {run}. Resume the training with "
            "any number of processes that divides the images of a step, or let torchrun restart it (--max-restarts)."
        ) from error
