"""Colours that were found on a small copy of a photo, given to the photo itself."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from i2i.images import to_float, to_uint8
from i2i.networks.output_heads import CHROMA, coloured

RADIUS = 3  # pixels of the small copy within which colour goes with lightness
TOLERANCE = 4.0  # of lightness L*: changes far below it are no edge of colour
BAND = 1_000_000  # pixels that are coloured at once


def shrunk(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """Width and height of a copy whose shorter side has ``shorter`` pixels; those of a photo no larger than it."""
    scale = min(1.0, shorter / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@torch.inference_mode()
def recoloured(photo: Image.Image, small: Image.Image, device: torch.device | None = None) -> Image.Image:
    """RGB of the photo's size: its lightness L* with the colours a* and b* of ``small``, its coloured copy.

    Fast guided filter (He and Sun 2015): around each pixel of the copy colour is taken for a linear function of
    lightness, which is then asked with the lightness of the photo, so that colours end where things do. What such a
    function leaves of the copy's colours is added, and none is stronger than those around it. A photo as large as its
    copy gets the very colours of the copy. device: computes it; None: the CPU.
    """
    pixels = np.asarray(photo)
    height, width = pixels.shape[:2]
    known = _known(_tensor(np.asarray(small)).to(device))
    found, rows = np.empty((height, width, 3), np.uint8), max(1, BAND // width)
    for top in range(0, height, rows):
        band = _tensor(pixels[top : top + rows]).to(device)
        place = (torch.arange(top, top + band.shape[2], device=device) + 0.5) / height
        slope, offset, rest, low, high = _stretched(_rows(known, place), width).split(2, 1)
        chroma = (slope * _lab(band)[:, :1] + offset + rest).clamp(low, high)
        done = to_uint8(coloured(band, chroma / CHROMA))
        found[top : top + rows] = done[0].permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(found)


def _known(small: Tensor) -> Tensor:
    """What a coloured copy (1, 3, h, w) in [-1, 1] tells of a* and b*, (1, 10, h, w).

    Slope and offset over L*, what these leave, and the least and the greatest around each pixel.
    """
    lab = _lab(small)
    light, colour = lab[:, :1], lab[:, 1:]
    mean_light, mean_colour = _mean(light), _mean(colour)
    together = _mean(light * colour) - mean_light * mean_colour
    slope = together / (_mean(light * light) - mean_light**2 + TOLERANCE**2)
    slope, offset = _mean(slope), _mean(mean_colour - slope * mean_light)
    window = 2 * RADIUS + 1, 1, RADIUS
    low, high = -F.max_pool2d(-colour, *window), F.max_pool2d(colour, *window)
    return torch.cat([slope, offset, colour - slope * light - offset, low, high], 1)


def _mean(values: Tensor) -> Tensor:
    """Over the square of RADIUS around each pixel, as far as there is a picture."""
    return F.avg_pool2d(values, 2 * RADIUS + 1, 1, RADIUS, count_include_pad=False)


def _rows(values: Tensor, place: Tensor) -> Tensor:
    """Rows of (1, C, h, w) at heights ``place`` from 0 to 1, bilinear."""
    at = (place * values.shape[2] - 0.5).clamp(0, values.shape[2] - 1)
    above = at.floor().long()
    below, share = (above + 1).clamp(max=values.shape[2] - 1), (at - above)[:, None]
    return values[:, :, above] * (1 - share) + values[:, :, below] * share


def _stretched(values: Tensor, width: int) -> Tensor:
    return F.interpolate(values, (values.shape[2], width), mode="bilinear")


def _lab(picture: Tensor) -> Tensor:
    from kornia import color

    return color.rgb_to_lab((picture + 1) / 2)


def _tensor(pixels: np.ndarray) -> Tensor:
    return to_float(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])
