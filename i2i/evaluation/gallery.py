"""The gallery of a report: outputs for random inputs, and the best and the worst outputs of each model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from i2i.evaluation.eval_set import EvalSet, ImageSet
from i2i.evaluation.feature_cache import Features
from i2i.evaluation.metric_suite import Measurements, Values
from i2i.metrics import mmd_witness

NUM_RANDOM = 6
NUM_EXTREME = 4  # best, and as many worst


@dataclass(frozen=True)
class SampleScore:
    """One value per output, by which the best and the worst are chosen.

    Args:
        values: (N,).
        description: of the value.
        lower_is_better: as for LPIPS.
    """

    values: Values
    description: str
    lower_is_better: bool = False

    def ranking(self) -> list[int]:
        """Return the indices of the outputs, best first."""
        return np.argsort(self.values if self.lower_is_better else -self.values, kind="stable").tolist()


@dataclass
class GalleryItem:
    """An input with its target and the models' outputs.

    Args:
        name: of the input's file, or the seed.
        input: None for images from noise.
        target: None for unpaired data.
        outputs: title of the model → output.
        score: formatted value of the SampleScore.
    """

    name: str
    input: Image.Image | None
    target: Image.Image | None
    outputs: dict[str, Image.Image] = field(default_factory=dict)
    score: str = ""


@dataclass
class Gallery:
    """Example outputs in one direction.

    Args:
        seed: of the random choice.
        random: items with the outputs of all models.
        best: title of the model → its best outputs, the best first.
        worst: title of the model → its worst outputs, the worst first.
        score_description: what "best" and "worst" mean.
    """

    seed: int
    random: list[GalleryItem] = field(default_factory=list)
    best: dict[str, list[GalleryItem]] = field(default_factory=dict)
    worst: dict[str, list[GalleryItem]] = field(default_factory=dict)
    score_description: str = ""


def score_outputs(measurements: Measurements, real: Features, inputs: Features | None) -> SampleScore:
    """Return the score of each output.

    The score is LPIPS or PSNR if there are targets. Else it is the MMD witness with KID's kernel: how much more an
    output resembles the real images than the inputs, or than the other outputs if there are no inputs.

    Args:
        measurements: of N outputs.
        real: features of the real images, (M, D).
        inputs: features of the inputs, (N, D), if there are inputs.
    """
    if "lpips" in measurements.per_image:
        return SampleScore(measurements.per_image["lpips"], "LPIPS to the target", lower_is_better=True)
    if "psnr" in measurements.per_image:
        return SampleScore(measurements.per_image["psnr"], "PSNR to the target")
    features = measurements.features
    if inputs is not None:
        description = "likeness to real images more than to inputs, by KID's kernel"
        return SampleScore(mmd_witness(features, real, inputs), description)
    description = "likeness to real images more than to other outputs, by KID's kernel"
    return SampleScore(mmd_witness(features, real, features), description)


def random_indices(count: int, seed: int) -> list[int]:
    """Return at most NUM_RANDOM of the indices below ``count``, in rising order."""
    return sorted(np.random.default_rng(seed).permutation(count)[:NUM_RANDOM].tolist())


def new_gallery(eval_set: EvalSet, seed: int) -> Gallery:
    """Return a gallery of random inputs, without outputs."""
    return Gallery(seed, [_item(eval_set, index) for index in random_indices(eval_set.num_outputs, seed)])


def _item(eval_set: EvalSet, index: int) -> GalleryItem:
    if eval_set.inputs is None:
        return GalleryItem(f"seed {index}", None, None)
    target = eval_set.real[index] if eval_set.paired else None
    return GalleryItem(eval_set.inputs.name(index), eval_set.inputs[index], target)


def add_model(gallery: Gallery, title: str, outputs: Any, eval_set: EvalSet, score: SampleScore) -> None:
    """Add the outputs of a model.

    Args:
        gallery: changed in place.
        title: of the model.
        outputs: a TranslateFn, or the sequence of all outputs for a model without inputs.
        eval_set: images of the evaluation.
        score: of all outputs.
    """
    gallery.score_description = score.description
    indices = random_indices(eval_set.num_outputs, gallery.seed)
    for item, index in zip(gallery.random, indices, strict=True):
        item.outputs[title] = _outputs_at(outputs, eval_set.inputs, [index])[0]
    ranking = score.ranking()
    gallery.best[title] = _scored_items(title, outputs, eval_set, score, ranking[:NUM_EXTREME])
    gallery.worst[title] = _scored_items(title, outputs, eval_set, score, ranking[::-1][:NUM_EXTREME])


def _scored_items(
    title: str, outputs: Any, eval_set: EvalSet, score: SampleScore, indices: Sequence[int]
) -> list[GalleryItem]:
    items = []
    for index, output in zip(indices, _outputs_at(outputs, eval_set.inputs, indices), strict=True):
        item = _item(eval_set, index)
        item.outputs[title] = output
        item.score = f"{score.values[index]:.3g}".replace("-", "−")
        items.append(item)
    return items


def _outputs_at(outputs: Any, inputs: ImageSet | None, indices: Sequence[int]) -> list[Image.Image]:
    if inputs is None:
        return [outputs[index] for index in indices]
    return outputs([inputs[index] for index in indices])
