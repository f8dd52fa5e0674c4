"""Translate images of any size with a trained network."""

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from i2i.checkpoints.model_info import ModelInfo
from i2i.device import resolve_device, resolve_dtype
from i2i.images import LoadedImage, Provenance
from i2i.inference.compositing import compose
from i2i.inference.finishing import Finishing
from i2i.inference.image_types import from_results, image_path, to_loaded_images
from i2i.inference.mask_files import load_protection
from i2i.inference.masks import MaskedPhoto, MaskReader
from i2i.inference.measured_tiles import measured_tiles_of
from i2i.inference.options import InferenceOptions
from i2i.inference.postprocessing import PendingImage, Postprocessor, with_known_pixels
from i2i.inference.preprocessing import Preprocessor, Size
from i2i.inference.restoration import conditioning_level
from i2i.inference.runner import NetworkRunner
from i2i.inference.stage import Stage
from i2i.inference.temporal_norm import TemporalNorm
from i2i.networks import GeneratorConfig, SpandrelConfig, prepare_for_inference

OneImage = Image.Image | str | os.PathLike[str]
Progress = Callable[[float], None]  # called with the fraction done, from 0 to 1


class Translator:
    """Translate images with one direction of a model file.

    >>> zebra = i2i.load("horse2zebra")(Image.open("horse.jpg"))

    A batch passes three parts in order: ``preprocessor``, ``runner`` (the network) and ``postprocessor``.

    Args:
        network: the generator.
        config: config of the generator.
        size: pixels a side of the images the generator was trained on.
        direction: "AtoB" or "BtoA".
        info: metadata of the model file; None for the identity.
        provenance: the model, as its results name it in their metadata.
        options: device, precision, and what the model takes besides the image.

    Raises: UsageError if an option is missing, or is given that the model does not take.
    """

    takes_channels = False  # whether images are ``ChannelImage`` instead of pictures

    def __init__(
        self,
        network: nn.Module,
        config: GeneratorConfig | SpandrelConfig,
        *,
        size: int,
        direction: str,
        info: ModelInfo | None = None,
        provenance: Provenance | None = None,
        options: InferenceOptions | None = None,
    ) -> None:
        self.options = options = options or InferenceOptions()
        self.device = resolve_device(options.device)
        self.dtype = resolve_dtype(options.precision, self.device)
        self.direction = direction
        self.info = info
        self.provenance = provenance
        options.check_for(self.name, info)
        self.value_ranges = options.value_ranges(info, direction)
        level = conditioning_level(self.name, info, options.strength) if info is not None else 0.0
        network = prepare_for_inference(network, config).to(self.device).to(memory_format=torch.channels_last)
        self.preprocessor = Preprocessor(config, size, level, pin_memory=self.device.type == "cuda")
        tiles = measured_tiles_of(network, config, self.device)
        self.runner = NetworkRunner(network, self.preprocessor, self.device, self.dtype, tiles)
        scale: int = getattr(config, "scale", 1)
        transfer_chroma = self.preprocessor.colour_side is not None
        takes_mask = self.preprocessor.conditioning == "mask"
        self.postprocessor = Postprocessor(
            scale,
            transfer_chroma=transfer_chroma,
            keep_known=takes_mask and scale == 1,
            keep_grey=info is not None and info.restores and not transfer_chroma,
            device=self.device,
        )
        self._stage = Stage(self.preprocessor, self.runner, self.postprocessor, self.device)
        self.keeps_known_pixels = self.postprocessor.keep_known
        self.finishing = Finishing(options.blend, options.grain)
        self.protection = load_protection(options.protect, options.mask_fill, self.name, scale)
        mask = Path(options.mask) if options.mask is not None else None
        self.mask_reader = MaskReader(mask, fill=options.mask_fill) if takes_mask else None

    def __repr__(self) -> str:
        scale = f", {self.scale}x larger results" if self.scale > 1 else ""
        task = f", task {self.info.task_name}" if self.info is not None and self.info.task_name else ""
        dtype = str(self.dtype).removeprefix("torch.")
        return f"<Translator {self.name} {self.direction}{task}{scale}, on {self.device} in {dtype}>"

    @property
    def name(self) -> str:
        """Name of the model, such as "horse2zebra"; "identity" for the identity."""
        if self.provenance is None:
            return "identity" if self.info is None else "the model"
        return self.provenance.model.removesuffix(f" {self.direction}")

    @property
    def network(self) -> nn.Module:
        """The generator, on ``device``."""
        return self.runner.network

    @property
    def scale(self) -> int:
        """The size of a result relative to its image."""
        return self.postprocessor.scale

    @property
    def restores(self) -> bool:
        """Whether the model restores photos, or is the identity: it can work in any colour space of RGB."""
        return self.info is None or (self.info.works_in_any_space and self.preprocessor.colour_side is None)

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

    @contextmanager
    def report_progress(self, progress: Progress) -> Iterator[None]:
        """Call ``progress`` inside the context with the fraction done of each image that runs in tiles or by rows."""
        self.runner.on_progress = progress
        try:
            yield
        finally:
            self.runner.on_progress = None

    @overload
    def __call__(self, images: OneImage, progress: Progress | None = None) -> Image.Image: ...

    @overload
    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> np.ndarray: ...

    @overload
    def __call__(self, images: Tensor, progress: Progress | None = None) -> Tensor: ...

    @overload
    def __call__(self, images: list[Any] | tuple[Any, ...], progress: Progress | None = None) -> list[Any]: ...

    def __call__(self, images: Any, progress: Progress | None = None) -> Any:
        """Translate an image, a batch or a list of images, and return the same kind.

        An image is turned by its EXIF orientation, padded by reflection to a size the network takes, and the result is
        cropped. Dropout, where the model uses it at inference, is the same each time. A colorization model sees a copy
        whose shorter side is as in its training. A restoration model other than for colours returns grey for grey. The
        result has the transparency of the image. An inpainting model fills what is masked, or else what is transparent.

        Args:
            images: one of

                - a PIL image of any mode, or the path of an image file. The result is a PIL image: RGBA if the image
                  has transparency, else RGB.
                - a uint8 array (H, W, 3), (H, W, 4) or, for grey, (H, W). The result is a uint8 array (H, W, 3), or
                  (H, W, 4) with the alpha. (N, H, W, 3) is a batch.
                - a floating-point tensor (3, H, W) or (N, 3, H, W) in [-1, 1]. The result is a tensor of its data type
                  on its device. The model sees its values in 8 bits, as those of a file.
                - a list or tuple of these. The result is a list. Images of one size are translated together.

                Models of other channels than RGB and of label maps take arrays of theirs: see `i2i docs channels`.

            progress: called with the fraction done, from 0 to 1: after each batch, and within a large image after each
                of its tiles or strips.

        Returns: results, ``scale`` times the size of the upright images.

        Raises:
            ArgumentTypeError: a TypeError: another type.
            ArgumentValueError: a ValueError: a wrong shape or range.
            ImageError: a file cannot be read.
            I2IError: an image does not fit into the memory.

        >>> translate = i2i.load("horse2zebra")
        >>> translate(Image.new("RGB", (70, 50))).size
        (70, 50)
        >>> translate(np.zeros((50, 70, 3), np.uint8)).shape
        (50, 70, 3)
        >>> translate(torch.zeros(2, 3, 50, 70)).shape
        torch.Size([2, 3, 50, 70])
        >>> translate(["horse.jpg", Image.new("RGBA", (70, 50))])[1].mode
        'RGBA'
        """
        values = list(images) if isinstance(images, list | tuple) else [images]
        blend, ranges = self.mask_reader is None, self.value_ranges
        loaded = [to_loaded_images(value, blend=blend, ranges=ranges) for value in values]
        results = iter(self._translate_loaded(values, loaded, progress))
        converted = [
            from_results(value, list(islice(results, len(batch)))) for value, batch in zip(values, loaded, strict=True)
        ]
        return converted if isinstance(images, list | tuple) else converted[0]

    def _translate_loaded(
        self, values: Sequence[Any], loaded: Sequence[Sequence[LoadedImage]], progress: Progress | None
    ) -> list[Image.Image]:
        """Translate the images of each of the values, with their alpha or mask."""
        photos = [image for batch in loaded for image in batch]
        paths = [image_path(value) for value, batch in zip(values, loaded, strict=True) for _ in batch]
        if self.protection is not None:
            photos = [self.protection.add_to(path, photo) for path, photo in zip(paths, photos, strict=True)]
        if self.mask_reader is not None:
            photos = [self.mask_reader.apply_mask(path, photo) for path, photo in zip(paths, photos, strict=True)]
        inputs = [photo.rgba() if isinstance(photo, MaskedPhoto) else photo.image for photo in photos]
        results = self.translate(inputs, progress)
        return [compose(result, photo) for result, photo in zip(results, photos, strict=True)]

    def translate(self, images: Sequence[Image.Image], progress: Progress | None = None) -> list[Image.Image]:
        """Translate several images. Consecutive images of one padded size share a pass, which is faster.

        Results do not depend on the batch, up to the order of floating-point sums: models that use dropout or batch
        statistics at inference get one image at a time.

        Args:
            images: PIL images as ``Preprocessor.load_rgb`` takes them.
            progress: called with the fraction done, from 0 to 1.
        """
        upright = [self.preprocessor.load_rgb(image) for image in images]
        results: list[Image.Image] = []
        pending: list[PendingImage] = []
        report = progress or (lambda fraction: None)
        while remaining := upright[len(pending) :]:
            done = len(pending)
            count = self.preferred_batch_size(self.padded_size(remaining[0].size))
            part = partial(_report_part, report, done, len(images))
            with self.report_progress(part) if progress else nullcontext():
                pending += self.submit(remaining[:count])
            if progress:
                results += [wait() for wait in pending[done:]]
                report(len(pending) / len(images))
        return results or [wait() for wait in pending]

    def submit(self, images: Sequence[Image.Image]) -> list[PendingImage]:
        """Start to translate images, and return one function for each, which waits for its result.

        On CUDA the device works while the caller continues, and the functions may be called in other threads. On
        out-of-memory the batch is halved and the limit is remembered. A single image that does not fit runs in tiles or
        by rows, with the same result (see ``NetworkRunner``).

        Args:
            images: upright, as ``i2i.images.read`` returns them: RGB, or RGBA for an inpainting model.

        Raises: I2IError if an image does not fit into the memory.
        """
        pending = self._submit(images)
        if not self.finishing.changes_results:
            return pending
        return [partial(self._finish, image, wait) for image, wait in zip(images, pending, strict=True)]

    def _submit(self, images: Sequence[Image.Image]) -> list[PendingImage]:
        """Start to translate images, up to the finishing."""
        return self._stage.submit(images)

    def _finish(self, image: Image.Image, wait: PendingImage) -> Image.Image:
        """Wait for a result, mix it with its image and add grain. Pixels outside of a mask stay as they are."""
        finished = self.finishing(image, wait())
        return with_known_pixels(image, finished) if self.keeps_known_pixels else finished

    def with_finishing(self, finishing: Finishing) -> "Translator":
        """Return a translator that shares the network of this one, and finishes its results in another way."""
        other = copy.copy(self)
        other.finishing = finishing
        return other

    def padded_size(self, size: Size) -> Size:
        """Return the size of the network's input for an image of ``size``. Images of one such size can share a pass."""
        return self.preprocessor.padded_size(size)

    def preferred_batch_size(self, size: Size) -> int:
        """Return how many images of a padded size are translated fastest in one pass."""
        return self._stage.preferred_batch_size(size)


def _report_part(report: Progress, done: int, total: int, fraction: float) -> None:
    """Report the fraction of ``total`` images when ``done`` and a fraction of the next one are done."""
    report((done + fraction) / total)
