"""Training options: length, optimizer, learning rate, and how often to log, sample, validate and save."""

import math
from dataclasses import dataclass
from typing import Literal

from i2i.checkpoints.tracking import TrackerName
from i2i.config import Config, option, require
from i2i.device import Precision

MAX_TITLE = 120  # characters
AutoOnOff = Literal["auto", "on", "off"]
BestMetricName = Literal["off", "kid", "psnr", "ssim", "lpips"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Config):
    """Options of a training. Its length is ``max_hours`` if that is set, else ``steps``, else ``epochs``."""

    steps: int | None = option(None, "length of the training in steps, one batch each; overrides --epochs", ge=1)
    epochs: float = option(200.0, "length of the training in passes over the data, if --steps is not given", gt=0)
    max_hours: float | None = option(
        None,
        "train for this many hours instead of --steps or --epochs; the learning-rate schedule follows the clock",
        was="hours",
        gt=0,
        le=10_000,
    )
    init_from: str = option(
        "", "initialise with the matching weights of this model, a run or the path of a model file, and with a network "
        "of its size",
        was="begin_with",
    )  # fmt: skip
    title: str = option("", "what the model does, in a sentence for users, such as 'Turns summer into winter'")
    batch_size: int = option(
        1, "images of each domain that are computed at one time; a step takes --accumulate times as many", ge=1
    )
    accumulate: int = option(
        1,
        "batches whose gradients a step adds up, as one batch of this many times --batch-size images; batch norm, "
        "minibatch std and unpaired feature matching use the statistics of each part",
        ge=1,
        le=65_536,
    )
    ranks: int = option(
        1, "processes that compute a step together, each --batch-size times --accumulate images [set by torchrun]",
        ge=1, le=65_536,
    )  # fmt: skip
    checkpoint_activations: bool = option(
        False,
        "compute the generators' activations again in the backward pass instead of keeping them: less memory, more "
        "time, equal results",
    )
    optimizer: Literal["adam", "rmsprop"] = option("adam", "optimizer of all networks")
    lr: float = option(2e-4, "learning rate before the schedule", gt=0)
    betas: tuple[float, float] = option((0.5, 0.999), "Adam's β₁ and β₂", ge=0, lt=1)
    grad_clip: float = option(
        0.0,
        "clip the gradient of each optimizer (generators, discriminators) to this L2 norm; 0: off",
        was="clip_norm",
        ge=0,
        lt=math.inf,
    )
    schedule: Literal["linear", "cosine", "constant"] = option("linear", "how the learning rate decays to 0")
    decay_fraction: float = option(
        0.5, "fraction of the training, at its end, over which the linear schedule decays to 0", was="decay", ge=0, le=1
    )
    warmup: int = option(0, "steps over which the learning rate first rises to its value", ge=0)
    ema: float = option(
        0.0, "decay per step of the averaged translators that are saved; 0: save the last weights", ge=0, lt=1
    )
    seed: int = option(0, "seed of weights, order, crops, flips and all other random choices", ge=0)
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps …")
    precision: Precision = option("auto", "auto (bfloat16 where the device is fast at it), float32 or bfloat16")
    compile: AutoOnOff = option("auto", "compile the networks; auto: on CUDA, if the training is long enough")
    cuda_graph: AutoOnOff = option(
        "auto", "capture a training step as a CUDA graph and replay it; auto: on CUDA", was="record"
    )
    workers: int | None = option(
        None,
        "processes that load images [default: 0 on a CPU or from a cache, else up to 8 beside a GPU]",
        ge=0,
        le=256,
    )
    cache: AutoOnOff = option(
        "auto",
        "load images from one file, made at the first use in datasets/.packed or $I2I_CACHE; auto: on CUDA, for a "
        "--task and with --resize native, up to 32 GB",
    )
    track: TrackerName = option(
        "off",
        "send settings, numbers and sample grids to this tracker too, besides TensorBoard: trackio, wandb (Weights & "
        "Biases) or mlflow",
    )
    log_every: int = option(20, "steps between two rows of log.jsonl", ge=1)
    sample_every: int = option(500, "steps between two sample grids", ge=1)
    snapshot_every: int = option(
        0,
        "steps between two snapshots: copies of the translators to choose from later, as large as the model; 0: none",
        ge=0,
    )
    eval_every: int | None = option(
        None,
        "steps between two evaluations on test images: KID, and for paired data PSNR, SSIM and LPIPS; 0: none "
        "[default: as --sample-every with --best-metric, else 0]",
        was="evaluate_every",
        ge=0,
    )
    eval_images: int = option(
        100, "largest number of test images of each domain in such an evaluation", was="evaluate_pictures", ge=2
    )
    best_metric: BestMetricName = option(
        "off", "save the best translators so far by this metric as best.safetensors", was="keep_best"
    )
    stop_on_alarm: bool = option(False, "stop the training, saved, at the first alarm of the training doctor")
    save_every_minutes: float = option(
        10.0, "minutes between two saved training states; 0: save after every step", was="save_minutes", ge=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.seed < 2**63, "seed", self.seed, "from 0 to 2^63 - 1")
        is_line = self.title.isprintable() and len(self.title) <= MAX_TITLE
        require(is_line, "title", self.title, f"one line of at most {MAX_TITLE} characters")
        require(self.best_metric == "off" or self.eval_every != 0, "eval_every", 0, "above 0 with {best_metric}")

    def evaluation_interval(self) -> int:
        """Return the number of steps between two evaluations; 0 for none."""
        if self.eval_every is not None:
            return self.eval_every
        return self.sample_every if self.best_metric != "off" else 0

    @property
    def images_per_rank(self) -> int:
        """Images of each domain that a process computes in a step."""
        return self.batch_size * self.accumulate

    @property
    def images_per_step(self) -> int:
        """Images of each domain in a step."""
        return self.images_per_rank * self.ranks

    def total_steps(self, epoch_length: int) -> int:
        """Return the steps of the whole training. ``epoch_length``: samples in an epoch."""
        return self.steps or max(1, math.ceil(self.epochs * epoch_length / self.images_per_step))
