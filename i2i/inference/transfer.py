"""Pictures on their way into a batch on the device, and back."""

import numpy as np
import torch
from PIL import Image


def area(size: tuple[int, int]) -> int:
    """Pixels of a picture of this width and height."""
    return size[0] * size[1]


def put(pixels: np.ndarray, place: np.ndarray) -> tuple[int, int]:
    """Copy (h, w, C) into the middle of (H, W, C), its edges reflected around it; where its left top corner is."""
    missing = place.shape[0] - pixels.shape[0], place.shape[1] - pixels.shape[1]
    top, left = missing[0] // 2, missing[1] // 2
    if any(missing):
        pixels = np.pad(pixels, ((top, missing[0] - top), (left, missing[1] - left), (0, 0)), mode="reflect")
    place[...] = pixels
    return left, top


def to_host(pixels: torch.Tensor) -> torch.Tensor:
    """On the CPU; from CUDA once what the device has been given to do is done."""
    if pixels.device.type != "cuda":
        return pixels.cpu()
    return torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True).copy_(pixels, non_blocking=True)


def picture_of(pixels: np.ndarray, done: torch.cuda.Event | None) -> Image.Image:
    """The picture of (h, w, 3), once ``done`` has happened on the device."""
    if done is not None:
        done.synchronize()
    return Image.fromarray(pixels)
