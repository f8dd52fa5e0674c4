"""One pass of images through preprocessing, a network and postprocessing, in batches that fit the memory."""

from collections.abc import Sequence
from itertools import islice, takewhile

import torch
from PIL import Image

from i2i.device import is_out_of_memory
from i2i.errors import I2IError
from i2i.images.deep import DeepImage
from i2i.inference.postprocessing import PendingImage, Postprocessor
from i2i.inference.preprocessing import Preprocessor, Size
from i2i.inference.runner import NetworkRunner

MAX_COLOURED_BATCH = 4  # images that are coloured together: they stay in memory beside their small copies


class Stage:
    """Runs images through a preprocessor, a network and a postprocessor.

    Args:
        preprocessor: prepares the images.
        runner: runs the network.
        postprocessor: makes images of its output.
        device: device of the network.
    """

    def __init__(
        self, preprocessor: Preprocessor, runner: NetworkRunner, postprocessor: Postprocessor, device: torch.device
    ) -> None:
        self.preprocessor = preprocessor
        self.runner = runner
        self.postprocessor = postprocessor
        self._device = device

    def submit(self, images: Sequence[Image.Image]) -> list[PendingImage]:
        """Start to translate images; see ``Translator.submit``."""
        pending: list[PendingImage] = []
        while remaining := images[len(pending) :]:
            size = self.preprocessor.padded_size(remaining[0].size)
            batch = self._next_batch(remaining, size)
            try:
                pending += self._translate_batch(batch)
                continue
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if not self.runner.can_retry(len(batch), size):
                    width, height = batch[0].size
                    raise I2IError(
                        f"An image of {width}x{height} pixels does not fit the memory of {self._device}."
                    ) from error
            # Outside of the handler: the error holds the memory of the failed pass.
            self.runner.limits.reduce(len(batch), size)
        return pending

    def _next_batch(self, images: Sequence[Image.Image], size: Size) -> list[Image.Image]:
        """Return the first images, of one padded size and one number of bits, that may run together."""
        deep = isinstance(images[0], DeepImage)
        alike = takewhile(
            lambda image: isinstance(image, DeepImage) == deep and self.preprocessor.padded_size(image.size) == size,
            images,
        )
        return list(islice(alike, self.runner.max_batch_size(size)))

    def _translate_batch(self, images: Sequence[Image.Image]) -> list[PendingImage]:
        batch = self.preprocessor.preprocess(images)
        output = self.runner.run(batch.pixels)
        return self.postprocessor.postprocess(output, batch, images)

    def preferred_batch_size(self, size: Size) -> int:
        """Return how many images of a padded size are translated fastest in one pass."""
        count = self.runner.preferred_batch_size(size)
        return count if self.preprocessor.colour_side is None else min(count, MAX_COLOURED_BATCH)
