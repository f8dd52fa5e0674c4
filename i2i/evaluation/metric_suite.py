"""Measure the outputs of models: Inception features, and metrics of each output with its input and target."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from i2i.errors import DatasetError
from i2i.evaluation.channel_pictures import comparable_pixels
from i2i.evaluation.eval_set import READ_BATCH, ImageSet
from i2i.evaluation.feature_cache import FeatureCache, Features
from i2i.evaluation.models import TranslateFn
from i2i.metrics import Inception
from i2i.metrics.paired import (
    LPIPS_MIN_SIZE,
    MS_SSIM_MIN_SIZE,
    SSIM_MIN_SIZE,
    Lpips,
    mean_abs_error,
    ms_ssim,
    psnr,
    ssim,
)

Values = NDArray[np.float64]
Progress = Callable[[str, int, int], None]  # (text, images done, images in total)


@dataclass
class Measurements:
    """The measurements of N outputs.

    Args:
        features: Inception features, (N, D).
        logits: Inception logits, (N, classes); None if the network has none.
        per_image: metric name → one value per output, (N,).
    """

    features: Features
    logits: Features | None = None
    per_image: dict[str, Values] = field(default_factory=dict)


@dataclass
class MetricSuite:
    """The networks of the metrics.

    Args:
        inception: for FID, KID and the Inception Score.
        lpips: None leaves LPIPS out.
        cache: of the features of real images.
        progress: called with a text, the number of images done, and of all images.
    """

    inception: Inception
    lpips: Lpips | None
    cache: FeatureCache
    progress: Progress = lambda text, done, total: None

    def reference_features(self, images: ImageSet, title: str) -> Features:
        """Return the Inception features of real images, from the cache if possible."""

        def compute() -> Features:
            return self.inception.features(images, lambda done: self.progress(title, done, len(images)))

        return self.cache.get(images, self.inception.hash, compute)

    def measure_generated(self, images: Sequence[Image.Image], title: str) -> Measurements:
        """Measure images that have neither input nor target."""
        features, logits = self.inception.features_and_logits(
            images, lambda done: self.progress(title, done, len(images))
        )
        return Measurements(features, logits)

    def measure_translated(
        self,
        translate: TranslateFn,
        inputs: ImageSet,
        targets: ImageSet | None,
        title: str,
        *,
        translate_back: TranslateFn | None = None,
        features: Features | None = None,
    ) -> Measurements:
        """Translate all inputs and measure the outputs.

        Args:
            translate: returns one output per input.
            inputs: N images.
            targets: N images, or None if the data are unpaired.
            title: for the progress.
            translate_back: the opposite direction, for the cycle error; None leaves it out.
            features: of the outputs, (N, D), if they are known already.

        Raises:
            DatasetError: an output and its target differ in size.
        """
        value_batches = list[dict[str, Values]]()
        feature_batches = list[Features]()
        logit_batches = list[Features]()
        for indices in _batches(len(inputs)):
            batch = inputs.read(indices)
            outputs = translate(batch)
            if features is None:
                output_features, output_logits = self.inception.features_and_logits(outputs)
                feature_batches.append(output_features)
                if output_logits is not None:
                    logit_batches.append(output_logits)
            names = [inputs.name(index) for index in indices]
            target_batch = targets.read(indices) if targets is not None else None
            reconstructions = translate_back(outputs) if translate_back is not None else None
            value_batches.append(self._per_image(names, batch, outputs, target_batch, reconstructions))
            self.progress(title, indices[-1] + 1, len(inputs))
        per_image = {name: np.concatenate([values[name] for values in value_batches]) for name in value_batches[0]}
        return Measurements(
            np.concatenate(feature_batches) if features is None else features,
            np.concatenate(logit_batches) if logit_batches else None,
            per_image,
        )

    def _per_image(
        self,
        names: list[str],
        inputs: list[Image.Image],
        outputs: list[Image.Image],
        targets: list[Image.Image] | None,
        reconstructions: list[Image.Image] | None,
    ) -> dict[str, Values]:
        """Return metric name → one value per output."""
        resized_inputs = [resized_like(image, output.size) for image, output in zip(inputs, outputs, strict=True)]
        values = {"change": _apply(mean_abs_error, outputs, resized_inputs)}
        if reconstructions is not None:
            values["cycle"] = _apply(mean_abs_error, reconstructions, resized_inputs)
        metrics = self._paired_metrics_for_size(min(min(image.size) for image in outputs))
        if "lpips" in metrics:
            values["change_lpips"] = _apply(metrics["lpips"], outputs, resized_inputs)
        if targets is not None:
            _check_sizes(names, outputs, targets)
            for name, metric in metrics.items():
                values[name] = _apply(metric, outputs, targets)
        return values

    def _paired_metrics_for_size(self, side: int) -> dict[str, Callable[[Tensor, Tensor], Values]]:
        """Return the metrics that images with a shortest side of ``side`` pixels are large enough for."""
        metrics: dict[str, tuple[Any, int]] = {
            "lpips": (self.lpips, LPIPS_MIN_SIZE),
            "psnr": (psnr, 1),
            "ssim": (ssim, SSIM_MIN_SIZE),
            "ms_ssim": (ms_ssim, MS_SSIM_MIN_SIZE),
        }
        return {name: metric for name, (metric, min_size) in metrics.items() if metric and side >= min_size}


def resized_like(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an input as RGB at the size of its output, resized bicubically. Masked regions keep their pixels."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return rgb if rgb.size == size else rgb.resize(size, Image.Resampling.BICUBIC)


def _batches(count: int) -> Iterator[range]:
    return (range(start, min(count, start + READ_BATCH)) for start in range(0, count, READ_BATCH))


def _check_sizes(names: Iterable[str], outputs: Iterable[Image.Image], targets: Iterable[Image.Image]) -> None:
    for name, output, target in zip(names, outputs, targets, strict=True):
        if output.size != target.size:
            sizes = " and ".join(f"{width}x{height}" for width, height in (output.size, target.size))
            raise DatasetError(
                f"The output for {name} and its target differ in size ({sizes}). Give --size to resize both."
            )


def _apply(
    metric: Callable[[Tensor, Tensor], Values], images: Iterable[Image.Image], references: Iterable[Image.Image]
) -> Values:
    """Return a metric of each image and its reference. Successive images of one size make a batch."""
    takes_rgb = isinstance(metric, Lpips)
    pairs = [
        (np.asarray(image), np.asarray(reference)) if takes_rgb else comparable_pixels(image, reference)
        for image, reference in zip(images, references, strict=True)
    ]
    parts = []
    for _, same_size in groupby(pairs, lambda pair: pair[0].shape):
        image_batch, reference_batch = zip(*same_size, strict=True)
        parts.append(metric(_to_tensor(image_batch), _to_tensor(reference_batch)))
    return np.concatenate(parts)


def _to_tensor(images: Sequence[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
