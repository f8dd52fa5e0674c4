"""Validation during training: KID, and for paired data PSNR, SSIM and LPIPS, on held-out images.

Also keeps track of the best translators so far.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i.checkpoints.log import MetricsLog
from i2i.checkpoints.model_info import BestMetric
from i2i.data.dataset import TrainingDataset
from i2i.device import resolve_device
from i2i.directions import SAMPLE, Direction
from i2i.errors import ConfigError, DatasetError, ModelFileError, SettingError
from i2i.images import to_uint8
from i2i.images.tensors import to_fractional_levels
from i2i.metrics import Inception, kid
from i2i.metrics.paired import LPIPS_MIN_SIZE, SSIM_MIN_SIZE, Lpips, psnr, ssim
from i2i.networks import GeneratorConfig, NoiseGeneratorConfig
from i2i.networks.batching import depends_on_batch
from i2i.networks.latent import latents_from_seeds
from i2i.training.config import TrainingConfig

logger = logging.getLogger(__name__)

EVAL_BATCH_SIZE = 8
T = TypeVar("T")
MoveBatch = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]


class Validator:
    """Measures translators on the same held-out images each time, uncropped, at the size of the training.

    KID compares translated with real images. For paired data, PSNR, SSIM and LPIPS compare them with the targets.

    Args:
        config: interval, number of images, and the metric of the best translators.
        dataset: the test images are used; if there are none, the training images.
        directions: names of the translators in the log.
        generator: config of the translators.
        best_path: model file in which the trainer saves the best translators.

    Raises:
        ConfigError, DatasetError: ``config.best_metric`` is not available for this data.
        ModelFileError: the network of ``config.best_metric`` is missing. Other metrics whose network is missing are
            skipped with a log message.
    """

    def __init__(
        self,
        config: TrainingConfig,
        dataset: TrainingDataset,
        directions: Sequence[str],
        generator: GeneratorConfig | NoiseGeneratorConfig,
        best_path: Path,
    ) -> None:
        self.interval = config.evaluation_interval()
        self.best_metric = config.best_metric
        self.max_images = config.eval_images
        self.dataset = dataset
        self.directions = directions
        self.generator = generator
        self.best_path = best_path
        self.best: BestMetric | None = None
        self._images: tuple[Tensor, ...] = ()  # one tensor per domain
        self._real_features: dict[int, NDArray[np.float32]] = {}  # by domain
        if self.interval:
            self._check_data()
            device = str(resolve_device(config.device))
            self.inception, self.lpips = self._build_networks(device)

    @property
    def paired(self) -> bool:
        """Whether every input image has a target."""
        return self.dataset.layout.kind == "paired" or self.dataset.config.restoration_task is not None

    def _check_data(self) -> None:
        size = self.dataset.config.size
        split = self.dataset.eval_split
        metric = self.best_metric.upper()
        if self.best_metric not in ("off", "kid") and not self.paired:
            raise ConfigError(f"{metric} needs paired data, and this data is not paired. Use --best-metric kid.")
        min_size = {"lpips": LPIPS_MIN_SIZE, "ssim": SSIM_MIN_SIZE}.get(self.best_metric, 0)
        if size < min_size:
            advice = "Use a larger one, or another {best_metric}."
            raise SettingError(
                f"{metric} needs images of at least {min_size} px; {{size}} is {size}. {advice}", "size", "best_metric"
            )
        counts = [len(domain) for domain in self.dataset.layout.splits[split]]
        if min(counts) < 2:
            raise DatasetError(f"An evaluation needs at least 2 {split} images of each domain; there are {counts}.")
        if split == "train":
            logger.warning(
                "There are no test images: evaluations use training images and do not measure generalisation."
            )

    def _check_channels(self) -> bool:
        """Return whether KID and LPIPS can be computed: images are grey, repeated three times, or RGB.

        Raises ConfigError if one of them decides which translators are the best.
        """
        shown = {
            self.dataset.formats[Direction(name).target_index].channels for name in self.directions if name != SAMPLE
        }
        if shown <= {1, 3}:
            return True
        counts = " and ".join(map(str, sorted(shown)))
        if self.best_metric in ("kid", "lpips"):
            raise ConfigError(
                f"{self.best_metric.upper()} needs grey or RGB images; the results have {counts} channels. Use "
                f"--best-metric {'psnr' if self.paired else 'off'}."
            )
        logger.info(
            "evaluations leave out KID and LPIPS: they need grey or RGB images; results have %s channels", counts
        )
        return False

    def _build_networks(self, device: str) -> tuple[Inception | None, Lpips | None]:
        if not self._check_channels():
            return None, None
        required = "kid" if self.best_metric == "off" and not self.paired else self.best_metric
        inception = self._try_build("kid", required, Inception, device)
        use_lpips = self.paired and self.dataset.config.size >= LPIPS_MIN_SIZE
        return inception, self._try_build("lpips", required, Lpips, device) if use_lpips else None

    def _try_build(self, name: str, required: str, build: Callable[[str], T], device: str) -> T | None:
        """Build the network of a metric; return None if it is missing and the metric is not required."""
        try:
            return build(device)
        except ModelFileError as error:
            if name == required:
                raise
            logger.warning("Evaluations leave out %s. %s", name.upper(), error)
            return None

    def should_validate(self, step: int, total: int) -> bool:
        """Return whether to validate after ``step`` of ``total`` steps."""
        return bool(self.interval) and (step % self.interval == 0 or step == total)

    @torch.no_grad()
    def validate(self, translators: Mapping[str, nn.Module], to_device: MoveBatch, step: int, log: MetricsLog) -> bool:
        """Measure the translators and log the results.

        Args:
            translators: direction → network, in inference mode.
            to_device: turns uint8 images on the CPU into the network's input.
            step: number of steps that are done.
            log: receives a row with all metrics.

        Returns: whether they are the best so far.
        """
        self._images = self._images or self.dataset.sample_batch(self.max_images, allow_fewer=True)
        metrics: dict[str, float] = {}
        for direction, (name, network) in zip(self.directions, translators.items(), strict=True):
            for metric, value in self._compute_metrics(name, network, to_device).items():
                metrics[f"{direction}/{metric}"] = value
        log.log(step, metrics)
        is_best = self._update_best(metrics, step)
        values = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        logger.info("step %d: %s%s", step, values, "  (best so far)" if is_best else "")
        return is_best

    def _compute_metrics(self, direction: str, network: nn.Module, to_device: MoveBatch) -> dict[str, float]:
        outputs = self._outputs(direction, network, to_device)
        domain = 0 if direction == SAMPLE else Direction(direction).target_index
        targets = self._images[domain]
        metrics: dict[str, float] = {}
        if self.inception is not None:
            if domain not in self._real_features:
                self._real_features[domain] = self._features(targets)
            metrics["kid"] = kid(self._features(outputs), self._real_features[domain])
        if self.paired:
            metrics["psnr"] = _mean(psnr, outputs, targets)
            if self.dataset.config.size >= SSIM_MIN_SIZE:
                metrics["ssim"] = _mean(ssim, outputs, targets)
            if self.lpips is not None:
                metrics["lpips"] = _mean(self.lpips, _as_rgb8(outputs), _as_rgb8(targets))
        return metrics

    def _outputs(self, direction: str, network: nn.Module, to_device: MoveBatch) -> Tensor:
        """Return the translated images, or one image per seed for a noise generator: levels (N, C, H, W) on the CPU."""
        size = 1 if depends_on_batch(network) else EVAL_BATCH_SIZE
        if isinstance(self.generator, NoiseGeneratorConfig):
            latents = latents_from_seeds(range(len(self._images[0])), self.generator.latent)
            device = next(network.parameters()).device
            parts = [network(z.to(device)) for z in latents.split(size)]
        else:
            inputs = self._images[Direction(direction).source_index]
            parts = [network(to_device((x,))[0]) for x in inputs.split(size)]
        is_rgb8 = direction == SAMPLE or self.dataset.formats[Direction(direction).target_index].is_rgb8
        return torch.cat([to_uint8(part).cpu() if is_rgb8 else to_fractional_levels(part).cpu() for part in parts])

    def _features(self, pixels: Tensor) -> NDArray[np.float32]:
        assert self.inception is not None
        parts = _as_rgb8(pixels).split(EVAL_BATCH_SIZE)
        return torch.cat([self.inception(part)[0].cpu() for part in parts]).numpy()

    def _update_best(self, metrics: Mapping[str, float], step: int) -> bool:
        """Remember the metrics if their mean over the directions is the best so far. Return whether it is."""
        if self.best_metric == "off":
            return False
        values = [value for name, value in metrics.items() if name.endswith(f"/{self.best_metric}")]
        candidate = self._candidate(float(np.mean(values)), step)
        if not np.isfinite(candidate.value) or (self.best is not None and not candidate.is_better_than(self.best)):
            return False
        self.best = candidate
        return True

    def _candidate(self, value: float, step: int) -> BestMetric:
        split = self.dataset.eval_split
        counts = tuple(min(self.max_images, len(domain)) for domain in self.dataset.layout.splits[split])
        return BestMetric(self.best_metric, value, step, split, counts)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.to_json() if self.best is not None else None}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Restore the best result so far.

        It is dropped if it was measured with another protocol or if its model file is gone. The next result is then the
        best one.
        """
        saved = BestMetric.from_json(state["best"]) if state and state["best"] else None
        usable = saved is not None and saved.same_protocol(self._candidate(0.0, 0)) and self.best_path.is_file()
        self.best = saved if usable else None


def _as_rgb8(levels: Tensor) -> Tensor:
    """Return levels (N, 1 or 3, H, W) as uint8 (N, 3, H, W): grey is repeated."""
    pixels = levels if levels.dtype == torch.uint8 else levels.round().to(torch.uint8)
    return pixels.expand(-1, 3, -1, -1) if pixels.shape[1] == 1 else pixels


def _mean(metric: Callable[[Tensor, Tensor], NDArray[np.float64]], outputs: Tensor, targets: Tensor) -> float:
    pairs = zip(outputs.split(EVAL_BATCH_SIZE), targets.split(EVAL_BATCH_SIZE), strict=True)
    return float(np.concatenate([metric(*pair) for pair in pairs]).mean())
