"""The one training loop."""

import copy
import random
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from i2i.checkpoints.log import RunLog
from i2i.checkpoints.model_card import write_card
from i2i.checkpoints.run import Bundle, Run, save_bundle, write
from i2i.data.dataset import TrainingPictures
from i2i.data.loader import batches
from i2i.device import autocast, pick_device, pick_precision, seeded
from i2i.diagnostics import broken
from i2i.errors import DatasetError, PictureError, RunError, TrainingError
from i2i.images import encode, grid, to_float
from i2i.methods.base import Objective
from i2i.networks import use_mode
from i2i.training.config import TrainingConfig
from i2i.training.cuda_graphs import ReplayStepper, fastest
from i2i.training.ema import EMA
from i2i.training.means import Means
from i2i.training.monitor import Watch
from i2i.training.progress import TrainingProgress, spoken
from i2i.training.signals import StopRequest
from i2i.training.time_budget import Clock
from i2i.training.train_step import Stepper
from i2i.training.validator import Exam

PREFETCH = 4  # batches kept ready beside a GPU


class Trainer:
    """Trains an objective on pictures, and leaves everything in a run's folder.

    ``about`` goes into the bundle's header and the card: what was trained, on what, by which recipe.
    """

    def __init__(
        self,
        objective: Objective,
        pictures: TrainingPictures,
        config: TrainingConfig,
        run: Run,
        about: Mapping[str, Any],
        progress: TrainingProgress,
        watch: Watch,
        exam: Exam | None = None,
    ) -> None:
        self.device = pick_device(config.device)
        self.dtype = pick_precision(config.precision, self.device)
        self.objective = objective.to(self.device).to(memory_format=torch.channels_last)
        self.pictures, self.config, self.run = pictures, config, run
        self.about, self.progress, self.watch, self.exam = about, progress, watch, exam
        self.step, self._saved, self.clock = 0, -1, Clock(config.hours)
        self.stepper: Stepper | ReplayStepper = Stepper(self.objective, config, self.device, self.dtype)
        self.ema = EMA(objective.translators(), config.ema) if config.ema else None
        self._means = Means()

    def total_steps(self) -> int:
        """Steps of the whole training; of one whose hours are given, as many as there will be at this speed."""
        if self.config.hours:
            return self.clock.total_steps(self.step)
        return self.config.total_steps(self.pictures.epoch_length)

    def lr(self, step: int) -> float:
        """The learning rate at a step."""
        scheduled = self.config.lr_factor(step, self.pictures.epoch_length, self.clock.share)
        return self.watch.setbacks.lr_factor * self.config.lr * scheduled

    def train(self) -> int | None:
        """Train to the end, or until asked to stop: returns None, or the signal that asked.

        Raises TrainingError where the training broke and could not be taken back, or on an alarm that is to stop it.
        """
        total = self.total_steps()
        if isinstance(self.stepper, Stepper):
            self.stepper = fastest(self.stepper, total - self.step, self.progress.say)
        with StopRequest() as stop, self.progress.open(self.step, total):
            while self._stretch(stop):
                pass
        return stop.signal

    def _stretch(self, stop: StopRequest) -> bool:
        """Train until the end, a request to stop, or a setback. Returns whether there is more to train."""
        log, loader, saved = RunLog(self.run.path, self.step), self._batches(), time.monotonic()
        self.stepper.begin(self.step)
        self.clock.start()
        try:
            if self.step == 0:
                self.save()  # a disk that is too small is found now, not after the first hours
            while self.step < self.total_steps() and not stop:
                self._train_step(next(loader))
                self.clock.tick()
                total = self.total_steps()
                if self.config.hours:
                    self.watch.doctor.expect(total)
                row = self.step % self.config.log_every == 0 or self.step == total
                due = time.monotonic() - saved >= 60 * self.config.save_minutes
                if self._broken(row or due or bool(stop)):
                    self._take_back(log)
                    return True
                if row:
                    self._log(log)
                self.progress.advance(self.step, total, self._means.last)
                if self.step % self.config.sample_every == 0 or self.step in (1, total):
                    self._sample(log)
                if self.config.snapshot_every and self.step % self.config.snapshot_every == 0:
                    self._snapshot()
                if self.exam is not None and self.exam.due(self.step, total):
                    self._evaluate(self.exam, log)
                self.watch.check()
                if due and self.step < total:
                    self.save()
                    saved = time.monotonic()
            self.save()
        except (PictureError, DatasetError, TrainingError):  # the steps before the bad file, or the alarm, were good
            self.save()
            raise
        finally:
            log.close()
            loader.close()
        return False

    def _broken(self, asked: bool) -> bool:
        """Whether a move had to be refused. Waits for the device, so beside a GPU only where it is asked for."""
        if not asked and self.device.type != "cpu" and not self.watch.setbacks.count:
            return False
        return int(self.stepper.refused_at) >= 0

    def _take_back(self, log: RunLog) -> None:
        """Go back to the last good state, or raise TrainingError where that has been done too often."""
        step, size = int(self.stepper.refused_at), self.config.batch_size
        files = [file for k in range(step * size, (step + 1) * size) for file in self.pictures.files(k)]
        state = self.run.load_state()
        what = broken(self._means.sums(), self.objective)
        verdict = self.watch.setbacks.decide(step, what, state["step"] if state else None, files)
        if verdict.action == "stop" or state is None:
            self._saved = self.step  # what is here now is not to be saved
            raise TrainingError(f"{verdict.sentence} The last good state of {self.run.path} is kept.")
        self.progress.say(verdict.sentence)
        setbacks = self.watch.setbacks.state_dict()
        self.load_state(state)
        self.watch.setbacks.load_state_dict(setbacks)
        self._means = Means()
        log.row(self.step, {"setback": verdict.sentence})

    def _batches(self) -> Generator[tuple[Tensor, ...]]:
        workers, size, packed = self.config.workers, self.config.batch_size, self.pictures.packed is not None
        if workers is None:
            import os

            workers = 0 if packed or self.device.type == "cpu" else min(8, max(1, (os.cpu_count() or 1) - 1))
        prefetch = PREFETCH if packed and self.device.type == "cuda" and not workers else 0
        with closing(batches(self.pictures, size, self.step * size, workers, prefetch)) as stream:
            for batch in stream:
                yield self._to_device(batch)

    def _to_device(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        moved = (pixels.to(self.device, non_blocking=True) for pixels in batch)
        return tuple(to_float(pixels).contiguous(memory_format=torch.channels_last) for pixels in moved)

    def _train_step(self, batch: tuple[Tensor, ...]) -> None:
        self._means.add(self.stepper(batch, self.step, self.lr(self.step)))
        self.step += 1
        if self.ema is not None:
            self.ema.update(self.step)

    def _log(self, log: RunLog) -> None:
        losses = self._means.take()
        epoch = self.step * self.config.batch_size / self.pictures.epoch_length
        log.row(self.step, {"epoch": round(epoch, 4), "lr": self.lr(self.step - 1),
                            "time": round(time.time(), 1), **losses, **self.objective.gauges()})  # fmt: skip
        self.watch.listen(losses, self.step, log)

    def translators(self) -> dict[str, nn.Module]:
        """What ships: the averaged translators where EMA is on, else the last ones."""
        if self.ema is not None:
            return dict(self.ema.average.items())
        return self.objective.translators()

    def _shown(self) -> dict[str, nn.Module]:
        """Copies of what ships, in the mode in which it is used."""
        config = self.objective.generator_config()
        return {name: use_mode(copy.deepcopy(net), config) for name, net in self.translators().items()}

    @torch.no_grad()
    def _sample(self, log: RunLog) -> None:
        with seeded(self.device, 0):
            shown = self._shown()
            batch = self._to_device(self.pictures.fixed(self.objective.shown))
            with autocast(self.device, self.dtype):
                columns = self.objective.samples(batch, shown)
                if measured := self.objective.measures(batch, columns):
                    log.row(self.step, measured)
                    self.progress.say(f"step {self.step}: {spoken(measured)}")
                self.watch.look(self.objective.views(batch, columns, shown), self.step, log)
        scale = max(1, 128 // self.pictures.config.size)  # small pictures are shown enlarged
        large = {title: x.repeat_interleave(scale, 2).repeat_interleave(scale, 3) for title, x in columns.items()}
        picture: Image.Image = grid(large)
        path = self.run.path / "samples" / f"{self.step:07}.png"
        write(path, encode(picture, ".png"))
        log.picture(self.step, np.asarray(picture))

    def _evaluate(self, exam: Exam, log: RunLog) -> None:
        with seeded(self.device, 0), autocast(self.device, self.dtype):
            best = exam.hold(self._shown(), self._to_device, self.step, log)
        if best and not broken(self.objective.state_dict()):
            save_bundle(self.run.best_path, self._bundle({"best": exam.told()}))
            self.save()  # so that the state never knows of another best than there is

    def _snapshot(self) -> None:
        if not broken(self.objective.state_dict()):
            path = self.run.snapshot_path(self.step)
            path.parent.mkdir(exist_ok=True)
            save_bundle(path, self._bundle({}))

    def _bundle(self, more: Mapping[str, Any]) -> Bundle:
        header = {**self.about, "steps": self.step, "total_steps": self.total_steps(), "ema": self.config.ema, **more}
        tensors = {
            f"{direction}.{name}": value
            for direction, network in zip(self.about["directions"], self.translators().values(), strict=True)
            for name, value in network.state_dict().items()
        }
        return Bundle(header, tensors)

    def save(self) -> None:
        """Write state, bundle and card, once for each step. Refuses to save weights that are not finite."""
        if self.step == self._saved:
            return
        if bad := broken(self.objective.state_dict()):
            raise TrainingError(
                f"{bad[0]} is not finite at step {self.step}. The last good state of {self.run.path} is kept; go "
                "on from it by --resume with a lower --lr or --precision float32."
            )
        bundle = self._bundle({})
        save_bundle(self.run.bundle_path, bundle)
        write_card(self.run.path, bundle.header, self.exam.told() if self.exam is not None else None)
        self.run.save_state(self.state())  # last: a save cut short is then done again by a resume
        self._saved = self.step

    def state(self) -> dict[str, Any]:
        """All that an exact resume needs."""
        return {
            "step": self.step,
            "spent": self.clock.spent if self.config.hours else 0.0,  # no clock in a state that is exact
            "fingerprint": self.about["data"]["fingerprint"],
            "objective": self.objective.state_dict(),
            "optimizers": self.stepper.state(),
            "ema": self.ema.average.state_dict() if self.ema is not None else None,
            "watch": self.watch.state_dict(),
            "exam": self.exam.state_dict() if self.exam is not None else None,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises RunError where the data, or the networks, are not those it was saved with."""
        if state["fingerprint"] != self.about["data"]["fingerprint"]:
            raise RunError(
                f"The training pictures of {self.pictures.layout.root} are not those this run began with: files "
                "came, went or changed size. Restore them, or start a new run with another --name."
            )
        try:
            self.objective.load_state_dict(state["objective"])
            self.stepper.load_state(state["optimizers"])
            if self.ema is not None:
                self.ema.average.load_state_dict(state["ema"])
            self.watch.load_state_dict(state["watch"])
            if self.exam is not None:
                self.exam.load_state_dict(state.get("exam"))
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise RunError(f"The state of {self.run.path} does not fit its config.json: {error}.") from error
        self.step, self._saved, self.clock.spent = state["step"], state["step"], state.get("spent", 0.0)
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)


def seed_everything(seed: int) -> None:
    """Seed every ambient generator, for what cannot take one as an argument (dropout, initialisation)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
