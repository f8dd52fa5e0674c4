"""Which pictures are shown beside the numbers: some at random, and those that did best and worst."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from i2i.evaluation.eval_set import Pictures, Trial
from i2i.evaluation.feature_cache import Features
from i2i.evaluation.metric_suite import Measured, Values
from i2i.evaluation.models import Make
from i2i.metrics import likeness

RANDOM = 6  # pictures
EXTREME = 4


@dataclass(frozen=True)
class Score:
    """One number a picture by which it did well or badly: the more, or where ``less``, the less the better."""

    values: Values
    says: str
    less: bool = False

    def order(self) -> list[int]:
        """Indices of the pictures, best first."""
        return np.argsort(self.values if self.less else -self.values, kind="stable").tolist()


@dataclass
class Shown:
    """A picture, and what each of the models made of it."""

    name: str
    input: Image.Image | None
    truth: Image.Image | None
    outputs: dict[str, Image.Image] = field(default_factory=dict)
    score: str = ""


@dataclass
class Gallery:
    """``random`` holds the same pictures for all models; best and worst are of each model, by its title."""

    seed: int
    random: list[Shown] = field(default_factory=list)
    best: dict[str, list[Shown]] = field(default_factory=dict)
    worst: dict[str, list[Shown]] = field(default_factory=dict)
    says: str = ""


def score(found: Measured, real: Features, inputs: Features | None) -> Score:
    """LPIPS or PSNR where there is a truth; else how much more a picture is like real ones than like its input's kind.

    Without inputs: than like the other outputs.
    """
    if "lpips" in found.each:
        return Score(found.each["lpips"], "LPIPS to the truth", less=True)
    if "psnr" in found.each:
        return Score(found.each["psnr"], "PSNR to the truth")
    if inputs is not None:
        return Score(likeness(found.features, real, inputs), "likeness to real pictures more than to inputs, by KID's "
                     "kernel")  # fmt: skip
    return Score(likeness(found.features, real, found.features), "likeness to real pictures more than to other "
                 "outputs, by KID's kernel")  # fmt: skip


def chosen(count: int, seed: int) -> list[int]:
    """Indices of pictures drawn at random, in order."""
    return sorted(np.random.default_rng(seed).permutation(count)[:RANDOM].tolist())


def begin(pictures: Trial, seed: int) -> Gallery:
    """A gallery with the random pictures and nothing made of them yet."""
    shown = [_frame(pictures, index) for index in chosen(pictures.outputs, seed)]
    return Gallery(seed, shown)


def _frame(pictures: Trial, index: int) -> Shown:
    if pictures.inputs is None:
        return Shown(f"seed {index}", None, None)
    truth = pictures.real[index] if pictures.paired else None
    return Shown(pictures.inputs.name(index), pictures.inputs[index], truth)


def add(gallery: Gallery, title: str, make: Make | Any, pictures: Trial, scored: Score) -> None:
    """Put what a model makes into the gallery. make: takes inputs, or is a sequence of pictures made already."""
    order = scored.order()
    extremes = order[:EXTREME], order[::-1][:EXTREME]
    gallery.says = scored.says
    for shown, index in zip(gallery.random, chosen(pictures.outputs, gallery.seed), strict=True):
        shown.outputs[title] = _made(make, pictures.inputs, [index])[0]
    for place, indices in zip((gallery.best, gallery.worst), extremes, strict=True):
        made = _made(make, pictures.inputs, indices)
        place[title] = [_frame(pictures, index) for index in indices]
        for shown, index, image in zip(place[title], indices, made, strict=True):
            shown.outputs[title] = image
            shown.score = f"{scored.values[index]:.3g}".replace("-", "−")


def _made(make: Any, inputs: Pictures | None, indices: Sequence[int]) -> list[Image.Image]:
    if inputs is None:
        return [make[index] for index in indices]
    return make([inputs[index] for index in indices])
