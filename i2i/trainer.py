"""The one training loop."""

import copy
import math
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from i2i.card import write_card
from i2i.checkpoint import Bundle, Run, save_bundle, write
from i2i.data.training import TrainingPictures, batches
from i2i.device import autocast, pick_device, pick_precision, seeded
from i2i.errors import DatasetError, PictureError, RunError, TrainingError
from i2i.images import encode, grid, to_float
from i2i.networks import use_mode
from i2i.objectives.base import Objective
from i2i.progress import TrainingProgress
from i2i.runlog import RunLog
from i2i.stepper import Stepper
from i2i.stopping import StopRequest
from i2i.training_config import TrainingConfig


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
    ) -> None:
        self.device = pick_device(config.device)
        self.dtype = pick_precision(config.precision, self.device)
        self.objective = objective.to(self.device).to(memory_format=torch.channels_last)
        self.pictures, self.config, self.run = pictures, config, run
        self.about, self.progress = about, progress
        self.step, self._saved = 0, -1
        self.stepper = Stepper(self.objective, config, self.device, self.dtype)
        self.ema = copy.deepcopy(nn.ModuleDict(objective.translators())) if config.ema else None
        self._means = Means()

    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.config.total_steps(self.pictures.epoch_length)

    def lr(self, step: int) -> float:
        """The learning rate at a step."""
        return self.config.lr * self.config.lr_factor(step, self.pictures.epoch_length)

    def train(self) -> int | None:
        """Train to the end, or until asked to stop: returns None, or the signal that asked."""
        total = self.total_steps()
        log = RunLog(self.run.path, self.step)
        loader = self._batches()
        saved = time.monotonic()
        with StopRequest() as stop, self.progress.open(self.step, total):
            try:
                if self.step == 0:
                    self._sample(log)
                    self.save()  # a disk that is too small is found now, not after the first hours
                while self.step < total and not stop:
                    self._train_step(next(loader))
                    if self.step % self.config.log_every == 0 or self.step == total:
                        self._log(log)
                    self.progress.advance(self.step, self._means.last)
                    if self.step % self.config.sample_every == 0 or self.step == total:
                        self._sample(log)
                    if time.monotonic() - saved >= 60 * self.config.save_minutes and self.step < total:
                        self.save()
                        saved = time.monotonic()
                self.save()
            except (PictureError, DatasetError):  # the steps before the bad file were good
                self.save()
                raise
            finally:
                log.close()
        return stop.signal

    def _batches(self) -> Iterator[tuple[Tensor, ...]]:
        workers = self.config.workers
        if workers is None:
            import os

            workers = 0 if self.device.type == "cpu" else min(8, max(1, (os.cpu_count() or 1) - 1))
        for batch in batches(self.pictures, self.config.batch_size, self.step * self.config.batch_size, workers):
            yield self._to_device(batch)

    def _to_device(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        moved = (pixels.to(self.device, non_blocking=True) for pixels in batch)
        return tuple(to_float(pixels).contiguous(memory_format=torch.channels_last) for pixels in moved)

    def _train_step(self, batch: tuple[Tensor, ...]) -> None:
        self._means.add(self.stepper(batch, self.step, self.lr(self.step)))
        self.step += 1
        if self.ema is not None:
            self._update_ema(self.ema)

    @torch.no_grad()
    def _update_ema(self, ema: nn.ModuleDict) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))  # young averages forget faster
        current = nn.ModuleDict(self.objective.translators())
        for mean, value in zip(ema.parameters(), current.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for copied, buffer in zip(ema.buffers(), current.buffers(), strict=True):
            copied.copy_(buffer)

    def _log(self, log: RunLog) -> None:
        losses = self._means.take()
        for name, value in losses.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"{name} became {value} in the steps up to {self.step}. The last good state of "
                    f"{self.run.path} is kept. Go on from it by --resume with a lower --lr or --precision float32, "
                    "or start a new run (--name) with --adversarial hinge or --r1 1.0."
                )
        epoch = self.step * self.config.batch_size / self.pictures.epoch_length
        log.row(self.step, {"epoch": round(epoch, 4), "lr": self.lr(self.step - 1),
                            "time": round(time.time(), 1), **losses})  # fmt: skip

    def translators(self) -> dict[str, nn.Module]:
        """What ships: the averaged translators where EMA is on, else the last ones."""
        if self.ema is not None:
            return dict(self.ema.items())
        return self.objective.translators()

    @torch.no_grad()
    def _sample(self, log: RunLog) -> None:
        config = self.objective.generator_config()
        with seeded(self.device, 0):
            shown = {name: use_mode(copy.deepcopy(net), config) for name, net in self.translators().items()}
            batch = self._to_device(self.pictures.fixed(4))
            with autocast(self.device, self.dtype):
                columns = self.objective.samples(batch, shown)
        scale = max(1, 128 // self.pictures.config.size)  # small pictures are shown enlarged
        large = {title: x.repeat_interleave(scale, 2).repeat_interleave(scale, 3) for title, x in columns.items()}
        picture: Image.Image = grid(large)
        path = self.run.path / "samples" / f"{self.step:07}.png"
        write(path, encode(picture, ".png"))
        log.picture(self.step, np.asarray(picture))

    def save(self) -> None:
        """Write state, bundle and card, once for each step. Refuses to save weights that are not finite."""
        if self.step == self._saved:
            return
        if bad := [name for name, weight in self.objective.named_parameters() if not weight.isfinite().all()]:
            raise TrainingError(
                f"{bad[0]} is not finite at step {self.step}. The last good state of {self.run.path} is kept; go "
                "on from it by --resume with a lower --lr or --precision float32."
            )
        header = {**self.about, "steps": self.step, "total_steps": self.total_steps(), "ema": self.config.ema}
        tensors = {
            f"{direction}.{name}": value
            for direction, network in zip(self.about["directions"], self.translators().values(), strict=True)
            for name, value in network.state_dict().items()
        }
        save_bundle(self.run.bundle_path, Bundle(header, tensors))
        write_card(self.run.path, header)
        self.run.save_state(self.state())  # last: a save cut short is then done again by a resume
        self._saved = self.step

    def state(self) -> dict[str, Any]:
        """All that an exact resume needs."""
        return {
            "step": self.step,
            "fingerprint": self.about["data"]["fingerprint"],
            "objective": self.objective.state_dict(),
            "optimizers": self.stepper.state(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
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
                self.ema.load_state_dict(state["ema"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise RunError(f"The state of {self.run.path} does not fit its config.json: {error}.") from error
        self.step = self._saved = state["step"]
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)


class Means:
    """Running means of losses, kept on the device so that no step waits for one."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self.last: dict[str, float] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        self.last = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return self.last


def seed_everything(seed: int) -> None:
    """Seed every ambient generator, for what cannot take one as an argument (dropout, initialisation)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
