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
from i2i.checkpoints.model_card import write_model_card
from i2i.checkpoints.model_file import ModelFile, save_model_file
from i2i.checkpoints.model_info import BestMetric, ModelInfo
from i2i.checkpoints.run import Run
from i2i.data.dataset import TrainingDataset
from i2i.device import autocast, fork_rng_with_seed, resolve_device, resolve_dtype, rng_state, set_rng_state
from i2i.diagnostics import nonfinite_names
from i2i.errors import DatasetError, ImageError, RunError, TrainingError
from i2i.methods.base import Method
from i2i.training.batches import load_batches, to_device
from i2i.training.config import TrainingConfig
from i2i.training.cuda_graphs import GraphedTrainStep, accelerate
from i2i.training.ema import EMA
from i2i.training.monitor import TrainingMonitor
from i2i.training.progress import RunningMeans, TrainingProgress, format_losses
from i2i.training.samples import inference_copies, save_sample_grid
from i2i.training.schedule import is_due, lr_factor
from i2i.training.signals import GracefulShutdown
from i2i.training.time_budget import TimeBudget
from i2i.training.train_step import TrainStep
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
        self.device = resolve_device(config.device)
        self.dtype = resolve_dtype(config.precision, self.device)
        self.method = method.to(self.device).to(memory_format=torch.channels_last)
        self.dataset = dataset
        self.config = config
        self.run = run
        self.info = info
        self.progress = progress
        self.monitor = monitor
        self.validator = validator
        self.step = 0  # number of steps that are done
        self.time_budget = TimeBudget(config.max_hours)
        self.train_step: TrainStep | GraphedTrainStep = TrainStep(self.method, config, self.device, self.dtype)
        self.ema = EMA(method.translators(), config.ema) if config.ema else None
        self._loss_means = RunningMeans()
        self._saved_step = -1
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
        """Train to the end or until SIGINT or SIGTERM. Return the signal, or None at the end.

        Raises TrainingError if the training diverged and cannot be rolled back, or at an alarm that stops it.
        """
        total = self.total_steps()
        if isinstance(self.train_step, TrainStep):
            self.train_step = accelerate(self.train_step, total - self.step)
        with GracefulShutdown() as shutdown, self.progress.open(self.step, total):
            while self._train_until_stop(shutdown):  # again after each rollback
                pass
        if self.step >= self.total_steps():
            self.run.drop_previous_state()
        return shutdown.signal

    def _train_until_stop(self, shutdown: GracefulShutdown) -> bool:
        """Train to the end, a signal or a rollback. Return whether it was a rollback."""
        log = MetricsLog(self.run.path, self.step)
        loader = load_batches(self.dataset, self.config, self.device, self.step)
        self.train_step.reset_counters(self.step)
        self.time_budget.start()
        self._save_time = time.monotonic()
        try:
            # Save before the first step: a disk that is too small is noticed now and not after hours.
            if self.step == 0:
                self.save()

            # Main training loop.
            while self.step < self.total_steps() and not shutdown:
                # Run one training step.
                self._run_step(next(loader))

                # Update the length of a training that is limited by time.
                self.time_budget.tick()
                total = self.total_steps()
                if self.config.max_hours:
                    self.monitor.alarms.set_total_steps(total)

                # Roll back if an optimizer step was skipped. On a GPU, check only before results are used.
                should_log = is_due(self.step, self.config.log_every) or self.step == total
                should_save = time.monotonic() - self._save_time >= 60 * self.config.save_every_minutes
                if self._has_nonfinite_step(wait=should_log or should_save or bool(shutdown)):
                    self._roll_back(log)
                    return True

                self._run_due_actions(log, total, should_log, should_save)
            self.save()
        except (ImageError, DatasetError, TrainingError):  # the steps before the bad file or the alarm were good
            self.save()
            raise
        finally:
            log.close()
            loader.close()
        return False

    def _run_step(self, batch: tuple[Tensor, ...]) -> None:
        self._loss_means.add(self.train_step(batch, self.step, self.lr(self.step)))
        self.step += 1
        if self.ema is not None:
            self.ema.update(self.step)

    def _run_due_actions(self, log: MetricsLog, total: int, should_log: bool, should_save: bool) -> None:
        """Run the actions that are due after ``self.step`` of ``total`` steps.

        Their order is a contract. The progress display shows the means that were just logged. The best translators are
        saved before the state that refers to them. An alarm stops the training after everything else of its step.
        """
        is_last = self.step >= total
        if should_log:
            self._log_losses(log)
        self.progress.update(self.step, total, self._loss_means.last)
        if is_due(self.step, self.config.sample_every) or self.step == 1 or is_last:
            self._save_samples(log)
        if is_due(self.step, self.config.snapshot_every):
            self._save_snapshot()
        if self.validator is not None and self.validator.should_validate(self.step, total):
            self._validate(self.validator, log)
        self.monitor.raise_if_stopped()
        if should_save and not is_last:  # the last state is saved after the loop
            self.save()
            self._save_time = time.monotonic()

    def _has_nonfinite_step(self, *, wait: bool) -> bool:
        """Return whether an optimizer step was skipped. On a GPU, check only if ``wait`` or after a rollback."""
        if not wait and self.device.type != "cpu" and not self.monitor.recovery.rollbacks:
            return False
        return int(self.train_step.first_skipped) >= 0

    def _roll_back(self, log: MetricsLog) -> None:
        """Return to the last saved state. Raise TrainingError if that was done too often or there is no state."""
        step = int(self.train_step.first_skipped)
        size = self.config.batch_size
        files = [file for k in range(step * size, (step + 1) * size) for file in self.dataset.files(k)]
        names = nonfinite_names(self._loss_means.pending(), self.method)
        state = self.run.load_state()
        decision = self.monitor.recovery.on_nonfinite(step, names, state["step"] if state else None, files)
        if decision.action == "stop" or state is None:
            self._saved_step = self.step  # the present weights must not be saved
            raise TrainingError(f"{decision.message} The last good state of {self.run.path} is kept.")
        logger.warning("%s", decision.message)
        recovery = self.monitor.recovery.state_dict()  # the count of rollbacks is not rolled back
        self.load_state_dict(state)
        self.monitor.recovery.load_state_dict(recovery)
        self._loss_means = RunningMeans()
        log.log(self.step, {"rollback": decision.message})

    def _log_losses(self, log: MetricsLog) -> None:
        losses = self._loss_means.pop()
        epoch = self.step * self.config.batch_size / self.dataset.epoch_length
        row = {"epoch": round(epoch, 4), "lr": self.lr(self.step - 1), "time": round(time.time(), 1)}
        log.log(self.step, {**row, **losses, **self.method.log_scalars()})
        self.monitor.check_losses(losses, self.step, log)

    def translators(self) -> dict[str, nn.Module]:
        """Return the networks that are saved: the EMA translators with EMA, else the ones in training."""
        return dict(self.ema.module.items()) if self.ema is not None else self.method.translators()

    @torch.no_grad()
    def _save_samples(self, log: MetricsLog) -> None:
        """Save a grid of samples of the fixed batch, log their metrics and check their health."""
        with fork_rng_with_seed(self.device, 0):
            translators = inference_copies(self.method, self.translators())
            batch = to_device(self.dataset.sample_batch(self.method.num_samples), self.device)
            with autocast(self.device, self.dtype):
                columns = self.method.sample_images(batch, translators)
                if metrics := self.method.metrics(batch, columns):
                    log.log(self.step, metrics)
                    logger.info("step %d: %s", self.step, format_losses(metrics))
                self.monitor.check_samples(self.method.health_views(batch, columns, translators), self.step, log)
        save_sample_grid(columns, self.dataset.config.size, self.run, self.step, log)

    def _validate(self, validator: Validator, log: MetricsLog) -> None:
        with fork_rng_with_seed(self.device, 0), autocast(self.device, self.dtype):
            translators = inference_copies(self.method, self.translators())
            is_best = validator.validate(translators, partial(to_device, device=self.device), self.step, log)
        if is_best and not nonfinite_names(self.method.state_dict()):
            save_model_file(self.run.best_path, self._model_file(validator.best))
            self.save()  # the state must refer to the best model that was saved

    def _save_snapshot(self) -> None:
        if not nonfinite_names(self.method.state_dict()):
            path = self.run.snapshot_path(self.step)
            path.parent.mkdir(exist_ok=True)
            save_model_file(path, self._model_file())

    def _model_file(self, best: BestMetric | None = None) -> ModelFile:
        """Return the translators with their metadata. ``best``: the result for which they are kept, if any."""
        info = replace(self.info, steps=self.step, total_steps=self.total_steps(), ema=self.config.ema, best=best)
        return ModelFile.from_networks(info, list(self.translators().values()))

    def save(self) -> None:
        """Write the model file, the model card and the training state, once per step.

        Raises TrainingError if a weight is not finite.
        """
        if self.step == self._saved_step:
            return
        if names := nonfinite_names(self.method.state_dict()):
            raise TrainingError(
                f"{names[0]} is not finite at step {self.step}. The last good state of {self.run.path} is kept; "
                "continue from it with --resume and a lower --lr or --precision float32."
            )
        model_file = self._model_file()
        best = self.validator.best if self.validator is not None else None
        save_model_file(self.run.weights_path, model_file)
        write_model_card(self.run.path, model_file.info, best)
        self.run.save_state(self.state_dict())  # last: a resume repeats a save that was interrupted
        self._saved_step = self.step

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact resume needs."""
        return {
            "step": self.step,
            "elapsed": self.time_budget.elapsed if self.config.max_hours else 0.0,  # an exact state has no times
            "fingerprint": self.info.data.fingerprint,
            "method": self.method.state_dict(),
            "optimizers": self.train_step.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema is not None else None,
            "monitor": self.monitor.state_dict(),
            "validator": self.validator.state_dict() if self.validator is not None else None,
            **rng_state(self.device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state. Raises RunError if it was saved with other data or other networks."""
        if state["fingerprint"] != self.info.data.fingerprint:
            raise RunError(
                f"The training images of {self.dataset.layout.root} differ from those at the start of this run: files "
                "were added, removed or resized. Restore them, or start a new run with another --name."
            )
        try:
            self.method.load_state_dict(state["method"])
            self.train_step.load_state_dict(state["optimizers"])
            if self.ema is not None:
                self.ema.module.load_state_dict(state["ema"])
            self.monitor.load_state_dict(state["monitor"])
            if self.validator is not None:
                self.validator.load_state_dict(state.get("validator"))
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise RunError(f"The state of {self.run.path} does not fit its config.json: {error}.") from error
        self.step = state["step"]
        self._saved_step = state["step"]
        self.time_budget.elapsed = state.get("elapsed", 0.0)
        set_rng_state(state, self.device)
