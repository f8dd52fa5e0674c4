"""The types of images that Python callers have: Pillow images, paths, NumPy arrays and PyTorch tensors.

``to_loaded_images`` makes Pillow images of a value. ``from_results`` makes a value of the same kind of the results.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from i2i.errors import ArgumentTypeError, ArgumentValueError, ImageError
from i2i.images import LoadedImage, load_image, to_float, to_uint8
from i2i.images.colour import to_upright_srgb_with_alpha
from i2i.images.value_range import ValueRanges
from i2i.paths import expand_user

TAKEN = (
    "a PIL image, a path, a uint8 array (H, W, 3), a float tensor (N, 3, H, W) or (3, H, W) in [-1, 1], "
    "or a list of these"
)
_ADVICE = {  # by name of a type
    "list": " A list cannot hold lists.",
    "tuple": " A list cannot hold tuples.",
    "bytes": " PIL.Image.open(io.BytesIO(data)) opens the bytes of an image file.",
    "BytesIO": " PIL.Image.open(file) opens it.",
    "BufferedReader": " PIL.Image.open(file) opens it.",
    **dict.fromkeys(["generator", "map", "filter", "zip", "set", "dict_values"], " list(images) makes a list of it."),
}
MAX_EXCESS = 0.1  # by which values of a tensor may lie outside [-1, 1], such as after a bicubic resize; it is clipped


def to_loaded_images(value: Any, *, blend: bool = True, ranges: ValueRanges | None = None) -> list[LoadedImage]:
    """Return the images of a value: one, or as many as a batch (N, …) has.

    Args:
        value: a PIL image of any mode; the path of an image file; a uint8 array (H, W), (H, W, 1), (H, W, 3),
            (H, W, 4) or (N, H, W, 1, 3 or 4); or a floating-point tensor (3, H, W) or (N, 3, H, W) in [-1, 1].
        blend: whether to blend transparent images on white; else the colours are as stored.
        ranges: black and white of PIL images and files by sample type; the range of a type that is missing follows from
            the image.

    Returns: RGB images with their alpha; an image of a type that has alpha gets it also where all of it is opaque.

    Raises:
        ArgumentTypeError: another type, or another type of numbers.
        ArgumentValueError: another shape, or a number out of range.
        ImageError: a file that cannot be read, or a damaged image.
    """
    if isinstance(value, Image.Image):
        return [_from_pil(value, blend, ranges)]
    if isinstance(value, str | os.PathLike):
        return [_from_path(Path(value), blend, ranges)]
    if isinstance(value, np.ndarray):
        return [_from_pil(Image.fromarray(pixels), blend) for pixels in _check_array(value)]
    if isinstance(value, Tensor):
        return [LoadedImage(Image.fromarray(pixels)) for pixels in _check_tensor(value)]
    advice = _ADVICE.get(type(value).__name__, "")
    raise ArgumentTypeError(f"Found {_type_name(value)}; an image is {TAKEN}.{advice}")


def from_results(value: Any, results: Sequence[Image.Image]) -> Any:
    """Return the results, RGB or RGBA, as the kind of ``value``, from which they were made.

    Returns: PIL for PIL and for paths; arrays (H, W, 3 or 4); tensors of the data type and on the device of ``value``.
    """
    if isinstance(value, np.ndarray):
        arrays = [np.array(result) for result in results]
        return np.stack(arrays) if value.ndim == 4 else arrays[0]
    if isinstance(value, Tensor):
        pixels = torch.stack([torch.from_numpy(np.array(result)) for result in results])
        images = to_float(pixels.permute(0, 3, 1, 2)).contiguous().to(value.device, value.dtype)
        return images if value.ndim == 4 else images[0]
    return results[0]


def image_path(value: Any) -> Path:
    """Return the file of a path or of an opened PIL image, by whose name a mask is found; else a name for messages."""
    if isinstance(value, str | os.PathLike):
        return Path(value)
    return Path(str(getattr(value, "filename", "") or "The image"))


def _from_pil(image: Image.Image, blend: bool, ranges: ValueRanges | None = None) -> LoadedImage:
    if 0 in image.size:
        raise ArgumentValueError(f"The image has {image.width}x{image.height} pixels; it must have at least one.")
    try:
        colours, alpha = to_upright_srgb_with_alpha(image, ranges=ranges)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow decodes a file when its pixels are first used
        name = getattr(image, "filename", "") or "The image"
        if "closed" in str(error):
            raise ImageError(f"{name} is closed: translate it before it is closed, or open it again.") from error
        raise ImageError(f"{name} is damaged: {str(error).strip('. ')}.") from error
    if alpha is None and image.has_transparency_data:
        alpha = Image.new("L", colours.size, 255)
    loaded = LoadedImage(colours, alpha)
    return loaded.blended() if blend else loaded


def _from_path(path: Path, blend: bool, ranges: ValueRanges | None) -> LoadedImage:
    path = expand_user(path)
    if path.is_dir():
        raise ImageError(f"{path} is a folder. i2i.convert(model, {str(path)!r}, out=FOLDER) converts all its images.")
    return load_image(path, blend=blend, ranges=ranges)


def _check_array(array: np.ndarray) -> list[np.ndarray]:
    """Return the images of a uint8 array, (H, W) or (H, W, 3 or 4)."""
    if array.dtype != np.uint8:
        raise ArgumentTypeError(f"Found an array of {array.dtype}; it must be uint8 in 0 to 255. {_advice_for(array)}")
    channels = array.shape[-1] if array.ndim > 2 else 1
    if array.ndim not in (2, 3, 4) or channels not in (1, 3, 4) or 0 in array.shape:
        is_planar = array.ndim > 2 and array.shape[-3] in (1, 3, 4)
        advice = " Move the channels to the end by np.moveaxis(array, -3, -1)." if is_planar else ""
        raise ArgumentValueError(
            f"Found an array of shape {array.shape}; an image is (H, W), (H, W, 3) or (H, W, 4), and a batch "
            f"(N, H, W, 3).{advice}"
        )
    if channels == 1 and array.ndim > 2:
        array = array[..., 0]
        return list(array) if array.ndim == 3 else [array]
    return list(array) if array.ndim == 4 else [array]


def _advice_for(array: np.ndarray) -> str:
    """Return how to convert an array of another type than uint8."""
    if array.dtype == bool:
        return "255 * array.astype(np.uint8) converts it."
    if array.dtype.kind == "f":
        return (
            "Floats have no agreed range: (255 * array).round().astype(np.uint8) converts from 0 to 1, and "
            "(127.5 * (array + 1)).round().astype(np.uint8) from -1 to 1."
        )
    if array.dtype.kind in "iu":
        return (
            "Other integers have no agreed range: array.astype(np.uint8) converts from 0 to 255, and "
            "(array / 257).round().astype(np.uint8) from 0 to 65535."
        )
    return "Convert it to numbers first."


def _check_tensor(tensor: Tensor) -> list[np.ndarray]:
    """Return the images of a tensor as uint8 (H, W, 3)."""
    if not tensor.is_floating_point():
        raise ArgumentTypeError(
            f"Found a tensor of {tensor.dtype}; it must be of floating point in [-1, 1]. "
            "i2i.images.to_float converts uint8 to that range."
        )
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
        raise ArgumentValueError(
            f"Found a tensor of shape {tuple(tensor.shape)}; an image is (3, H, W), and a batch (N, 3, H, W)."
        )
    if tensor.is_meta:
        raise ArgumentValueError("Found a tensor on the device meta, which has no values.")
    low, high = (float(limit) for limit in tensor.detach().aminmax())
    if not -1 - MAX_EXCESS <= low <= high <= 1 + MAX_EXCESS:  # also for NaN
        raise ArgumentValueError(
            f"Found a tensor with values from {low:g} to {high:g}; they must be in [-1, 1], where -1 is black. "
            "2 * x - 1 converts from [0, 1], and x / 127.5 - 1 from [0, 255]."
        )
    pixels = to_uint8(tensor.detach()).cpu()
    batch = pixels if pixels.ndim == 4 else pixels[None]
    return list(batch.permute(0, 2, 3, 1).contiguous().numpy())


def _type_name(value: Any) -> str:
    if value is None:
        return "None"
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
