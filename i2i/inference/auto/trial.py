"""A trial of a denoising model: how much it takes off a photo.

Estimates of noise take fine texture for noise: grass, sand, water. A model that was trained on clean photos too leaves
texture as it is, so that what it takes off confirms an estimate, or does not.
"""

import numpy as np
from PIL import Image

from i2i.images import LoadedImage
from i2i.images.quality.assessment import opaque_pixels
from i2i.inference.auto.loading import load_steps
from i2i.inference.auto.steps import Step, Trial
from i2i.inference.finishing import AS_IT_IS
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator

PATCH = 128  # pixels a side of a part that is tried
PATCHES = 4  # parts that are tried
_GRID = 6  # rows and columns of parts among which these are chosen


class TrialTranslators:
    """Loads the models of trials, each once.

    Args:
        options: device and precision.
    """

    def __init__(self, options: InferenceOptions) -> None:
        self._options = InferenceOptions(options.device, options.precision)
        self._translators: dict[str, Translator] = {}

    def __call__(self, step: Step, photo: LoadedImage) -> Trial:
        """Try the model of a step on a photo."""
        if step.name not in self._translators:
            self._translators[step.name] = load_steps([step], self._options)
        return try_model(step, photo, self._translators[step.name])


def try_model(step: Step, photo: LoadedImage, translator: Translator) -> Trial:
    """Try a model that is loaded on the parts of a photo where most pixels can show noise."""
    pixels = np.asarray(photo.blended().image)
    patches = _patches(pixels, _shows_noise(pixels, opaque_pixels(photo)))
    results = translator.with_finishing(AS_IT_IS).translate([Image.fromarray(patch) for patch, _ in patches])
    squares = [
        np.square(np.asarray(result).astype(np.float32) - patch)[usable]
        for result, (patch, usable) in zip(results, patches, strict=True)
    ]
    joined = np.concatenate(squares)
    removed = float(np.sqrt(joined.mean())) if joined.size else 0.0
    return Trial(step.name, removed)


def _shows_noise(pixels: np.ndarray, opaque: np.ndarray | None) -> np.ndarray:
    """Return where noise can be seen, bool (H, W): neither black nor white, where it is clipped, nor transparent."""
    shows = (pixels.max(2) > 0) & (pixels.min(2) < 255)
    return shows if opaque is None else shows & opaque


def _patches(pixels: np.ndarray, usable: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the parts of a photo with most usable pixels, and these pixels; a small photo as a whole."""
    height, width = usable.shape
    if height * width <= PATCHES * PATCH**2:
        return [(pixels, usable)]
    tops, lefts = (
        np.unique(np.linspace(0, max(0, side - PATCH), min(_GRID, -(-side // PATCH))).round().astype(int))
        for side in (height, width)
    )
    places = [(slice(top, top + PATCH), slice(left, left + PATCH)) for top in tops for left in lefts]
    middle = len(places) / 2 - 0.5
    order = sorted(range(len(places)), key=lambda index: (-usable[places[index]].sum(), abs(index - middle)))
    return [(pixels[places[index]], usable[places[index]]) for index in order[:PATCHES]]
