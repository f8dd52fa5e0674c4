"""How a restoration network's answer and what it was given make the result; alike in training and in use."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

Shows = Literal["picture", "level", "mask"]  # what there is beside the picture, as a fourth channel
Answers = Literal["residual", "plain", "patch", "chroma"]
CHROMA = 110.0  # a* and b* of an answer of 1: sRGB reaches from -108 to 98
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def composed(kind: Answers, given: Tensor, answer: Tensor, scale: int = 1) -> Tensor:
    """The result, float32 (N, 3, scale·H, scale·W), nominally in [-1, 1].

    given: (N, 3 or 4, H, W). answer: (N, 3, scale·H, scale·W). "residual": added to the picture, which is enlarged
    where it has to be. "plain": the answer itself. "patch": added to the picture, which something fills already, where
    the mask is positive, and the picture untouched elsewhere. "chroma": the picture's lightness with the colour of the
    answer's first two channels.
    """
    with torch.autocast(given.device.type, enabled=False):
        picture, answer = given[:, :3], answer if answer.dtype == torch.float64 else answer.float()
        if kind == "plain":
            return answer
        if kind == "patch":
            return torch.where(given[:, 3:] > 0, picture + answer, picture)
        if kind == "chroma":
            return coloured(picture, answer[:, :2])
        return answer + (F.interpolate(picture, scale_factor=scale, mode="bicubic") if scale > 1 else picture)


def coloured(picture: Tensor, chroma: Tensor) -> Tensor:
    """The picture's lightness with the a* and b* that ``chroma`` (N, 2, H, W) gives, of 1 for CHROMA.

    picture: (N, 3, H, W) in [-1, 1]. What lies outside sRGB is brought in by making it paler, in linear light, so that
    its luminance stays.
    """
    if has_torch_function((picture, chroma)):  # of maps that stand in for tensors
        return handle_torch_function(coloured, (picture, chroma), picture, chroma)
    from kornia import color

    linear = color.rgb_to_linear_rgb((picture + 1) / 2)
    luminance = sum(part * linear[:, i : i + 1] for i, part in enumerate(_LUMINANCE))
    lightness = color.rgb_to_lab(color.linear_rgb_to_rgb(luminance.expand_as(linear)))[:, :1]  # type: ignore[union-attr]
    wanted = color.lab_to_rgb(torch.cat([lightness, CHROMA * chroma], 1), clip=False)
    colour = color.rgb_to_linear_rgb(wanted) - luminance
    room = torch.where(colour > 0, 1 - luminance, luminance) / colour.abs().clamp(min=1e-6)
    paler = room.amin(1, keepdim=True).clamp(0, 1)
    return color.linear_rgb_to_rgb(luminance + paler * colour) * 2 - 1


coloured.pixelwise = True  # type: ignore[attr-defined]  # for strips: each pixel of the result takes that pixel alone


def as_seen(given: Tensor, truth: Tensor) -> Tensor:
    """What a network is given as a picture of the truth's size: without level or mask, enlarged where it is smaller."""
    picture = given[:, :3]
    if picture.shape[2:] == truth.shape[2:]:
        return picture
    return F.interpolate(picture, truth.shape[2:], mode="bicubic")
