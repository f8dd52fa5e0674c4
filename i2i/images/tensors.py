"""uint8 levels and the numbers that networks see."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def to_float(pixels: "Tensor") -> "Tensor":
    """uint8 (…) in 0…255 to float32 in [-1, 1]."""
    import torch

    return torch.div(pixels, 127.5).sub_(1)


def to_uint8(picture: "Tensor") -> "Tensor":
    """Float in [-1, 1] to uint8 in 0…255, rounded to the nearest; what lies outside is clipped."""
    import torch

    return ((picture.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
