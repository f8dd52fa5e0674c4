"""Saves checkpoints beside the training: the step waits only while the weights are copied."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor

from i2i.checkpoints.model_card import write_model_card
from i2i.checkpoints.model_file import ModelFile, save_model_file
from i2i.checkpoints.model_info import BestMetric
from i2i.checkpoints.run import Run
from i2i.checkpoints.writing import training_goes_on
from i2i.diagnostics import nonfinite_names
from i2i.errors import I2IError, TrainingError
from i2i.methods.base import Method

logger = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """What is saved of one step."""

    model_file: ModelFile
    best: BestMetric | None  # the best result so far, for the model card
    state: dict[str, Any]  # all that an exact resume needs
    unreadable: str  # which training images could not be read, for the model card


class Checkpointer:
    """Writes the checkpoints of a run, one after another, in a thread.

    A checkpoint that cannot be written during the training, such as on a full disk, is reported, and the training goes
    on: the next one may succeed. The files of the checkpoint before it stay.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._copies = CopyBuffers()

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and wait until it is on the disk.

        Raises:
            I2IError: it cannot be written.
        """
        self.wait()
        self._write(checkpoint)

    def save_in_background(self, checkpoint: Checkpoint) -> None:
        """Copy a checkpoint to memory, and write it in the thread. Waits until the checkpoint before it is written."""
        self.wait()
        info = checkpoint.model_file.info
        tensors, state = self._copies.copy([checkpoint.model_file.tensors, checkpoint.state])
        copied = checkpoint._replace(model_file=ModelFile(info, tensors), state=state)
        self._writing = self._executor.submit(self._write, copied)

    def wait(self) -> bool:
        """Wait for the checkpoint that is being written. Return whether it was written, or True if there is none."""
        if self._writing is None:
            return True
        writing, self._writing = self._writing, None
        try:
            writing.result()
        except I2IError as error:
            logger.warning("A checkpoint was not saved; the training goes on. %s", error)
            return False
        return True

    def save_snapshot(self, step: int, model_file: ModelFile) -> None:
        """Write the translators after ``step`` steps, which later checkpoints do not replace."""
        path = self.run.snapshot_path(step)
        with training_goes_on("A snapshot"):
            path.parent.mkdir(exist_ok=True)
            save_model_file(path, model_file)

    def save_best(self, model_file: ModelFile) -> bool:
        """Write the best translators. Return whether they were written."""
        with training_goes_on("The best model so far"):
            save_model_file(self.run.best_path, model_file)
            return True
        return False

    def _write(self, checkpoint: Checkpoint) -> None:
        save_model_file(self.run.weights_path, checkpoint.model_file)
        write_model_card(self.run.path, checkpoint.model_file.info, checkpoint.best, checkpoint.unreadable)
        self.run.save_state(checkpoint.state)  # last: a resume repeats a save that was interrupted


def require_finite(method: Method, step: int, run: Run) -> None:
    """Raise TrainingError if a weight is not finite after ``step`` steps."""
    if names := nonfinite_names(method.state_dict()):
        raise TrainingError(
            f"{names[0]} is not finite at step {step}. The last good state of {run.path} is kept; continue from it "
            "with --resume and a lower --lr or --precision float32."
        )


class CopyBuffers:
    """Copies nested tables of tensors to the CPU, into the memory of the copy before.

    Memory that is in use already is written several times as fast as new memory. Tensors that share their memory, such
    as the weights in a model file and in a training state, are copied once.
    """

    def __init__(self) -> None:
        self._buffers: dict[Any, Tensor] = {}

    def copy(self, value: Any) -> Any:
        """Return a copy of nested dicts, lists and tuples. It holds until the next call."""
        used: dict[Any, Tensor] = {}
        copied = self._copy(value, used)
        self._buffers = used  # what this copy has not used is freed
        return copied

    def _copy(self, value: Any, used: dict[Any, Tensor]) -> Any:
        if isinstance(value, Tensor):
            return self._copy_tensor(value.detach(), used)
        if isinstance(value, dict):
            return {key: self._copy(item, used) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._copy(item, used) for item in value)
        return value

    def _copy_tensor(self, tensor: Tensor, used: dict[Any, Tensor]) -> Tensor:
        if tensor.layout != torch.strided or not tensor.numel():
            return tensor.to("cpu", copy=True)
        key = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if key not in used:
            buffer = self._buffers.get(key)
            used[key] = tensor.to("cpu", copy=True) if buffer is None else buffer.copy_(tensor)
        return used[key]
