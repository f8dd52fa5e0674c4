"""``AutoTranslator``: translates each photo with the models that suit it, and explains the choice."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2i.errors import ArgumentTypeError
from i2i.images import LoadedImage, load_image
from i2i.images.quality import quality_of_table
from i2i.images.quality.assessment import assess_image
from i2i.images.quality.jpeg_quality import read_jpeg_quality
from i2i.inference.auto.choice import Choice, choose
from i2i.inference.auto.loading import load_choice
from i2i.inference.auto.models import RestorationModel, installed_models
from i2i.inference.auto.trial import TrialTranslators
from i2i.inference.image_types import to_loaded_images
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator
from i2i.paths import expand_user

Photo = Image.Image | str | os.PathLike[str] | np.ndarray


class AutoTranslator:
    """Translate photos, each with the restoration models that suit it.

    >>> auto = i2i.load_auto()
    >>> auto.explain("horse.jpg").model
    'dejpeg'

    Args:
        options: device, precision, blend and grain.
        models: among which to choose; None for the installed ones.
    """

    def __init__(
        self, options: InferenceOptions | None = None, models: Sequence[RestorationModel] | None = None
    ) -> None:
        self.options = options or InferenceOptions()
        self.models = installed_models() if models is None else list(models)
        self._translators: dict[str, Translator] = {}
        self._trials = TrialTranslators(self.options)

    def __repr__(self) -> str:
        return f"<AutoTranslator among {', '.join(model.name for model in self.models) or 'no models'}>"

    def explain(self, photo: Photo, *, may_enlarge: bool = True) -> Choice:
        """Return which models suit a photo, and why.

        ``str`` of the choice is one line, ``choice.model`` a name for ``i2i.load``, and ``choice.to_json()`` has all
        measurements.

        Args:
            photo: a PIL image, a path, or a uint8 array (H, W, 3). A path, or a PIL image as it was opened, tells the
                quality of a JPEG; else it is measured in the pixels.
            may_enlarge: whether the result may be larger than the photo.

        Raises: ImageError if the file cannot be read; ArgumentTypeError for another type.
        """
        loaded, jpeg_quality = load_photo(photo)
        quality = assess_image(loaded, jpeg_quality)
        return choose(quality, self.models, may_enlarge=may_enlarge, try_model=lambda step: self._trials(step, loaded))

    def __call__(self, photo: Photo) -> Any:
        """Translate a photo, or a list of photos, with the models that suit each, and return the same kind."""
        if isinstance(photo, list | tuple):
            return [self(item) for item in photo]
        return self.translator(self.explain(photo))(photo)

    def translator(self, choice: Choice) -> Translator:
        """Return the translator of a choice; it is loaded once."""
        if choice.model not in self._translators:
            self._translators[choice.model] = load_choice(choice, self.options)
        return self._translators[choice.model]


def load_photo(photo: Photo) -> tuple[LoadedImage, int | None]:
    """Return a decoded photo and the quality of its JPEG, if it is known; see ``AutoTranslator.explain``.

    Raises:
        ArgumentTypeError: another type, or several photos.
        ImageError: the file cannot be read.
    """
    if isinstance(photo, str | os.PathLike):
        path = expand_user(Path(photo))
        return load_image(path), read_jpeg_quality(path)
    images = to_loaded_images(photo)
    if len(images) != 1:
        raise ArgumentTypeError(f"Found {len(images)} photos; explain takes one photo at a time.")
    tables = getattr(photo, "quantization", None) if getattr(photo, "format", None) == "JPEG" else None
    return images[0], quality_of_table(tables[0]) if tables and len(tables.get(0, ())) == 64 else None
