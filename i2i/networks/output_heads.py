"""Compose the restored image from the input and output of a restoration network, in training and inference."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from i2i.networks.precision import at_least_float32

Conditioning = Literal["image", "level", "mask"]  # fourth input channel beside RGB: none, level of degradation, mask
Prediction = Literal["residual", "direct", "masked_residual", "chroma"]
CHROMA_SCALE = 110.0  # a* and b* for an output of 1: sRGB reaches from -108 to 98
_LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)
_WHITE_XYZ = (0.95047, 1.0, 1.08883)  # D65
_XYZ_TO_LINEAR_RGB = (  # of sRGB, IEC 61966-2-1, in the digits of kornia
    (3.2404813432, -1.5371515163, -0.4985363262),
    (-0.9692549500, 1.8759900015, 0.0415559266),
    (0.0556466391, -0.2040413384, 1.0573110696),
)


def compose_output(prediction: Prediction, network_input: Tensor, output: Tensor, scale: int = 1) -> Tensor:
    """Compose the restored image from the network's input and output.

    Args:
        prediction: what ``output`` means. "residual": it is added to the input image, enlarged ``scale`` times.
            "direct": it is the result. "masked_residual": it is added to the input image where the mask is positive;
            elsewhere the input image is unchanged. "chroma": its first two channels are the a* and b* of the result,
            whose lightness is the input image's.
        network_input: (N, C, H, W), or one channel more. The first C are the image in [-1, 1], the last is a mask or
            a level.
        output: (N, C, scale·H, scale·W), the output of the last layer; for "direct" of any channels.
        scale: size of the result relative to the input.

    Returns: float32 (N, C, scale·H, scale·W), nominally in [-1, 1] (float64 for float64 output).
    """
    with torch.autocast(network_input.device.type, enabled=False):
        image = network_input[:, : output.shape[1]]
        output = at_least_float32(output)
        if prediction == "direct":
            return output
        if prediction == "masked_residual":
            return torch.where(network_input[:, -1:] > 0, image + output, image)
        if prediction == "chroma":
            return apply_chroma(image, output[:, :2])
        return output + (F.interpolate(image, scale_factor=scale, mode="bicubic") if scale > 1 else image)


def apply_chroma(image: Tensor, chroma: Tensor) -> Tensor:
    """Return the lightness of ``image`` with the a* and b* of ``chroma``.

    Colours outside sRGB are desaturated in linear light, which keeps their luminance.

    Args:
        image: (N, 3, H, W) in [-1, 1].
        chroma: (N, 2, H, W), in units of CHROMA_SCALE.

    Returns: (N, 3, H, W) in [-1, 1].
    """
    if has_torch_function((image, chroma)):  # for streamed feature maps
        return handle_torch_function(apply_chroma, (image, chroma), image, chroma)
    from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb

    linear = rgb_to_linear_rgb((image + 1) / 2)
    luminance = sum(weight * linear[:, i : i + 1] for i, weight in enumerate(_LUMINANCE_WEIGHTS))
    target = _lab_to_linear_rgb(_cube_root(luminance), *(CHROMA_SCALE * chroma).split(1, 1))  # type: ignore[arg-type]
    difference = target - luminance
    headroom = torch.where(difference > 0, 1 - luminance, luminance) / difference.abs().clamp(min=1e-6)
    saturation = headroom.amin(1, keepdim=True).clamp(0, 1)
    return linear_rgb_to_rgb(luminance + saturation * difference) * 2 - 1


def _lab_to_linear_rgb(y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return linear sRGB of CIE L*a*b* (D65), values outside 0 to 1 included.

    kornia makes tensors of the constants on the host, which a CUDA graph cannot capture.

    Args:
        y: f(Y / Y of white), (N, 1, H, W), from which L* is 116 y − 16.
        a: a*, of the same shape.
        b: b*, of the same shape.

    Returns: (N, 3, H, W).
    """
    roots = (y + a / 500, y, (y - b / 200).clamp(min=0))
    xyz = [white * _cube(root) for white, root in zip(_WHITE_XYZ, roots, strict=True)]
    rows = [sum(weight * value for weight, value in zip(row, xyz, strict=True)) for row in _XYZ_TO_LINEAR_RGB]
    return torch.cat(rows, 1)  # type: ignore[arg-type]


def _cube_root(x: Tensor) -> Tensor:
    """Return f(x) of CIE L*a*b*: the cube root, linear near 0."""
    return torch.where(x > 0.008856, x.clamp(min=0.008856) ** (1 / 3), 7.787 * x + 4 / 29)


def _cube(x: Tensor) -> Tensor:
    """Return the inverse of ``_cube_root``."""
    return torch.where(x > 0.2068966, x**3, (x - 4 / 29) / 7.787)


apply_chroma.is_pointwise = True  # type: ignore[attr-defined]  # streaming: a result pixel depends on that pixel alone


def image_at(network_input: Tensor, target: Tensor, channels: int = 3) -> Tensor:
    """Return the image in a network's input, enlarged to the height and width of ``target`` if they differ.

    Args:
        network_input: (N, channels, h, w), or one more, which is a level or a mask.
        target: (N, C, H, W).
        channels: of the image.
    """
    image = network_input[:, :channels]
    if image.shape[2:] == target.shape[2:]:
        return image
    return F.interpolate(image, target.shape[2:], mode="bicubic")
