"""The course of a training: its length, its optimiser, its learning rate, and what it leaves on the way."""

import math
from dataclasses import dataclass
from typing import Literal

from i2i.config import option, require
from i2i.device import Precision

Switch = Literal["auto", "on", "off"]
Keep = Literal["off", "kid", "psnr", "ssim", "lpips"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    steps: int | None = option(None, "length of the training in steps, one batch each [default: by --epochs]")
    epochs: float = option(200.0, "length of the training in passes over the data, where --steps is not given")
    hours: float | None = option(
        None, "length of the training in hours at work, in place of --steps and --epochs; the rate falls by the clock"
    )
    begin_with: str = option("", "begin with the weights of this model, as far as they fit: a run or a bundle's path")
    batch_size: int = option(1, "pictures a domain in one step")
    optimizer: Literal["adam", "rmsprop"] = option("adam", "optimiser of every player")
    lr: float = option(2e-4, "learning rate before the schedule")
    betas: tuple[float, float] = option((0.5, 0.999), "Adam's β₁ and β₂")
    clip_norm: float = option(0.0, "longest gradient of a player, over all its weights; longer are cut; 0: any length")
    schedule: Literal["linear", "cosine", "constant"] = option("linear", "how the learning rate falls to 0")
    decay: float = option(0.5, "share of the training, at its end, over which the linear schedule falls")
    warmup: int = option(0, "steps over which the learning rate first rises to its value")
    ema: float = option(0.0, "decay, per step, of the averaged translators that ship; 0: the last weights ship")
    seed: int = option(0, "seed of weights, order, crops, flips and everything else at random")
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps …")
    precision: Precision = option("auto", "auto (bfloat16 where the device is fast at it), float32 or bfloat16")
    compile: Switch = option("auto", "compile the networks; auto: on CUDA, for a training that is long enough")
    record: Switch = option("auto", "record a step as a CUDA graph and replay it; auto: on CUDA")
    workers: int | None = option(
        None, "processes that load pictures [default: 0 on a CPU or from a cache, else up to 8 beside a GPU]"
    )
    cache: Switch = option(
        "auto",
        "load pictures from one file, made at the first use in datasets/.packed or $I2I_CACHE; auto: beside a CUDA "
        "GPU, up to 32 GB",
    )
    log_every: int = option(20, "steps between two rows of log.jsonl")
    sample_every: int = option(500, "steps between two sample grids")
    snapshot_every: int = option(
        0, "steps between two snapshots: copies of the translators to choose from later, as big as the model; 0: none"
    )
    evaluate_every: int | None = option(
        None,
        "steps between two evaluations on test pictures: KID, and with pairs PSNR, SSIM and LPIPS too; 0: none "
        "[default: as --sample-every with --keep-best, else 0]",
    )
    evaluate_pictures: int = option(100, "test pictures a domain, at most, of such an evaluation")
    keep_best: Keep = option("off", "keep the best translators so far, by this measure, as best.safetensors")
    stop_on_alarm: bool = option(False, "end the training, saved, at the first alarm of the training doctor")
    save_minutes: float = option(10.0, "minutes between two saved states; 0: after every step")

    def __post_init__(self) -> None:
        for name in ("batch_size", "log_every", "sample_every"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or above")
        require(self.steps is None or self.steps >= 1, "steps", self.steps, "1 or above")
        require(self.epochs > 0, "epochs", self.epochs, "above 0")
        require(self.hours is None or 0 < self.hours <= 10_000, "hours", self.hours, "above 0, up to 10000")
        require(self.snapshot_every >= 0, "snapshot_every", self.snapshot_every, "0 or above")
        require(self.lr > 0, "lr", self.lr, "above 0")
        require(all(0 <= beta < 1 for beta in self.betas), "betas", self.betas, "at least 0 and below 1")
        require(0 <= self.clip_norm < math.inf, "clip_norm", self.clip_norm, "0 or above, and finite")
        require(0 <= self.decay <= 1, "decay", self.decay, "from 0 to 1")
        require(self.warmup >= 0, "warmup", self.warmup, "0 or above")
        require(0 <= self.ema < 1, "ema", self.ema, "at least 0 and below 1")
        require(
            self.evaluate_every is None or self.evaluate_every >= 0, "evaluate_every", self.evaluate_every, "0 or above"
        )
        require(self.evaluate_pictures >= 2, "evaluate_pictures", self.evaluate_pictures, "2 or above")
        require(
            self.keep_best == "off" or self.evaluate_every != 0, "evaluate_every", 0, "above 0 where the best are kept"
        )
        require(0 <= self.seed < 2**63, "seed", self.seed, "from 0 to 2^63 - 1")
        require(self.workers is None or 0 <= self.workers <= 256, "workers", self.workers, "from 0 to 256")
        require(self.save_minutes >= 0, "save_minutes", self.save_minutes, "0 or above")

    def evaluated_every(self) -> int:
        """Steps between two evaluations; 0: there are none."""
        if self.evaluate_every is not None:
            return self.evaluate_every
        return self.sample_every if self.keep_best != "off" else 0

    def total_steps(self, epoch_length: int) -> int:
        """Steps of the whole training, an epoch being ``epoch_length`` samples."""
        return self.steps or max(1, math.ceil(self.epochs * epoch_length / self.batch_size))

    def lr_factor(self, step: int, epoch_length: int, share: float | None = None) -> float:
        """What the learning rate is multiplied by at a step.

        share: what is done of a training that is given in hours.
        """
        return min(1.0, (step + 1) / (self.warmup + 1)) * self._scheduled(step, epoch_length, share)

    def _scheduled(self, step: int, epoch_length: int, share: float | None) -> float:
        """The schedule's part of it.

        Linear: 1 − max(0, n + 1 − constant) / (decaying + 1), where n counts epochs, as the reference
        implementations do, or steps where the length is given in steps.
        """
        if share is not None:
            n, length = share, 1.0
        elif self.steps:
            n, length = float(step), float(self.steps)
        else:
            n, length = float(step * self.batch_size // epoch_length), self.epochs
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, n / length)))
        decaying = length * self.decay
        if share is not None:
            return min(1.0, (1 - share) / decaying) if decaying else 1.0
        return max(0.0, 1 - max(0.0, n + 1 - (length - decaying)) / (decaying + 1))
