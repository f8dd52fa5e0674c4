"""Images of any channels as Python callers have them: arrays, tensors, paths and Pillow images."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from i2i.errors import ArgumentTypeError, ArgumentValueError, ImageError
from i2i.images.channels import ChannelImage, read_channels
from i2i.images.label_classes import LabelClasses
from i2i.images.label_maps import read_label_map, to_label_map
from i2i.images.pixel_format import PixelFormat
from i2i.images.sample_types import MAX_CHANNELS
from i2i.images.stored_ids import palette_of, stored_ids
from i2i.inference.image_types import MAX_EXCESS
from i2i.networks.precision import at_least_float32
from i2i.paths import expand_user


class UnitImage(ChannelImage):
    """The values of a tensor, in [-1, 1]. Its result has such values too, which are not rounded."""


def to_channel_images(value: Any, format: PixelFormat | None) -> list[ChannelImage]:
    """Return the images of a value: one, or as many as a batch has.

    Args:
        value: an array (H, W), (H, W, C) or (N, H, W, C) of integers or floats; a floating-point tensor (C, H, W) or
            (N, C, H, W) in [-1, 1]; the path of an image file; a PIL image; or a ``ChannelImage``.
        format: of the images that the model takes; None for any. Of label maps, arrays and PIL images hold class ids.

    Raises:
        ArgumentTypeError: another type.
        ArgumentValueError: another shape, or values out of range.
        ImageError: a file that cannot be read.
    """
    if isinstance(value, ChannelImage):
        return [value]
    channels = None if format is None else format.channels
    labels = None if format is None else format.labels
    if isinstance(value, str | os.PathLike):
        path = expand_user(Path(value))
        if path.is_dir():
            raise ImageError(f"{path} is a folder. i2i.convert(model, {str(path)!r}, out=FOLDER) converts its images.")
        return [read_channels(path, channels) if labels is None else read_label_map(path, labels)]
    if isinstance(value, Image.Image):
        value = np.asarray(value) if labels is None else _ids_of(value, labels)
    if isinstance(value, np.ndarray) and labels is not None:
        return [to_label_map(ChannelImage(array), labels, "The array") for array in _check_array(value, 1)]
    if isinstance(value, np.ndarray):
        return [ChannelImage(array) for array in _check_array(value, channels)]
    if isinstance(value, Tensor):
        return [UnitImage(array, value_range=(-1.0, 1.0)) for array in _check_tensor(value, channels)]
    raise ArgumentTypeError(
        f"Found {type(value).__name__}; an image of this model is an array (H, W, C), a floating-point tensor "
        "(C, H, W) in [-1, 1], a path, or a list of these."
    )


def _ids_of(image: Image.Image, classes: LabelClasses) -> np.ndarray:
    """Return the class ids of a PIL image, (H, W, 1). Raises ImageError if it is a photo or has another palette."""
    if image.mode in ("P", "PA"):
        classes.check_palette(palette_of(image), "The image")
    try:
        return stored_ids(image)
    except ImageError as error:
        raise ImageError(f"The image {error}.") from error


def from_channel_results(value: Any, results: Sequence[ChannelImage]) -> Any:
    """Return results as the kind of ``value``, from which they were made."""
    arrays = [result.values for result in results]
    if isinstance(value, Tensor):
        ranges = [result.value_range or (-1.0, 1.0) for result in results]
        scaled = [
            torch.from_numpy((array.astype(np.float64) - low) * (2 / (high - low)) - 1).permute(2, 0, 1)
            for array, (low, high) in zip(arrays, ranges, strict=True)
        ]
        images = torch.stack(scaled).contiguous().to(value.device, value.dtype)
        return images if value.ndim == 4 else images[0]
    if isinstance(value, np.ndarray) and value.ndim == 4:
        return np.stack(arrays)
    (array,) = arrays
    if isinstance(value, np.ndarray):
        return array[..., 0] if value.ndim == 2 and array.shape[2] == 1 else array
    if isinstance(value, Image.Image) and array.dtype == np.uint8 and array.shape[2] in (1, 3, 4):
        return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    return results[0] if isinstance(value, ChannelImage) else array


def _check_array(array: np.ndarray, channels: int | None) -> list[np.ndarray]:
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise ArgumentTypeError(f"Found an array of {array.dtype}; it must hold integers or floats.")
    if array.ndim == 2:
        array = array[..., None]
    count = array.shape[-1] if array.ndim in (3, 4) else 0
    if not count or 0 in array.shape or count > MAX_CHANNELS or channels not in (None, count):
        wanted = f"C = {channels}" if channels else f"C from 1 to {MAX_CHANNELS}"
        raise ArgumentValueError(
            f"Found an array of shape {array.shape}; an image is (H, W, C) and a batch (N, H, W, C), with {wanted}."
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return list(array) if array.ndim == 4 else [array]


def _check_tensor(tensor: Tensor, channels: int | None) -> list[np.ndarray]:
    if not tensor.is_floating_point():
        raise ArgumentTypeError(f"Found a tensor of {tensor.dtype}; it must be of floating point in [-1, 1].")
    count = tensor.shape[-3] if tensor.ndim in (3, 4) else 0
    if not count or 0 in tensor.shape or (channels != count and (channels is not None or count > MAX_CHANNELS)):
        wanted = f"C = {channels}" if channels else f"C from 1 to {MAX_CHANNELS}"
        raise ArgumentValueError(
            f"Found a tensor of shape {tuple(tensor.shape)}; an image is (C, H, W) and a batch (N, C, H, W), with "
            f"{wanted}."
        )
    low, high = (float(limit) for limit in tensor.detach().aminmax())
    if not -1 - MAX_EXCESS <= low <= high <= 1 + MAX_EXCESS:  # also for NaN
        raise ArgumentValueError(
            f"Found a tensor with values from {low:g} to {high:g}; they must be in [-1, 1], the ends of the model's "
            "value range."
        )
    batch = (tensor if tensor.ndim == 4 else tensor[None]).detach().cpu()
    return list(at_least_float32(batch).permute(0, 2, 3, 1).contiguous().numpy())
