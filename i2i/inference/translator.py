"""Translate images of any size with a trained network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from i2i.checkpoints.model_info import ModelInfo
from i2i.device import Precision, is_out_of_memory, resolve_device, resolve_dtype
from i2i.errors import I2IError
from i2i.images import Provenance
from i2i.inference.masks import MaskReader
from i2i.inference.postprocessing import PendingImage, Postprocessor
from i2i.inference.preprocessing import Preprocessor, Size
from i2i.inference.runner import NetworkRunner
from i2i.inference.temporal_norm import TemporalNorm
from i2i.networks import GeneratorConfig, RestorerConfig, prepare_for_inference

MAX_COLOURED_BATCH = 4  # images that are coloured together: they stay in memory beside their small copies


class Translator:
    """Translate images with one direction of a model file.

    >>> zebra = i2i.load("horse2zebra-cyclegan")(Image.open("horse.jpg"))

    A batch passes three parts in order: ``preprocessor``, ``runner`` (the network) and ``postprocessor``.

    Args:
        network: the generator.
        config: config of the generator.
        size: pixels a side of the images the generator was trained on.
        direction: "AtoB" or "BtoA".
        device: "auto", or the name of a torch device.
        precision: "auto", "float32" or "bfloat16".
        info: metadata of the model file; None for the identity.
        conditioning_level: in [-1, 1], the degradation level, for a network with a level channel.
        mask: mask of an inpainting model, see ``MaskReader``.
        provenance: the model, as its results name it in their metadata.
    """

    def __init__(
        self,
        network: nn.Module,
        config: GeneratorConfig,
        *,
        size: int,
        direction: str,
        device: str = "auto",
        precision: Precision = "auto",
        info: ModelInfo | None = None,
        conditioning_level: float = 0.0,
        mask: Path | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        self.device = resolve_device(device)
        self.dtype = resolve_dtype(precision, self.device)
        self.direction = direction
        self.info = info
        self.provenance = provenance
        network = prepare_for_inference(network, config).to(self.device).to(memory_format=torch.channels_last)
        self.preprocessor = Preprocessor(config, size, conditioning_level, pin_memory=self.device.type == "cuda")
        self.runner = NetworkRunner(network, self.preprocessor, self.device, self.dtype)
        scale = config.scale if isinstance(config, RestorerConfig) else 1
        transfer_chroma = self.preprocessor.colour_side is not None
        self.postprocessor = Postprocessor(scale, transfer_chroma=transfer_chroma, device=self.device)
        self.mask_reader = MaskReader(mask) if self.preprocessor.conditioning == "mask" else None

    @property
    def network(self) -> nn.Module:
        """The generator, on ``device``."""
        return self.runner.network

    @property
    def scale(self) -> int:
        """The size of a result relative to its image."""
        return self.postprocessor.scale

    def compile(self) -> None:
        """Compile the network at its first passes, which takes minutes and pays for thousands of images.

        If that fails, a warning is logged and the network runs uncompiled.
        """
        self.runner.compile()

    @contextmanager
    def temporal_norm(self, rate: float) -> Iterator[TemporalNorm]:
        """Translate the frames of a video with less flicker inside the context. The network runs uncompiled there.

        Args:
            rate: frames a second.
        """
        with self.runner.uncompiled(), TemporalNorm(self.network, rate) as temporal_norm:
            yield temporal_norm

    def __call__(self, image: Image.Image) -> Image.Image:
        """Translate one image.

        The image is turned by its EXIF orientation, padded by reflection to a size the network takes, and the result is
        cropped. Dropout, where the model uses it at inference, is the same each time. A colorization model sees a copy
        whose shorter side is as in its training.

        Args:
            image: RGB or any mode that converts to it; for an inpainting model, RGBA that is transparent where it is to
                be filled.

        Returns: RGB, ``scale`` times the size of the upright image.

        Raises: I2IError if the image does not fit the memory.

        >>> translate = i2i.load("horse2zebra-cyclegan")
        >>> translate(Image.new("RGB", (70, 50))).size
        (70, 50)
        """
        return self.translate([image])[0]

    def translate(self, images: Sequence[Image.Image]) -> list[Image.Image]:
        """Translate several images. Consecutive images of one padded size share a pass, which is faster.

        Results do not depend on the batch, up to the order of floating-point sums: models that use dropout or batch
        statistics at inference get one image at a time.
        """
        upright = [self.preprocessor.load_rgb(image) for image in images]
        pending: list[PendingImage] = []
        while remaining := upright[len(pending) :]:
            count = self.preferred_batch_size(self.padded_size(remaining[0].size))
            pending += self.submit(remaining[:count])
        return [wait() for wait in pending]

    def submit(self, images: Sequence[Image.Image]) -> list[PendingImage]:
        """Start to translate images, and return one function for each, which waits for its result.

        On CUDA the device works while the caller continues, and the functions may be called in other threads. On
        out-of-memory the batch is halved and the limit is remembered. A single image that does not fit runs in tiles or
        by rows, with the same result (see ``NetworkRunner``).

        Args:
            images: upright, as ``i2i.images.read`` returns them: RGB, or RGBA for an inpainting model.

        Raises: I2IError if an image does not fit the memory.
        """
        pending: list[PendingImage] = []
        while remaining := images[len(pending) :]:
            size = self.padded_size(remaining[0].size)
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
                        f"An image of {width}x{height} pixels does not fit the memory of {self.device}."
                    ) from error
            # Outside of the handler: the error holds the memory of the failed pass.
            self.runner.limits.reduce(len(batch), size)
        return pending

    def _next_batch(self, images: Sequence[Image.Image], size: Size) -> list[Image.Image]:
        """Return the first images, of one padded size, that may run together."""
        same_size = takewhile(lambda image: self.padded_size(image.size) == size, images)
        return list(islice(same_size, self.runner.max_batch_size(size)))

    def _translate_batch(self, images: Sequence[Image.Image]) -> list[PendingImage]:
        batch = self.preprocessor.preprocess(images)
        output = self.runner.run(batch.pixels)
        return self.postprocessor.postprocess(output, batch, images)

    def padded_size(self, size: Size) -> Size:
        """Return the width and height of the network's input for an image of ``size``.

        Images with the same padded size can share a pass.
        """
        return self.preprocessor.padded_size(size)

    def preferred_batch_size(self, size: Size) -> int:
        """Return how many images of a padded size are translated fastest in one pass."""
        count = self.runner.preferred_batch_size(size)
        return count if self.preprocessor.colour_side is None else min(count, MAX_COLOURED_BATCH)
