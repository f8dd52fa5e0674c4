"""Conversion between uint8 pixels and the float range of the networks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def to_float(pixels: "Tensor") -> "Tensor":
    """Convert levels in 0…255, uint8 or fractions of 16 bits as float32, of any shape, to float32 in [-1, 1].

    >>> import torch
    >>> to_float(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([-1.,  1.])
    """
    import torch

    return torch.div(pixels, 127.5).sub_(1)


def to_uint8(image: "Tensor") -> "Tensor":
    """Convert float in [-1, 1], of any shape, to uint8 in 0…255, rounded to the nearest; values outside are clipped.

    >>> import torch
    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0, 2.0]))
    tensor([  0, 128, 255, 255], dtype=torch.uint8)
    """
    import torch

    return ((image.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_fractional_levels(image: "Tensor") -> "Tensor":
    """Convert float in [-1, 1], of any shape, to levels in 0…255, float32, not rounded; values outside are clipped.

    >>> import torch
    >>> to_fractional_levels(torch.tensor([-1.0, 0.0, 2.0])).tolist()
    [0.0, 127.5, 255.0]
    """
    return ((image.float() + 1) * 127.5).clamp(0, 255)


def to_uint16(image: "Tensor") -> "Tensor":
    """Convert float in [-1, 1], of any shape, to uint16 in 0…65535, rounded to the nearest; values outside are clipped.

    >>> import torch
    >>> to_uint16(torch.tensor([-1.0, 1.0, 2.0])).tolist()
    [0, 65535, 65535]
    """
    import torch

    return ((image.float() + 1) * 32767.5).round().clamp(0, 65535).to(torch.int32).to(torch.uint16)
