"""The training loop, for every method."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from i2i.checkpoints.log import MetricsLog
from i2i.checkpoints.model_file import ModelFile
from i2i.checkpoints.model_info import BestMetric, ModelInfo
from i2i.checkpoints.run import Run
from i2i.data.dataset import TrainingDataset
from i2i.data.unreadable import UnreadableImage, UnreadableImages
from i2i.device import resolve_device, resolve_dtype
from i2i.distributed import device_of_rank, num_ranks, rank
from i2i.errors import DatasetError, ImageError, RankError, TrainingError
from i2i.methods.base import Method
from i2i.training.batches import load_batches
from i2i.training.checkpointer import Checkpoint, Checkpointer, require_finite
from i2i.training.config import TrainingConfig
from i2i.training.cuda_graphs import GraphedTrainStep, accelerate, check_acceleration
from i2i.training.ema import EMA
from i2i.training.monitor import TrainingMonitor
from i2i.training.outputs import TrainingOutputs
from i2i.training.progress import RunningMeans, TrainingProgress
from i2i.training.ranks import RankAgreement
from i2i.training.recovery import MemoryGuard, left_out_if_out_of_memory, roll_back_nonfinite, warn_of_batch_statistics
from i2i.training.schedule import is_due, lr_factor
from i2i.training.signals import GracefulShutdown
from i2i.training.time_budget import TimeBudget, TimeLimit
from i2i.training.train_step import TrainStep
from i2i.training.training_state import collect_state, restore_state
from i2i.training.validator import Validator

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a method on a dataset. Writes everything to the folder of a run.

    Args:
        method: what to train.
        dataset: the training and test images.
        config: length, optimizer, schedule and intervals.
        run: folder for model files, states, logs and samples.
        info: what is trained, on which data, by which recipe; goes into the model file and the model card.
        progress: console display.
        monitor: alarms and rollbacks.
        validator: measures the translators on test images; None for no validation.
    """

    def __init__(
        self,
        method: Method,
        dataset: TrainingDataset,
        config: TrainingConfig,
        run: Run,
        info: ModelInfo,
        progress: TrainingProgress,
        monitor: TrainingMonitor,
        validator: Validator | None = None,
    ) -> None:
        self.device = resolve_device(device_of_rank(config.device))
        self.dtype = resolve_dtype(config.precision, self.device)
        self.method = method.to(self.device).to(memory_format=torch.channels_last)
        self.dataset = dataset
        self.config = config
        self.run = run
        self.info = info
        self.progress = progress
        self.monitor = monitor
        self.validator = validator
        self.is_main = rank() == 0  # writes the files of the run
        self.agreement = RankAgreement()
        self.step = 0  # number of steps that are done
        self.time_budget = TimeBudget(config.max_hours)
        self.time_limit = TimeLimit(None)
        self.train_step: TrainStep | GraphedTrainStep = TrainStep(self.method, config, self.device, self.dtype)
        check_acceleration(self.train_step)  # before the run has any file
        warn_of_batch_statistics(self.method, config)
        self.ema = EMA(method.translators(), config.ema) if config.ema else None
        self.checkpointer = Checkpointer(run)
        self.loss_means = RunningMeans()
        self.memory = MemoryGuard(self)
        self.unreadable = UnreadableImages(dataset.layout)
        self.outputs = TrainingOutputs(self)
        self.data_change = ""  # what the log is to record of the images
        self.saved_step = -1  # of the last checkpoint on the disk, or on its way there
        self._save_time = time.monotonic()

    def total_steps(self) -> int:
        """Return the steps of the whole training; an estimate from the present speed if its length is in hours."""
        if self.config.max_hours:
            return self.time_budget.total_steps(self.step)
        return self.config.total_steps(self.dataset.epoch_length)

    def lr(self, step: int) -> float:
        """Return the learning rate at a step."""
        scheduled = lr_factor(self.config, step, self.dataset.epoch_length, self.time_budget.fraction_used)
        return self.monitor.recovery.lr_factor * self.config.lr * scheduled

    def train(self) -> int | None:
        """Train to the end, until the time limit, or until SIGINT or SIGTERM. Return the signal, or None.

        Raises TrainingError if the training diverged and cannot be rolled back, or at an alarm that stops it.
        """
        total = self.total_steps()
        if isinstance(self.train_step, TrainStep):
            self.train_step = accelerate(self.train_step, total - self.step)
        with GracefulShutdown() as shutdown, self.outputs.tracking(), self.progress.open(self.step, total):
            while self._train_until_stop(shutdown):  # again from each earlier state
                pass
        if self.step >= self.total_steps() and self.is_main:
            self.run.drop_previous_state()
        if summary := self.unreadable.summary():
            logger.warning("%s", summary)
        return shutdown.signal

    def _train_until_stop(self, shutdown: GracefulShutdown) -> bool:
        """Train to the end, a signal, or a return to an earlier state. Return whether it was the latter."""
        log = self.outputs.open_log()
        report = partial(self._report_unreadable, log)
        loader = load_batches(self.dataset, self.config, self.device, self.step, report)
        self.train_step.reset_counters(self.step)
        self.time_budget.start()
        self._save_time = time.monotonic()
        is_within_step = False
        try:
            # Save before the first step: a disk that is too small is noticed now and not after hours.
            if self.step == 0:
                self.save()
            if self.data_change:
                log.log(self.step, {"data_changed": self.data_change})
                self.data_change = ""

            # Main training loop.
            while self.step < self.total_steps() and not self._should_stop(shutdown):
                # Run one training step. If memory runs out, go on from an earlier state, with smaller parts.
                batch = next(loader)
                is_within_step = True
                if not self.memory.run_step(batch, log):
                    return True
                is_within_step = False

                # Update the length of a training that is limited by time.
                self.time_budget.tick()
                should_save = time.monotonic() - self._save_time >= 60 * self.config.save_every_minutes
                if num_ranks() > 1:
                    should_save = self._agree(log, shutdown, should_save)
                total = self.total_steps()
                if self.config.max_hours:
                    self.monitor.alarms.set_total_steps(total)

                # Roll back if an optimizer step was skipped. On a GPU, check only before results are used.
                should_log = is_due(self.step, self.config.log_every) or self.step == total
                if self._has_nonfinite_step(wait=should_log or should_save or bool(shutdown)):
                    roll_back_nonfinite(self, log)
                    return True

                self._run_due_actions(log, total, should_log, should_save)
            self.save()
        except RankError as error:
            if self.is_main and is_within_step:  # the weights are between two steps
                self.agreement.save_kept(self, error)
            self.save()
            raise
        except (ImageError, DatasetError, TrainingError):  # the steps before the bad file or the alarm were good
            self.save()
            raise
        finally:
            self.checkpointer.wait()
            log.close()
            loader.close()
        return False

    def _should_stop(self, shutdown: GracefulShutdown) -> bool:
        """Return whether the training ends or pauses before its last step."""
        return self.agreement.stops if num_ranks() > 1 else bool(shutdown) or self.time_limit.is_reached()

    def _agree(self, log: MetricsLog, shutdown: GracefulShutdown, should_save: bool) -> bool:
        """Agree with the other ranks on what follows a step. Return whether it is time to save the state."""
        for image in self.agreement.exchange(self, shutdown, should_save=should_save):
            self._log_unreadable(log, image)
        if self.is_main and self.agreement.is_copy_due():
            self.agreement.keep(self._checkpoint())
        return self.agreement.should_save

    def _run_step(self, batch: tuple[Tensor, ...]) -> None:
        self.loss_means.add(self.train_step(batch, self.step, self.lr(self.step)))
        self.step += 1
        if self.ema is not None:
            self.ema.update(self.step)

    def _report_unreadable(self, log: MetricsLog, image: UnreadableImage) -> None:
        if num_ranks() > 1:
            self.agreement.unreadable.append(image)
        else:
            self._log_unreadable(log, image)

    def _log_unreadable(self, log: MetricsLog, image: UnreadableImage) -> None:
        if self.unreadable.add(image):
            row = {"unreadable": image.file, "reason": image.reason, "replacement": image.replacement}
            log.log(self.step, row)

    def _run_due_actions(self, log: MetricsLog, total: int, should_log: bool, should_save: bool) -> None:
        """Run the actions that are due after ``self.step`` of ``total`` steps.

        Their order is a contract. The progress display shows the means that were just logged. The best translators are
        saved before the state that refers to them. An alarm stops the training after everything else of its step.
        """
        if not self.is_main:
            return
        is_last = self.step >= total
        if should_log:
            self._log_losses(log)
        self.progress.update(self.step, total, self.loss_means.last)
        if is_due(self.step, self.config.sample_every) or self.step == 1 or is_last:
            with left_out_if_out_of_memory(self, "a sample grid"):
                self.outputs.save_samples(log)
        if is_due(self.step, self.config.snapshot_every):
            self.outputs.save_snapshot()
        if self.validator is not None and self.validator.should_validate(self.step, total):
            with left_out_if_out_of_memory(self, "a validation"):
                self.outputs.validate(self.validator, log)
        self.monitor.raise_if_stopped()
        if should_save and not is_last:  # the last state is saved after the loop
            self.save_in_background()

    def _has_nonfinite_step(self, *, wait: bool) -> bool:
        """Return whether an optimizer step was skipped. On a GPU, check only if ``wait`` or after a rollback."""
        if not wait and self.device.type != "cpu" and not self.monitor.recovery.rollbacks:
            return False
        return int(self.train_step.first_skipped) >= 0

    def _log_losses(self, log: MetricsLog) -> None:
        losses = self.loss_means.pop()
        epoch = self.step * self.config.images_per_step / self.dataset.epoch_length
        row = {"epoch": round(epoch, 4), "lr": self.lr(self.step - 1), "time": round(time.time(), 1)}
        log.log(self.step, {**row, **losses, **self.method.log_scalars()})
        self.monitor.check_losses(losses, self.step, log)

    def translators(self) -> dict[str, nn.Module]:
        """Return the networks that are saved: the EMA translators with EMA, else the ones in training."""
        return dict(self.ema.module.items()) if self.ema is not None else self.method.translators()

    def model_file(self, best: BestMetric | None = None) -> ModelFile:
        """Return the translators with their metadata. ``best``: the result for which they are kept, if any."""
        info = replace(self.info, steps=self.step, total_steps=self.total_steps(), ema=self.config.ema, best=best)
        return ModelFile.from_networks(info, list(self.translators().values()))

    def save(self) -> None:
        """Write model file, model card and training state, once per step, and wait until rank 0 has written them.

        Raises I2IError if a file cannot be written, or as TrainingError if a weight is not finite.
        """
        if not self.is_main:
            return
        written = self.checkpointer.wait()
        if not written or self.step != self.saved_step:
            self.checkpointer.save(self._checkpoint())
            self.saved_step = self.step

    def save_in_background(self) -> None:
        """Write the same files as ``save`` while the training goes on.

        Raises TrainingError if a weight is not finite. A file that cannot be written is reported by a warning.
        """
        if self.step != self.saved_step:
            self.checkpointer.save_in_background(self._checkpoint())
            self.saved_step = self.step
        self._save_time = time.monotonic()

    def _checkpoint(self) -> Checkpoint:
        """Return the present checkpoint. Its tensors are those in training."""
        require_finite(self.method, self.step, self.run)
        best = self.validator.best if self.validator is not None else None
        return Checkpoint(self.model_file(), best, self.state_dict(), self.unreadable.summary())

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact resume needs."""
        return collect_state(self)

    def load_state_dict(self, state: Mapping[str, Any], *, allow_changed_data: bool = False) -> None:
        """Restore a state.

        Args:
            state: what ``state_dict`` returned.
            allow_changed_data: continue although the training images differ; a row of the log records it.

        Raises:
            RunError: it was saved with other networks, or with other data without ``allow_changed_data``, or it is not
                usable.
        """
        self.data_change = restore_state(self, state, allow_changed_data=allow_changed_data)
        self.saved_step = self.step
