"""A training sample, and its tensors: levels of images, and class indices until they become one-hot levels."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from i2i.data.unreadable import UnreadableImage
from i2i.images.pixel_format import RGB8, PixelFormat, network_levels, to_levels


class Sample(tuple[Tensor, ...]):
    """The images of a sample, one for each domain.

    Attributes:
        unreadable: files that could not be read, and what took their place.
    """

    unreadable: list[UnreadableImage]


def with_one_hot(images: list[Tensor], formats: Sequence[PixelFormat]) -> list[Tensor]:
    """Return the images of an item, the indices of label maps as one-hot levels."""
    if all(format.labels is None for format in formats):
        return images
    return [
        image if format.labels is None else _one_hot(image, format)
        for image, format in zip(images, formats, strict=True)
    ]


def _one_hot(indices: Tensor, format: PixelFormat) -> Tensor:
    """Return indices (1, H, W) as levels (classes, H, W), channels-last in memory."""
    return torch.from_numpy(network_levels(indices.permute(1, 2, 0).numpy(), format)).permute(2, 0, 1)


def to_sample(pixels: np.ndarray, format: PixelFormat = RGB8) -> Tensor:
    """Copy (H, W, C) to levels (C, H, W), channels-last in memory: uint8 of pictures, else float32 from 0 to 255.

    Label maps stay indices, int16 (1, H, W), see ``_one_hot``.
    """
    if format.labels is not None:
        return torch.from_numpy(pixels.astype(np.int16)).permute(2, 0, 1)
    if not format.is_rgb8:
        return torch.from_numpy(to_levels(pixels, format.value_range)).permute(2, 0, 1)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)
