"""Prepare images for a network: orientation, padding, downscaling, and the level or mask channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from i2i.errors import UsageError
from i2i.images import to_float, to_upright_srgb
from i2i.images.deep import STEP, DeepImage
from i2i.images.pull_push import pull_push_fill
from i2i.inference.chroma_transfer import downscaled_size
from i2i.inference.masks import ALPHA_THRESHOLD
from i2i.networks import GeneratorConfig, RestorerConfig, SpandrelConfig
from i2i.restoration.colorize import to_grayscale

MIN_SIDE = 16  # smaller images are padded to this many pixels a side, so that no layer gets an empty feature map
MAX_MARGIN = 32  # pixels by which a photo is extended on each side; more changes its edges by less than 0.01 dB
Size = tuple[int, int]  # width and height


@dataclass(frozen=True)
class PaddedBatch:
    """Images of one padded size, ready for the device.

    Args:
        pixels: levels (N, H, W, C) in 0…255 on the CPU: uint8, or float32 for images of 16 bits.
        offsets: left and top of each image within its padded image.
        sizes: width and height of each image, without the padding.
    """

    pixels: Tensor
    offsets: list[Size]
    sizes: list[Size]


class Preprocessor:
    """Turn images into the input of a network.

    Args:
        config: config of the network.
        size: pixels a side of the images the network was trained on.
        conditioning_level: in [-1, 1], the degradation level, for a network with a level channel.
        pin_memory: whether to lay batches out in pinned memory, from which copies to CUDA are asynchronous.
    """

    returns_floats = False  # whether results are values in [-1, 1] instead of levels

    def __init__(
        self,
        config: GeneratorConfig | SpandrelConfig,
        size: int,
        conditioning_level: float = 0.0,
        *,
        pin_memory: bool = False,
    ) -> None:
        restorer: Any = config if hasattr(config, "conditioning") else RestorerConfig()  # of this or another runtime
        self.conditioning = restorer.conditioning
        # Colours are predicted on a copy whose shorter side has this many pixels, as in training.
        self.colour_side = size if restorer.prediction == "chroma" else None
        self.size_multiple = config.size_multiple(size)
        is_measured = isinstance(config, SpandrelConfig)
        self.receptive_radius: int | None = None if is_measured else getattr(config, "receptive_radius", None)
        self.min_side = max(MIN_SIDE, getattr(config, "min_side", 0))
        self.margin = self._margin(unknown_radius=isinstance(config, SpandrelConfig))
        self._conditioning_level = conditioning_level
        self._pin_memory = pin_memory

    def _margin(self, *, unknown_radius: bool) -> int:
        """Return by how many pixels an image is extended on each side.

        It is a multiple of ``size_multiple``, for a network whose cells begin at such multiples.

        The convolutions of a restorer pad with zeros. Without the margin, the outermost pixels of a photo are restored
        worse than the others, and a field of saturated colour gets a frame. A network that predicts colours is trained
        on whole photos, and generators pad by reflection themselves.
        """
        if unknown_radius:
            return MAX_MARGIN
        radius = self.receptive_radius
        if radius is None or self.colour_side is not None:
            return 0
        return -(-min(radius, MAX_MARGIN) // self.size_multiple) * self.size_multiple

    def load_rgb(self, image: Image.Image) -> Image.Image:
        """Return ``image`` as upright RGB; for an inpainting network, return it as upright RGBA.

        Raises: UsageError if an inpainting network gets an image that is not RGBA.
        """
        if self.conditioning != "mask":
            return image if isinstance(image, DeepImage) else to_upright_srgb(image)
        if image.mode != "RGBA":
            raise UsageError(
                f"This model fills transparent regions. It takes RGBA images; found an image of mode {image.mode}."
            )
        return ImageOps.exif_transpose(image)

    def padded_size(self, size: Size) -> Size:
        """Return the width and height of the network's input for an image of ``size``."""
        width, height = self._network_size(size)
        return self._padded_length(width), self._padded_length(height)

    def _network_size(self, size: Size) -> Size:
        """Return the size at which the network sees an image, before padding."""
        return size if self.colour_side is None else downscaled_size(size, self.colour_side)

    def _padded_length(self, length: int) -> int:
        return -(-(max(length, self.min_side) + 2 * self.margin) // self.size_multiple) * self.size_multiple

    def preprocess(self, images: Sequence[Image.Image]) -> PaddedBatch:
        """Lay images from ``load_rgb`` that share a padded size out in one batch, extended by reflection."""
        width, height = self.padded_size(images[0].size)
        shape = len(images), height, width, len(images[0].getbands())
        is_deep = isinstance(images[0], DeepImage) and self.colour_side is None
        dtype = torch.float32 if is_deep else torch.uint8
        pixels = torch.empty(shape, dtype=dtype, pin_memory=self._pin_memory)
        offsets, sizes = [], []
        for image, padded in zip(images, pixels.numpy(), strict=True):
            image_pixels = self._to_pixels(image)
            # With the edge pixels repeated: 0.1 to 0.3 dB better at the edges than without, for denoise and superres2.
            offsets.append(pad_into(image_pixels, padded, "symmetric" if self.margin else "reflect"))
            sizes.append((image_pixels.shape[1], image_pixels.shape[0]))
        return PaddedBatch(pixels, offsets, sizes)

    def _to_pixels(self, image: Image.Image) -> np.ndarray:
        """Return levels (H, W, C) at the size the network sees: uint8, or float32 for an image of 16 bits.

        Masked regions are filled from their surroundings. A network that predicts colours gets grey pixels, as in its
        training.
        """
        if self.colour_side is not None:
            image = image.to_8bit() if isinstance(image, DeepImage) else image
            return to_grayscale(np.asarray(image.resize(self._network_size(image.size), Image.Resampling.BICUBIC)))
        pixels = np.asarray(image)
        if isinstance(image, DeepImage):
            return pixels / np.float32(STEP)
        if self.conditioning != "mask":
            return pixels
        filled = pull_push_fill(pixels[..., :3], pixels[..., 3] < ALPHA_THRESHOLD)
        return np.concatenate([filled, pixels[..., 3:]], 2)

    def network_input(self, pixels: Tensor) -> Tensor:
        """Return the input of the network for levels (N, H, W, C), on any device: float32 (N, 3 or 4, H, W) in [-1, 1].

        The fourth channel is the degradation level, or the mask: 1 where the image is to be filled, else -1.
        """
        image = to_float(pixels.permute(0, 3, 1, 2))  # channels-last memory
        if self.conditioning == "level":
            return torch.cat([image, torch.full_like(image[:, :1], self._conditioning_level)], 1)
        if self.conditioning == "mask":
            masked = image[:, 3:] < 0
            return torch.cat([image[:, :3], masked * 2.0 - 1.0], 1)
        return image


def pad_into(pixels: np.ndarray, padded: np.ndarray, mode: Literal["reflect", "symmetric"]) -> Size:
    """Copy (h, w, C) into the middle of (H, W, C), with its edges reflected around it.

    Args:
        pixels: the image.
        padded: is filled.
        mode: as in ``numpy.pad``: whether the edge pixels themselves are repeated ("symmetric") or not.

    Returns: left and top of the image within ``padded``.
    """
    missing_rows = padded.shape[0] - pixels.shape[0]
    missing_columns = padded.shape[1] - pixels.shape[1]
    top, left = missing_rows // 2, missing_columns // 2
    if missing_rows or missing_columns:
        margins = (top, missing_rows - top), (left, missing_columns - left), (0, 0)
        pixels = np.pad(pixels, margins, mode=mode)
    padded[...] = pixels
    return left, top
