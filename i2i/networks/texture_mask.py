"""Keep the input of a translator where the translation adds no texture, such as stripes."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from i2i.networks.precision import at_least_float32

TEXTURE_MASK_HELP = (
    "keep the input wherever the translation adds no texture, such as stripes: not even its colours change"
)
CELL = 8  # pixels a side over which texture is measured; divides the height and width of an image
_LOW, _HIGH = 14 / 127.5, 30 / 127.5  # RMS of the added texture, in [-1, 1], for a mask of 0 and of 1


def keep_untextured(output: Tensor, image: Tensor) -> Tensor:
    """Return ``output`` where it adds texture to ``image``, and ``image`` elsewhere, with a soft transition.

    Added texture is the difference in brightness of output and image, without its mean over cells of CELL pixels. Its
    energy is its mean square over such cells. Both means are interpolated between the cells. The mask rises smoothly
    from 0 to 1 between a root mean square of 14 and of 30 grey levels. No weights are learned, and gradients flow
    through the mask.

    Args:
        output: of a translator, (N, C, H, W) in [-1, 1], H and W multiples of CELL.
        image: its input, of the same shape and range.

    Returns: (N, C, H, W) in float32 (float64 for float64 output).
    """
    with torch.autocast(image.device.type, enabled=False):
        difference = _change(at_least_float32(output), image)
        brightness = _brightness(difference)
        detail = _difference(brightness, _local_mean(brightness))
        energy = _local_mean(detail * detail)
        return _masked_sum(image, difference, energy)


def _local_mean(x: Tensor) -> Tensor:
    """Return the mean of ``x`` over cells, interpolated between them to its height and width."""
    cells = F.avg_pool2d(x, CELL)
    if not isinstance(x, Tensor):  # a streamed feature map
        return F.interpolate(cells, scale_factor=CELL, mode="bilinear")
    return F.interpolate(cells, x.shape[2:], mode="bilinear")  # exported networks have symbols as height and width


def _change(output: Tensor, image: Tensor) -> Tensor:
    if has_torch_function((output, image)):
        return handle_torch_function(_change, (output, image), output, image)
    return output - image.to(output.dtype)


def _difference(x: Tensor, y: Tensor) -> Tensor:
    if has_torch_function((x, y)):
        return handle_torch_function(_difference, (x, y), x, y)
    return x - y


def _brightness(x: Tensor) -> Tensor:
    if has_torch_function((x,)):
        return handle_torch_function(_brightness, (x,), x)
    return x.mean(1, keepdim=True)


def _masked_sum(image: Tensor, difference: Tensor, energy: Tensor) -> Tensor:
    """Return image + mask · difference, where the mask follows from the energy (N, 1, H, W)."""
    if has_torch_function((image, difference, energy)):
        return handle_torch_function(_masked_sum, (image, difference, energy), image, difference, energy)
    linear = ((energy - _LOW**2) / (_HIGH**2 - _LOW**2)).clamp(0, 1)
    return image.to(difference.dtype) + linear * linear * (3 - 2 * linear) * difference


# Streaming: each pixel of a result depends on that pixel alone.
_change.is_pointwise = True  # type: ignore[attr-defined]
_difference.is_pointwise = True  # type: ignore[attr-defined]
_brightness.is_pointwise = True  # type: ignore[attr-defined]
_masked_sum.is_pointwise = True  # type: ignore[attr-defined]
