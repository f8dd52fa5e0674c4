"""Outputs held against inputs, truth and other real pictures."""

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
from i2i.evaluation.eval_set import CHUNK, Pictures
from i2i.evaluation.feature_cache import FeatureCache, Features
from i2i.evaluation.models import Make
from i2i.metrics import Inception
from i2i.metrics.paired import MS_SSIM_SMALLEST, SMALLEST, SSIM_SMALLEST, Lpips, levels, ms_ssim, psnr, ssim

Values = NDArray[np.float64]
Tell = Callable[[str, int, int], None]  # what is done, how many pictures of how many


@dataclass
class Measured:
    """What was found of a heap of outputs: features (N, D), logits, and by measure one number a picture (N,)."""

    features: Features
    logits: Features | None = None
    each: dict[str, Values] = field(default_factory=dict)


@dataclass
class Judge:
    """The networks of the measures, and where features of real pictures are kept."""

    inception: Inception
    lpips: Lpips | None
    cache: FeatureCache
    tell: Tell = lambda what, done, total: None

    def real(self, pictures: Pictures, what: str) -> Features:
        """Features of real pictures, from the cache where they are there."""

        def make() -> Features:
            return self.inception.features(pictures, lambda done: self.tell(what, done, len(pictures)))

        return self.cache.get(pictures, self.inception.hash, make)

    def heap(self, images: Sequence[Image.Image], what: str) -> Measured:
        """Pictures that stand for themselves."""
        features, logits = self.inception.features_and_logits(images, lambda done: self.tell(what, done, len(images)))
        return Measured(features, logits)

    def outputs(
        self,
        make: Make,
        inputs: Pictures,
        truth: Pictures | None,
        what: str,
        *,
        back: Make | None = None,
        known: Features | None = None,
    ) -> Measured:
        """Outputs of all inputs. truth: of each, where there is one. back: takes outputs to inputs again.

        known: the features of the outputs, where they need not be looked for.
        """
        found, features, logits = list[dict[str, Values]](), list[Features](), list[Features]()
        for some in _chunks(len(inputs)):
            images = inputs.some(some)
            out = make(images)
            if known is None:
                seen, labels = self.inception.features_and_logits(out)
                features.append(seen)
                logits += [labels] if labels is not None else []
            against = {"input": images}
            if truth is not None:
                against["truth"] = truth.some(some)
            if back is not None:
                against["back"] = back(out)
            found.append(self._each(out, against, [inputs.name(index) for index in some]))
            self.tell(what, some[-1] + 1, len(inputs))
        each = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        together = np.concatenate(features) if known is None else known
        return Measured(together, np.concatenate(logits) if logits else None, each)

    def _each(
        self, out: list[Image.Image], against: dict[str, list[Image.Image]], names: list[str]
    ) -> dict[str, Values]:
        """By measure one number a picture of ``out``."""
        shown = [np.asarray(image) for image in out]
        given = [comparable(image, other.size) for image, other in zip(against["input"], out, strict=True)]
        found = {"change": _compared(levels, shown, given)}
        if "back" in against:
            found["cycle"] = _compared(levels, [np.asarray(image) for image in against["back"]], given)
        measures = self._looks(min(min(image.size) for image in out))
        if self.lpips is not None and "lpips" in measures:
            found["change_lpips"] = _compared(self.lpips, shown, given)
        if "truth" in against:
            for image, true, name in zip(out, against["truth"], names, strict=True):
                if image.size != true.size:
                    sizes = " and ".join(f"{width}x{height}" for width, height in (image.size, true.size))
                    raise DatasetError(f"{name} and its truth differ in size ({sizes}). --size brings both to one.")
            for metric, measure in measures.items():
                found[metric] = _compared(measure, shown, against["truth"])
        return found

    def _looks(self, smallest: int) -> dict[str, Callable[[Tensor, Tensor], Values]]:
        """The measures of likeness that pictures of ``smallest`` pixels a side are large enough for."""
        known: dict[str, tuple[Any, int]] = {
            "lpips": (self.lpips, SMALLEST), "psnr": (psnr, 1), "ssim": (ssim, SSIM_SMALLEST),
            "ms_ssim": (ms_ssim, MS_SSIM_SMALLEST),
        }  # fmt: skip
        return {name: measure for name, (measure, least) in known.items() if measure and smallest >= least}


def comparable(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An input beside an output of ``size``: enlarged by bicubic where the output is larger, holes as they lie."""
    plain = image if image.mode == "RGB" else image.convert("RGB")
    return plain if plain.size == size else plain.resize(size, Image.Resampling.BICUBIC)


def _chunks(count: int) -> Iterator[range]:
    return (range(start, min(count, start + CHUNK)) for start in range(0, count, CHUNK))


def _compared(
    measure: Callable[[Tensor, Tensor], Values], shown: Sequence[NDArray[np.uint8]], others: Iterable[Image.Image]
) -> Values:
    """A measure of pictures with their others, those of one size together."""
    pairs = zip(shown, map(np.asarray, others), strict=True)
    parts = []
    for _, alike in groupby(pairs, lambda pair: pair[0].shape):
        left, right = zip(*alike, strict=True)
        parts.append(measure(_tensor(left), _tensor(right)))
    return np.concatenate(parts)


def _tensor(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
