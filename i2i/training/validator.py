"""Translators measured while they learn, on pictures that they do not learn from; and which were the best so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i.checkpoints.log import RunLog
from i2i.data.dataset import TrainingPictures
from i2i.device import pick_device
from i2i.errors import BundleError, ConfigError, DatasetError
from i2i.images import to_uint8
from i2i.metrics import Inception, kid
from i2i.metrics.paired import SMALLEST, SSIM_SMALLEST, Lpips, psnr, ssim
from i2i.networks import GeneratorConfig, SamplerConfig
from i2i.networks.batching import minds_company
from i2i.networks.latent import noise_of
from i2i.training.config import TrainingConfig
from i2i.training.progress import TrainingProgress

HIGHER = ("psnr", "ssim")  # of which more is better
SIDES = {"AtoB": (0, 1), "BtoA": (1, 0)}  # which of a batch goes in, and what should come out
AT_ONCE = 8  # pictures through a translator
T = TypeVar("T")
ToDevice = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Best:
    """The best translators so far: by which measure, how good, after how many steps, on how many pictures of what."""

    metric: str
    value: float
    steps: int
    split: str
    pictures: list[int]

    def comparable(self, other: "Best") -> bool:
        """Whether the two were measured alike."""
        return (self.metric, self.split, self.pictures) == (other.metric, other.split, other.pictures)

    def beats(self, other: "Best") -> bool:
        return self.value > other.value if self.metric in HIGHER else self.value < other.value


class Exam:
    """KID of translated test pictures against real ones, and with pairs PSNR, SSIM and LPIPS against the truth.

    All of them at the size of the training, uncropped, and always the same. directions: what the translators are called
    in the log. kept: where the trainer keeps the best ones. Raises ConfigError or DatasetError where the measure that
    the best are to be kept by does not suit the data, and BundleError where its network cannot be had; other measures
    are then left out, and ``progress`` says so.
    """

    def __init__(
        self,
        config: TrainingConfig,
        pictures: TrainingPictures,
        directions: Sequence[str],
        generator: GeneratorConfig | SamplerConfig,
        kept: Path,
        progress: TrainingProgress,
    ) -> None:
        self.every, self.keep, self.most = config.evaluated_every(), config.keep_best, config.evaluate_pictures
        self.pictures, self.directions, self.generator = pictures, directions, generator
        self.kept, self.progress = kept, progress
        self.best: Best | None = None
        self._columns: tuple[Tensor, ...] = ()
        self._real: dict[int, NDArray[np.float32]] = {}
        if self.every:
            self._check()
            self.inception, self.lpips = self._networks(str(pick_device(config.device)))

    @property
    def paired(self) -> bool:
        return self.pictures.layout.kind == "paired" or self.pictures.config.restores() is not None

    def _check(self) -> None:
        size, split = self.pictures.config.size, self.pictures.shown_split
        if self.keep not in ("off", "kid") and not self.paired:
            raise ConfigError(f"{self.keep.upper()} needs pairs, and this data has none. Use --keep-best kid.")
        if (smallest := {"lpips": SMALLEST, "ssim": SSIM_SMALLEST}.get(self.keep, 0)) > size:
            raise ConfigError(f"{self.keep.upper()} needs pictures of at least {smallest} px; size is {size}.")
        counts = [len(domain) for domain in self.pictures.layout.splits[split]]
        if min(counts) < 2:
            raise DatasetError(f"An evaluation needs at least 2 {split} pictures of each kind; there are {counts}.")
        if split == "train":
            self.progress.say(
                "There are no test pictures: evaluations are on training pictures, which says little of new ones."
            )

    def _networks(self, device: str) -> tuple[Inception | None, Lpips | None]:
        needed = "kid" if self.keep == "off" and not self.paired else self.keep
        inception = self._had("kid", needed, Inception, device)
        wanted = self.paired and self.pictures.config.size >= SMALLEST
        return inception, self._had("lpips", needed, Lpips, device) if wanted else None

    def _had(self, name: str, needed: str, build: Callable[[str], T], device: str) -> T | None:
        try:
            return build(device)
        except BundleError as error:
            if name == needed:
                raise
            self.progress.say(f"Evaluations are without {name.upper()}. {error}")
            return None

    def due(self, step: int, total: int) -> bool:
        """Whether there is an evaluation after ``step`` of ``total`` steps."""
        return bool(self.every) and (step % self.every == 0 or step == total)

    @torch.no_grad()
    def hold(self, shown: Mapping[str, nn.Module], to_device: ToDevice, step: int, log: RunLog) -> bool:
        """Measure the translators that ``shown`` holds, and write what is found. Returns whether they are the best."""
        self._columns = self._columns or self.pictures.fixed(self.most, fewer=True)
        found: dict[str, float] = {}
        for direction, (name, network) in zip(self.directions, shown.items(), strict=True):
            for metric, value in self._measured(name, network, to_device).items():
                found[f"{direction}/{metric}"] = value
        log.row(step, found)
        best = self._judge(found, step)
        told = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
        self.progress.say(f"step {step}: {told}{'  (the best so far)' if best else ''}")
        return best

    def _measured(self, name: str, network: nn.Module, to_device: ToDevice) -> dict[str, float]:
        out = self._outputs(name, network, to_device)
        target = SIDES[name][1] if name in SIDES else 0
        truth, found = self._columns[target], {}
        if self.inception is not None:
            if target not in self._real:
                self._real[target] = self._features(truth)
            found["kid"] = kid(self._features(out), self._real[target])
        if self.paired:
            found["psnr"] = _mean(psnr, out, truth)
            if self.pictures.config.size >= SSIM_SMALLEST:
                found["ssim"] = _mean(ssim, out, truth)
            if self.lpips is not None:
                found["lpips"] = _mean(self.lpips, out, truth)
        return found

    def _outputs(self, name: str, network: nn.Module, to_device: ToDevice) -> Tensor:
        """What a translator makes of the pictures, or a sampler of as many seeds: uint8 (N, 3, H, W), on the CPU."""
        size = 1 if minds_company(network) else AT_ONCE
        if isinstance(self.generator, SamplerConfig):
            noise = noise_of(range(len(self._columns[0])), self.generator.latent)
            weight = next(network.parameters())
            parts = [network(z.to(weight.device)) for z in noise.split(size)]
        else:
            parts = [network(to_device((x,))[0]) for x in self._columns[SIDES[name][0]].split(size)]
        return torch.cat([to_uint8(part).cpu() for part in parts])

    def _features(self, pixels: Tensor) -> NDArray[np.float32]:
        assert self.inception is not None
        return torch.cat([self.inception(part)[0].cpu() for part in pixels.split(AT_ONCE)]).numpy()

    def _judge(self, found: Mapping[str, float], step: int) -> bool:
        """Whether what was found is the best so far, by the mean over the directions; it is then remembered."""
        if self.keep == "off":
            return False
        value = float(np.mean([value for name, value in found.items() if name.endswith(f"/{self.keep}")]))
        best = self._result(value, step)
        if not np.isfinite(value) or (self.best is not None and not best.beats(self.best)):
            return False
        self.best = best
        return True

    def _result(self, value: float, step: int) -> Best:
        counts = [min(self.most, len(domain)) for domain in self.pictures.layout.splits[self.pictures.shown_split]]
        return Best(self.keep, value, step, self.pictures.shown_split, counts)

    def told(self) -> dict[str, Any] | None:
        """The best so far, for a bundle's header."""
        return asdict(self.best) if self.best is not None else None

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.told()}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Take over the best so far, unless it was measured otherwise, or is gone: then the next is the first."""
        saved = Best(**state["best"]) if state and state["best"] else None
        alike = saved is not None and saved.comparable(self._result(0.0, 0)) and self.kept.is_file()
        self.best = saved if alike else None


def _mean(measure: Callable[[Tensor, Tensor], NDArray[np.float64]], out: Tensor, truth: Tensor) -> float:
    pairs = zip(out.split(AT_ONCE), truth.split(AT_ONCE), strict=True)
    return float(np.concatenate([measure(*pair) for pair in pairs]).mean())
