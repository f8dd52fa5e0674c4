"""Transfer the colours of a small copy of a photo to the photo."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from i2i.images import to_float, to_uint8
from i2i.images.deep import STEP, DeepImage, image_from_levels
from i2i.images.tensors import to_uint16
from i2i.networks.output_heads import CHROMA_SCALE, apply_chroma

RADIUS = 3  # radius of the guided filter's window, in pixels of the small copy
TOLERANCE = 4.0  # √ε of the guided filter, in units of L*: smaller changes of lightness are not edges
BAND_PIXELS = 1_000_000  # pixels that are coloured at a time


def downscaled_size(size: tuple[int, int], shorter_side: int) -> tuple[int, int]:
    """Return width and height of a copy whose shorter side has at most ``shorter_side`` pixels."""
    scale = min(1.0, shorter_side / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@torch.inference_mode()
def transfer_chroma(photo: Image.Image, small: Image.Image, device: torch.device | None = None) -> Image.Image:
    """Give a photo the colours of its small coloured copy, by a fast guided filter (He and Sun 2015).

    Around each pixel of the copy, a* and b* are fitted by a linear function of L*. The function is evaluated at the L*
    of the photo, so that colours end at the edges of the photo. The residual of the fit is added, and the result is
    clamped to the range of colours around the pixel. A photo of the size of its copy gets exactly the colours of the
    copy.

    Args:
        photo: RGB.
        small: the coloured copy, RGB.
        device: device of the computation; None is the CPU.

    Returns: RGB of the size of the photo: its L* with transferred a* and b*.
    """
    pixels, is_deep = np.asarray(photo), isinstance(photo, DeepImage)
    height, width = pixels.shape[:2]
    coefficients = _guided_filter_coefficients(_to_tensor(np.asarray(small)).to(device))
    output = np.empty((height, width, 3), pixels.dtype)
    band_rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, band_rows):
        levels = pixels[top : top + band_rows]
        band = _to_tensor(levels / np.float32(STEP) if is_deep else levels).to(device)
        positions = (torch.arange(top, top + band.shape[2], device=device) + 0.5) / height
        band_coefficients = _resize_columns(_sample_rows(coefficients, positions), width)
        slope, offset, residual, low, high = band_coefficients.split(2, 1)
        chroma = (slope * _to_lab(band)[:, :1] + offset + residual).clamp(low, high)
        coloured = (to_uint16 if is_deep else to_uint8)(apply_chroma(band, chroma / CHROMA_SCALE))
        output[top : top + band_rows] = coloured[0].permute(1, 2, 0).cpu().numpy()
    return image_from_levels(output)


def _guided_filter_coefficients(small: Tensor) -> Tensor:
    """Fit a* and b* of a coloured copy (1, 3, h, w) in [-1, 1] by linear functions of L*.

    Returns: (1, 10, h, w): for a* and b* each the slope, the offset, the residual of the fit, and the least and the
        greatest value around each pixel.
    """
    lab = _to_lab(small)
    lightness, chroma = lab[:, :1], lab[:, 1:]
    mean_lightness = _window_mean(lightness)
    mean_chroma = _window_mean(chroma)
    covariance = _window_mean(lightness * chroma) - mean_lightness * mean_chroma
    variance = _window_mean(lightness * lightness) - mean_lightness**2
    slope = covariance / (variance + TOLERANCE**2)
    offset = _window_mean(mean_chroma - slope * mean_lightness)
    slope = _window_mean(slope)
    residual = chroma - slope * lightness - offset
    window = 2 * RADIUS + 1, 1, RADIUS  # kernel size, stride, padding
    low = -F.max_pool2d(-chroma, *window)
    high = F.max_pool2d(chroma, *window)
    return torch.cat([slope, offset, residual, low, high], 1)


def _window_mean(values: Tensor) -> Tensor:
    """Average over the window of RADIUS around each pixel, within the image."""
    return F.avg_pool2d(values, 2 * RADIUS + 1, 1, RADIUS, count_include_pad=False)


def _sample_rows(values: Tensor, positions: Tensor) -> Tensor:
    """Sample rows of (1, C, h, w) at vertical positions from 0 to 1, with linear interpolation."""
    row = (positions * values.shape[2] - 0.5).clamp(0, values.shape[2] - 1)
    above = row.floor().long()
    below = (above + 1).clamp(max=values.shape[2] - 1)
    fraction = (row - above)[:, None]
    return values[:, :, above] * (1 - fraction) + values[:, :, below] * fraction


def _resize_columns(values: Tensor, width: int) -> Tensor:
    return F.interpolate(values, (values.shape[2], width), mode="bilinear")


def _to_lab(image: Tensor) -> Tensor:
    from kornia import color

    return color.rgb_to_lab((image + 1) / 2)


def _to_tensor(pixels: np.ndarray) -> Tensor:
    return to_float(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])
